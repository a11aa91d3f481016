"""The diagonal recurrence: against a loop in NumPy, by hand, and how it starts."""

import math

import numpy as np
import pytest
import torch
from drawn import sigmoid
from sines import hiddens, set_to_sines, sines

from lossladder.models import Diagonal


def factors(kind, u):
    """The number that each unit is multiplied by, complex where it turns."""
    if kind == "unit":
        return sigmoid(u)
    if kind == "signed":
        return np.tanh(u)
    moduli, angles = np.split(u, 2)
    return sigmoid(moduli) * np.exp(1j * angles)


@pytest.mark.parametrize("kind", ["unit", "signed", "complex"])
def test_it_equals_a_loop_over_single_numbers(kind):
    network = Diagonal(3, 4, range=kind)
    w = set_to_sines(network)
    inputs = sines(2, 9, 3, start=0.5)
    found = hiddens(network, inputs)
    for sequence, seen in zip(inputs, found, strict=True):
        state = np.zeros(2, complex) if kind == "complex" else np.zeros(4)
        for x, hidden in zip(sequence, seen, strict=True):
            offset = w["offset.weight"] @ x + w["offset.bias"]
            if kind == "complex":
                offset = offset[:2] + 1j * offset[2:]
            state = factors(kind, w["factor.weight"] @ x + w["factor.bias"]) * state + offset
            expected = np.concatenate([state.real, state.imag]) if kind == "complex" else state
            np.testing.assert_allclose(hidden, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "u", "after"),
    [
        ("unit", [0.0, math.log(3)], [0.5 * 2 + 1, 0.75 * 4 + 1]),
        ("signed", [0.0, -math.log(3) / 2], [1, -0.5 * 4 + 1]),
        # (2 + 4i) / 2 turned by a quarter: -2 + 1i
        ("complex", [0.0, math.pi / 2], [-2 + 1, 1 + 1]),
    ],
)
def test_a_step_by_hand(kind, u, after):
    network = Diagonal(1, 2, range=kind).double()
    with torch.no_grad():
        network.factor.weight.zero_()
        network.factor.bias.copy_(torch.tensor(u, dtype=torch.float64))
        network.offset.weight.fill_(1.0)
        network.offset.bias.zero_()
        (found,) = network.step(torch.ones(1, 1).double(), (torch.tensor([[2.0, 4.0]]).double(),))
    assert found[0].tolist() == pytest.approx(after, abs=1e-14)


def test_units_remember_and_spread_at_the_start():
    starts = {
        kind: Diagonal(2, 400, range=kind).factor.bias.detach() for kind in ("unit", "signed")
    }
    assert torch.sigmoid(starts["unit"]).unique().tolist() == pytest.approx([0.8808], abs=1e-4)
    assert torch.tanh(starts["signed"]).min() < -0.9
    assert torch.tanh(starts["signed"]).max() > 0.9
    moduli, angles = Diagonal(2, 400, range="complex").factor.bias.detach().chunk(2)
    assert torch.sigmoid(moduli).unique().tolist() == pytest.approx([0.9526], abs=1e-4)
    assert -math.pi <= angles.min() < -3 < 3 < angles.max() <= math.pi


def test_parity_can_be_written_into_a_signed_unit_and_holds_for_ever():
    """h' = h at a zero, 1 - h at a one: factors that are 1 and -1 to the last digit."""
    network = Diagonal(1, 1, range="signed").double()
    with torch.no_grad():
        for parameter, number in zip(network.parameters(), (-60.0, 30.0, 1.0, 0.0), strict=True):
            parameter.fill_(number)
    bits = (sines(1, 5000, 1) > 0.1).astype(float)
    assert np.array_equal(hiddens(network, bits)[0, :, 0], np.cumsum(bits) % 2)


def test_wrong_requests_are_refused_by_name():
    with pytest.raises(ValueError, match="range='real': must be one of unit, signed, complex"):
        Diagonal(2, 4, range="real")
    with pytest.raises(ValueError, match="hidden_size=5: must be even"):
        Diagonal(2, 5, range="complex")
