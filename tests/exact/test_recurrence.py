"""Stretching, turning and gradients of networks whose matrices are known."""

import math

import pytest
import torch
from hand_set import HandSet, network_of, window
from torch import Generator, Tensor

from lossladder.diagnostics import gradients, recurrence
from lossladder.models import LSTM, RNN, Network
from lossladder.tasks import Delay, Echo, Words


class Linear(HandSet):
    """h' = A h + x, with a matrix of its own for each letter, or one for all."""

    def __init__(self, input_size: int, matrices: Tensor) -> None:
        size = matrices.shape[-1]
        super().__init__(input_size, size, ((size,),))
        self.matrices = matrices.double()

    def step(self, x: Tensor, state):
        which = x.argmax(dim=1) if len(self.matrices) > 1 else torch.zeros(len(x), dtype=torch.long)
        moved = (self.matrices[which] @ state[0][..., None])[..., 0]
        return (moved + x[:, :1].double(),)


def turn(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


def seed() -> Generator:
    return Generator().manual_seed(0)


def test_exponents_are_logarithms_of_what_a_diagonal_matrix_does():
    network = network_of(Linear(2, torch.diag(torch.tensor([0.5, 0.9]))[None]))
    found = recurrence(network, Echo(), seed())
    assert found.exponents.tolist() == pytest.approx([math.log(0.9), math.log(0.5)], abs=0.02)
    assert found.radius == pytest.approx(0.9)


@pytest.mark.parametrize("m", [3, 6])
def test_who_turns_by_a_share_of_a_circle_has_its_angles(m):
    task = Words(f"Z{m}")
    network = Network(Linear(m, torch.stack([turn(2 * math.pi * g / m) for g in range(m)])), m)
    found = recurrence(network.double(), task, seed())
    letters = torch.tensor([min(g, m - g) for g in range(m)])
    assert found.angles.tolist() == pytest.approx(
        (2 * math.pi / m * letters[found.symbols]).tolist(), abs=1e-6
    )
    assert found.exponents.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_delay_line_forgets_wholly():
    found = recurrence(window(Delay(3), "all"), Delay(3), seed())
    assert found.radius < 1e-6
    assert found.exponents.max() < -1
    assert found.symbols is None


def test_gradients_reach_as_far_as_the_lags_that_are_used():
    network = window(Delay(3), "all")
    # a prediction that is right has no gradient
    network.readout.weight.data *= 0.5
    found = gradients(network, Delay(3), seed())
    assert (found.inputs[:3] > 0.1).all()
    assert found.inputs[3:].tolist() == pytest.approx([0.0] * len(found.inputs[3:]), abs=1e-12)
    # the state that the last step meets holds two of them, and the one before that one
    assert found.states[0] > found.states[1] > 0.1
    assert found.states[2] == 0


def test_gradients_fade_by_the_factor_of_a_leak():
    network = network_of(Linear(2, 0.5 * torch.eye(2)[None]))
    network.readout.weight.data *= torch.tensor([[1.0], [-1.0]])
    found = gradients(network, Echo(), seed())
    ratio = found.inputs[1:6] / found.inputs[:5]
    assert ratio.tolist() == pytest.approx([0.5] * 5, abs=1e-4)
    assert (found.states[1:6] / found.states[:5]).tolist() == pytest.approx([0.5] * 5, abs=1e-4)


@pytest.mark.parametrize("recurrent", [RNN(2, 5), LSTM(2, 3)], ids=["rnn", "lstm"])
def test_matrices_are_finite_differences(recurrent):
    from lossladder.diagnostics.recurrence import step_matrices
    from lossladder.diagnostics.states import flat, unflat

    network = Network(recurrent, 2).double()
    size = flat(network.initial_state(1)).shape[1]
    states = 0.3 * torch.randn(4, size, generator=seed(), dtype=torch.float64)
    x = torch.eye(2, dtype=torch.float64).repeat(2, 1)
    found = step_matrices(network, x, states)

    def after(rows: Tensor) -> Tensor:
        return flat(network.recurrent(x[:, None], unflat(rows, network.initial_state(4)))[1])

    for place in range(size):
        nudge = torch.zeros(size, dtype=torch.float64)
        nudge[place] = 1e-6
        column = (after(states + nudge) - after(states - nudge)).detach() / 2e-6
        assert found[:, :, place].flatten().tolist() == pytest.approx(
            column.flatten().tolist(), abs=1e-6
        )
