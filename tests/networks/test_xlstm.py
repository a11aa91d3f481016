"""sLSTM and mLSTM against their equations without a stabiliser, and against their authors' code."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import drawn, inputs, numbers, ran, sigmoid

from lossladder.models import MLSTM, SLSTM

REFERENCE = json.loads(Path(__file__).with_name("xlstm_reference.json").read_text())


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_slstm_puts_out_what_its_authors_code_does():
    hiddens, _ = ran(drawn(SLSTM(2, 3)), inputs(2, 6, 2))
    assert_close(hiddens, REFERENCE["slstm"])


@pytest.mark.parametrize("form", ["recurrent", "parallel"])
def test_mlstm_puts_out_what_both_forms_of_its_authors_code_do(form):
    hiddens, _ = ran(drawn(MLSTM(2, 3)), inputs(2, 6, 2))
    assert_close(hiddens, REFERENCE["mlstm"][form])


def test_slstm_is_its_equations_without_a_stabiliser():
    network = drawn(SLSTM(3, 4))
    x = inputs(2, 9, 3)
    hiddens, (_, last_c, last_n, last_m) = ran(network, x)
    p = numbers(network)
    for row in range(2):
        h, c, n = np.zeros((3, 4))
        for t in range(9):
            raw = p["weight"] @ np.concatenate([x[row, t], h])
            i, f, z, o = np.split(raw + np.concatenate([np.zeros(4), p["bias"]]), 4)
            c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
            n = sigmoid(f) * n + np.exp(i)
            h = sigmoid(o) * c / n
            assert_close(hiddens[row, t], h)
        assert_close(np.exp(last_m[row]) * last_c[row], c)
        assert_close(np.exp(last_m[row]) * last_n[row], n)


def test_mlstm_is_its_equations_without_a_stabiliser():
    network = drawn(MLSTM(3, 4))
    x = inputs(2, 9, 3)
    hiddens, (last, last_n, last_m) = ran(network, x)
    p = numbers(network)
    for row in range(2):
        memory, n = np.zeros((4, 4)), np.zeros(4)
        for t in range(9):
            raw = p["project.weight"] @ x[row, t] + p["project.bias"]
            (q, k, v, o), (i, f) = np.split(raw[:16], 4), raw[16:]
            memory = sigmoid(f) * memory + np.exp(i) * np.outer(v, k / 2)
            n = sigmoid(f) * n + np.exp(i) * k / 2
            assert_close(hiddens[row, t], sigmoid(o) * (memory @ q) / max(abs(n @ q), 1))
        assert_close(np.exp(last_m[row]) * last[row], memory)
        assert_close(np.exp(last_m[row]) * last_n[row], n)


def test_slstm_by_hand():
    """All gates at nothing: c = 1, then 1/2 - 1; n = 1, then 3/2; half of the ratio is shown."""
    network = SLSTM(1, 1, forget_bias=0.0).double()
    with torch.no_grad():
        network.weight.zero_()
        network.weight[2, 0] = 40.0  # z
    hiddens, _ = ran(network, np.array([[[1.0], [-1.0]]]))
    assert_close(hiddens.ravel(), [1 / 2, -1 / 6])


def test_mlstm_by_hand():
    """k = v = x and q = 1. From 2: C = 4, n = 2. From 1: C = 3, n = 2. From 1/2: n q is below 1."""
    network = MLSTM(1, 1, forget_bias=0.0).double()
    with torch.no_grad():
        network.project.weight.copy_(torch.tensor([[0.0], [1.0], [1.0], [0.0], [0.0], [0.0]]))
        network.project.bias[0] = 1.0
    hiddens, _ = ran(network, np.array([[[2.0], [1.0]], [[0.5], [0.0]]]))
    assert_close(hiddens[..., 0], [[1.0, 0.75], [0.125, 0.0625]])


@pytest.mark.parametrize("network_type", [SLSTM, MLSTM])
@pytest.mark.parametrize("exponent", [-700.0, -80.0, 80.0, 700.0])
def test_gates_that_would_overflow_do_not(network_type, exponent):
    network = network_type(2, 3)
    x = torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0))
    x[..., 0] = 1
    with torch.no_grad():
        (
            network.weight[:3, 0] if network_type is SLSTM else network.project.weight[-2:-1, 0]
        ).fill_(exponent)
    x.requires_grad_()
    hiddens, _ = network(x, network.initial_state(2))
    (gradient,) = torch.autograd.grad(hiddens.sum(), x)
    assert bool(hiddens.isfinite().all())
    assert bool(gradient.isfinite().all())


def test_what_slstm_divides_by_is_at_least_one():
    _, (_, _, n, _) = ran(drawn(SLSTM(2, 5), scale=3.0), 10 * inputs(20, 30, 2))
    assert n.min() >= 1


def test_what_mlstm_carries_is_multiplied_by_one_number_between_nought_and_one():
    """Of C and n times e^m, whatever they are: that is what its dynamics say."""
    assert MLSTM.dynamics is not None
    assert (MLSTM.dynamics.transition, MLSTM.dynamics.eigenvalues) == ("diagonal", "unit")
    network = drawn(MLSTM(2, 3), scale=2.0)
    x = torch.as_tensor(inputs(40, 2))
    shapes = network.state_shapes[:2]
    m = torch.as_tensor(inputs(40, 1, seed=2))
    pair = [[torch.as_tensor(inputs(40, *s, seed=seed)) for s in shapes] for seed in (3, 4)]

    def unscaled(parts):
        with torch.no_grad():
            memory, n, after = network.step(x, (*parts, m))[1]
        scale = torch.exp(after - m)
        return memory * scale[..., None], n * scale

    for before, after in zip(
        (a - b for a, b in zip(*pair, strict=True)),
        (a - b for a, b in zip(*map(unscaled, pair), strict=True)),
        strict=True,
    ):
        factor = (after / before).flatten(1).numpy()
        np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape), rtol=1e-6)
        assert 0 < factor.min() < factor.max() < 1
