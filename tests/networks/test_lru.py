"""The linear recurrent unit: against complex numbers in NumPy, and LRU-pytorch's own numbers.

`pip install --no-deps lru-pytorch` lets the tests hold the numbers written down here against the
package itself; `python -m pytest tests/networks/test_lru.py` then does.
"""

import math

import numpy as np
import pytest
import torch
from sines import hiddens, set_to_sines, sines

from lossladder.models import LRU

INPUTS = sines(1, 4, 2, start=0.5)
LRU_PYTORCH = [  # 0.1.3
    [1.624196467148684, -0.964106856456138],
    [0.635781736542253, -0.22133277003848],
    [-1.794803270009822, 0.583238640379379],
    [0.85963709451546, -0.364295784553371],
]


def test_it_equals_a_loop_in_complex_numbers():
    network = LRU(3, 4, state_size=5)
    w = set_to_sines(network)
    inputs = sines(2, 9, 3, start=0.5)
    factor = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    into = np.exp(w["gamma"])[:, None] * (w["b_re"] + 1j * w["b_im"])
    out = w["c_re"] + 1j * w["c_im"]
    for sequence, seen in zip(inputs, hiddens(network, inputs), strict=True):
        state = np.zeros(5, complex)
        for x, y in zip(sequence, seen, strict=True):
            state = factor * state + into @ x
            np.testing.assert_allclose(y, (out @ state).real + w["d"] @ x, rtol=0, atol=1e-12)


def ours():
    network = LRU(2, 2, state_size=3)
    set_to_sines(network)
    return hiddens(network, INPUTS)


def theirs():
    """What LRU-pytorch puts out with the same weights, in float64."""
    published = pytest.importorskip("LRU_pytorch")
    network = LRU(2, 2, state_size=3)
    set_to_sines(network)
    torch.set_default_dtype(torch.float64)  # in which it makes its outputs
    try:
        layer = published.LRU(2, 2, 3)
        with torch.no_grad():
            layer.nu_log.copy_(network.nu)
            layer.theta_log.copy_(network.theta)
            layer.gamma_log.copy_(network.gamma)
            layer.B.copy_(torch.complex(network.b_re, network.b_im))
            layer.C.copy_(torch.complex(network.c_re, network.c_im))
            layer.D.copy_(network.d)
            return layer(torch.from_numpy(INPUTS)).numpy()
    finally:
        torch.set_default_dtype(torch.float32)


def test_it_puts_out_what_the_published_implementation_does():
    np.testing.assert_allclose(ours()[0], LRU_PYTORCH, rtol=0, atol=1e-12)


def test_these_are_the_numbers_of_the_published_implementation():
    np.testing.assert_allclose(theirs()[0], LRU_PYTORCH, rtol=0, atol=1e-12)


def test_a_step_by_hand():
    """A unit that halves and turns by a quarter: 2 + 4i becomes -2 + i, the input adds 3i."""
    network = LRU(1, 1).double()
    numbers = {"nu": math.log(math.log(2)), "theta": math.log(math.pi / 2), "gamma": math.log(3)}
    numbers |= {"b_im": 1.0, "c_re": 1.0, "c_im": 0.5, "d": 10.0}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(numbers.get(name, 0.0))
        state = torch.tensor([[2.0]]).double(), torch.tensor([[4.0]]).double()
        y, (re, im) = network.step(torch.ones(1, 1).double(), state)
    assert float(re) == pytest.approx(-2, abs=1e-14)
    assert float(im) == pytest.approx(1 + 3, abs=1e-14)
    assert float(y) == pytest.approx(-2 - 0.5 * 4 + 10, abs=1e-14)


def test_factors_start_evenly_over_a_ring():
    network = LRU(2, 3, state_size=20_000, r_min=0.5, r_max=0.9, max_phase=1.0).double()
    network.initialise(torch.Generator().manual_seed(0))
    moduli, angles = (-network.nu.exp()).exp().detach(), network.theta.exp().detach()
    assert 0.5 <= moduli.min() < 0.501
    assert 0.899 < moduli.max() <= 0.9
    # half of the ring's area lies within the root of the mean of both squares
    assert float((moduli**2 < (0.25 + 0.81) / 2).double().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(angles.max()) <= 1.0
    assert float(angles.mean()) == pytest.approx(0.5, abs=0.01)


def test_white_noise_gives_every_unit_the_same_variance_at_the_start():
    """B has variance 1 in both parts together, and gamma takes away what a memory adds."""
    network = LRU(1, 1, state_size=50, r_max=0.9).double()
    network.initialise()
    scale = torch.exp(2 * network.gamma) / (1 - torch.exp(-2 * torch.exp(network.nu)))
    assert scale.tolist() == pytest.approx([1.0] * 50, abs=1e-9)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"r_min": 0.9, "r_max": 0.5}, "r_min=0.9: must be below r_max=0.5"),
        ({"r_max": 1.5}, "r_max=1.5: must be a number from 0 to 1"),
        ({"max_phase": 0.0}, "max_phase=0: must be a number above 0"),
        ({"state_size": 0}, "state_size=0: must be a whole number of at least 1"),
    ],
)
def test_wrong_requests_are_refused_by_name(choice, message):
    with pytest.raises(ValueError, match=message):
        LRU(2, 4, **choice)
