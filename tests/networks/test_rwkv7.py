"""RWKV-7's time mixing against its equations, and where its eigenvalues lie."""

import numpy as np
import pytest
import torch
from drawn import drawn, inputs, numbers, ran, sigmoid

from lossladder.models import RWKV7


def test_it_is_its_equations_written_as_matrices():
    network = drawn(RWKV7(3, 4))
    x = inputs(2, 9, 3)
    hiddens, (last,) = ran(network, x)
    p = numbers(network)
    for row in range(2):
        memory = np.zeros((4, 4))
        for t in range(9):
            raw = p["project.weight"] @ x[row, t] + p["project.bias"]
            r, k, v, d, a = np.split(raw, 5)
            w, a = np.exp(-sigmoid(d) / np.sqrt(np.e)), sigmoid(a)
            removed = k * p["removal"] / np.linalg.norm(k * p["removal"])
            added = (1 - p["mixing"]) * k + p["mixing"] * a * k
            transition = np.diag(w) - np.outer(removed, a * removed)
            memory = memory @ transition + np.outer(v, added)
            np.testing.assert_allclose(hiddens[row, t], memory @ r, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(last[row], memory, rtol=1e-11, atol=1e-12)


def test_two_steps_by_hand():
    """One feature, all gates at one half: S = 4/2 = 2, then 2 (e^(-1/(2 sqrt e)) - 1/2) + 2."""
    network = RWKV7(1, 1).double()
    with torch.no_grad():
        network.project.weight.copy_(torch.tensor([[3.0], [1.0], [4.0], [0.0], [0.0]]))
        network.project.bias.zero_()
    hiddens, _ = ran(network, np.ones((1, 2, 1)))
    assert hiddens.ravel().tolist() == pytest.approx([6.0, 3 * (2 * 0.738403 + 1)], abs=1e-5)


def transitions(network, x):
    """The matrices that steps at these inputs multiply the state by."""
    count, size = len(x), network.hidden_size
    ones = torch.eye(size, dtype=torch.float64).expand(count, size, size)
    with torch.no_grad():
        steps = (network.step(torch.as_tensor(x), (s,))[1][0] for s in (ones, 0 * ones))
        moved, nothing = steps
    return (moved - nothing).numpy()


def test_the_eigenvalues_of_a_step_are_real_and_lie_where_it_says():
    assert RWKV7.dynamics is not None
    assert RWKV7.dynamics.eigenvalues == "signed"
    least = np.exp(-np.exp(-0.5)) - 1  # -0.4548
    networks = (drawn(RWKV7(3, 4), seed, scale=3.0) for seed in range(20))
    found = np.array([np.linalg.eigvals(transitions(n, inputs(30, 3))) for n in networks])
    assert np.abs(found.imag).max() < 1e-7
    assert least - 1e-7 < found.real.min() < 0
    assert 0.9 < found.real.max() < 1 + 1e-9


def test_no_narrower_range_would_do():
    network = RWKV7(1, 2).double()
    found = []
    for decay in (40.0, -40.0):
        with torch.no_grad():
            network.project.weight.zero_()
            network.project.bias.copy_(torch.tensor([0, 0, 1, 0, 0, 0, decay, decay, 40.0, 40.0]))
        found += sorted(np.linalg.eigvals(transitions(network, np.zeros((1, 1))))[0].real)
    assert found == pytest.approx([-0.454764, 0.545236, 0, 1], abs=1e-5)
