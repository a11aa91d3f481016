"""A rounded state has few levels and no more, a gradient as if it were not rounded, and trains."""

import copy

import pytest
import torch
from torch import Generator, nn

from lossladder.engines import Autograd, Chunk, Fused, StackedEngine
from lossladder.models import (
    LSTM,
    MLP,
    RNN,
    TCN,
    Bits,
    Cell,
    Dynamics,
    GRUCell,
    Layers,
    LSTMCell,
    Network,
    WindowAttention,
)
from lossladder.tasks import Echo
from lossladder.testing import check_network

CELLS = {
    "rnn": lambda: RNN(2, 3),
    "lstm_cell": lambda: LSTMCell(2, 3),
    "gru_cell": lambda: GRUCell(2, 3),
    "mlp": lambda: MLP(2, 3),
    "attention": lambda: WindowAttention(2, 3, window=2),
    "tcn": lambda: TCN(2, 3, window=3),
}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def drawn(cell: Cell) -> Cell:
    """Weights so large that states reach and leave [-1, 1]."""
    cell = cell.double()
    for number, parameter in enumerate(cell.parameters()):
        parameter.data = 2 * normal(*parameter.shape, seed=number)
    return cell


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("name", CELLS)
def test_a_rounded_cell_keeps_the_laws(name, bits):
    cell = CELLS[name]()
    # of a few levels some starts see no difference in the state
    cell.initialise(torch.Generator().manual_seed(0))
    check_network(Bits(cell, bits))


def test_layers_of_rounded_cells_keep_the_laws():
    layers = Layers([Bits(RNN(2, 3), 3), Bits(RNN(3, 3), 3)])
    assert layers.straight_through
    check_network(layers)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bits", [1, 2])
def test_whatever_is_carried_or_read_is_one_of_so_many_levels(name, bits):
    network = Bits(drawn(CELLS[name]()), bits).float()
    inputs = normal(50, 200, 2).float()
    hiddens, state = network(inputs, network.initial_state(50))
    for numbers in (hiddens, *state, *network.initial_state(50)):
        found = numbers.unique()
        levels = torch.linspace(-1, 1, 2**bits)
        assert len(found) <= 2**bits
        assert all((levels - value).abs().min() < 1e-6 for value in found)
    # a sigmoid is above 0, and of one bit only the upper level is
    assert len(hiddens.unique()) > 1 or (name, bits) == ("mlp", 1)


@pytest.mark.parametrize("make", [lambda: RNN(2, 3), lambda: GRUCell(2, 3)])
def test_no_more_states_are_seen_than_the_bits_allow(make):
    network = Bits(drawn(make()), 2).float()
    state, seen = network.initial_state(500), set()
    for x in normal(200, 500, 2).float():
        (state,) = (network.step(x, state)[1],)
        seen |= {tuple(row) for row in state[0].tolist()}
    assert network.dynamics.bits == 6
    assert 16 < len(seen) <= 2**6
    unrounded = network.recurrent(normal(500, 1, 2).float(), network.initial_state(500))[0]
    assert len(unrounded.unique(dim=0)) > 2**6  # the test can fail


class Doubled(Cell):
    """Puts out what is no part of its state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight = nn.Parameter(torch.ones(input_size, hidden_size))

    def initialise(self, generator=None) -> None:
        nn.init.normal_(self.weight, generator=generator)

    def step(self, x, state):
        h = torch.tanh(0.5 * state[0] + x @ self.weight)
        return 2 * h, (h,)


def test_an_output_of_the_steps_own_is_rounded_and_its_bits_count():
    network = Bits(Doubled(2, 3), 4)
    assert network.dynamics == Dynamics("nonlinear", bits=4 * (3 + 3))
    hiddens, _ = network(normal(20, 30, 2).float(), network.initial_state(20))
    assert len(hiddens.unique()) <= 16
    assert hiddens.abs().max() == 1


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [("rnn", 3), ("lstm_cell", 6), ("attention", 3 + 3), ("tcn", 2 * 2 + 3)],
)
def test_it_says_how_many_bits_are_kept_and_that_nothing_counts(cell, numbers):
    rounded, inner = Bits(CELLS[cell](), 5).dynamics, CELLS[cell]().dynamics
    assert rounded.bits == 5 * numbers
    assert not rounded.counts
    assert (rounded.transition, rounded.window) == (inner.transition, inner.window)


def test_layers_keep_the_bits_of_all():
    layers = Layers([Bits(RNN(2, 3), 4), Bits(RNN(3, 3), 4)])
    assert layers.dynamics == Dynamics("nonlinear", counts=False, layers=2, bits=24)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_gradient_goes_straight_through_within_and_stops_outside(bits):
    network = Bits(RNN(1, 4), bits)
    values = torch.tensor([[-3.0, -0.7, 0.2, 1.5]], requires_grad=True)
    rounded = network._rounded(values)
    rounded.sum().backward()
    assert values.grad.tolist() == [[0.0, 1.0, 1.0, 0.0]]
    assert rounded[0, 0] == -1
    assert rounded[0, 3] == 1


def test_the_gradient_of_a_step_is_the_cells_own_at_the_rounded_state():
    cell = drawn(RNN(2, 3))
    cell.weight.data *= 0.2
    network = Bits(cell, 3)
    x, h = normal(4, 2), network._rounded(normal(4, 3, seed=1).clamp(-1, 1))
    own, through = (h.clone().requires_grad_() for _ in range(2))
    cell.step(x, (own,))[0].sum().backward()
    network.step(x, (through,))[0].sum().backward()
    torch.testing.assert_close(through.grad, own.grad, rtol=1e-12, atol=0)


def chunk_of(seed: int = 0) -> Chunk:
    draw = Echo({1: 0.5}).draw(Generator().manual_seed(seed), 20 * 6, 8)
    inputs, targets = (part.unflatten(0, (20, 6)) for part in draw[:2])
    return Chunk(inputs, targets, None, carried=True)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("engine", [Fused, StackedEngine])
@pytest.mark.parametrize("name", ["rnn", "lstm_cell", "gru_cell", "tcn"])
@pytest.mark.parametrize("bits", [1, 4])
def test_it_trains_on_every_engine_as_in_a_plain_loop(engine, name, bits):
    task = Echo({1: 0.5})
    task.encoding = task.encoding.double()
    network = Network(Bits(CELLS[name](), bits), 2).double()
    for number, parameter in enumerate(network.parameters()):
        parameter.data = 0.5 * normal(*parameter.shape, seed=number)
    twin, start = copy.deepcopy(network), network.initial_state(6)
    ours, theirs = (torch.optim.SGD(n.trained(), 0.05) for n in (network, twin))
    losses, state = engine(network, task, ours).train(chunk_of(), start)
    expected, last = Autograd(twin, task, theirs).train(chunk_of(), start)
    torch.testing.assert_close(losses, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(state, last, rtol=1e-9, atol=1e-9)
    pairs = zip(network.parameters(), twin.parameters(), strict=True)
    for own, other in pairs:
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)
    assert losses.std() > 1e-6


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Bits(LSTM(2, 3), 2), "bits=2: .*LSTM computes whole windows; must be a Cell"),
        (lambda: Bits(RNN(2, 3), 0), "bits=0: must be a whole number from 1 to 16"),
        (lambda: Bits(RNN(2, 3), 17), "bits=17: must be a whole number from 1 to 16"),
    ],
)
def test_what_cannot_be_rounded_is_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
