"""Bits: any cell with a state of few levels, rounded after each step."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, output_and_state

# of float32's 24, so that all levels can be told apart
_MOST = 16


class Bits(Cell):
    """A cell of which every number that is carried has one of 2^bits levels, from -1 to 1.

    After each step the state is rounded to the nearest level, and what lies outside [-1, 1] to the
    outermost; so is the state before the first step. With one bit the levels are -1 and 1. The
    gradient goes straight through the rounding as if it were not there, and is zero outside.

    The readout sees the rounded state. An output of the step's own is rounded as well, and its bits
    count, as it is made of the state before and of the input: unrounded it could say more than is
    kept. So a network of this kind is, with its readout, a machine of no more than
    2^dynamics.bits states that predicts from its state alone, and nobody goes below the best of
    these. `dynamics` says otherwise what it does of the cell without rounding, but nothing counts
    without bound.

    Args:
        recurrent: the cell; it is rounded from outside, and its own step stays as it is.
        bits: of each number of the state.
    Raises:
        ValueError: if the network is no `Cell`, bits is no whole number from 1 to 16, or the state
            is not made of real numbers.
    Source: Bengio, Leonard and Courville (2013), arXiv:1308.3432, for the gradient; Hubara et al.
        (2016), arXiv:1602.02830, for its end outside [-1, 1].

    >>> from lossladder.models import RNN
    >>> network = Bits(RNN(input_size=2, hidden_size=3), bits=2)
    >>> hiddens, _ = network(torch.ones(1, 5, 2), network.initial_state(1))
    >>> bool(torch.isclose((hiddens + 1) * 3 / 2, torch.round((hiddens + 1) * 3 / 2)).all())
    True
    >>> network.dynamics.bits
    6
    """

    straight_through = True

    def __init__(self, recurrent: Cell, bits: int) -> None:
        if not isinstance(recurrent, Cell):
            raise ValueError(
                f"bits={bits}: rounds the state after each step, and {type(recurrent).__name__} "
                "computes whole windows; must be a Cell"
            )
        super().__init__(recurrent.input_size, recurrent.hidden_size)
        self.bits = checks.whole("bits", bits, 1, _MOST)
        self.recurrent = recurrent
        self.remembers = recurrent.remembers
        self.learns_initial_state = recurrent.learns_initial_state
        self.dynamics = replace(
            recurrent.dynamics or Dynamics("nonlinear"), bits=self.bits * _numbers(recurrent)
        )
        if self.dynamics.counts:
            self.dynamics = replace(self.dynamics, counts=False)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the cell's state."""
        return self.recurrent.state_shapes

    def initial_state(self, batch_size: int) -> State:
        """Return the cell's initial state, rounded."""
        return tuple(map(self._rounded, self.recurrent.initial_state(batch_size)))

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters of the cell."""
        self.recurrent.initialise(generator)

    def readout(self, output_size: int) -> nn.Module:
        """Return the map that goes with the cell."""
        return self.recurrent.readout(output_size)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the readout sees and the state one step later, both rounded."""
        output, after = output_and_state(self.recurrent.step(x, state))
        rounded = tuple(map(self._rounded, after))
        read = _place(output, after)
        return (self._rounded(output) if read is None else rounded[read]), rounded

    def _rounded(self, values: Tensor) -> Tensor:
        """Return the nearest levels, with the gradient of values that are within."""
        steps = 2**self.bits - 1  # from the lowest level to the highest
        inside = values.clamp(-1, 1)
        levels = torch.round((inside + 1) * (steps / 2)) * (2 / steps) - 1
        # the difference is nothing, to the last bit: only its gradient is
        return levels.detach() + (inside - inside.detach())


def _place(output: Tensor, state: State) -> int | None:
    """Return which tensor of the state is what the readout sees; None: none of them."""
    return next((number for number, part in enumerate(state) if part is output), None)


@torch.no_grad()
def _numbers(recurrent: Cell) -> int:
    """Return how many numbers of a sequence are rounded: those of the state, and of an output."""
    # tried with one step: only it says whether it has an output of its own
    state = recurrent.initial_state(batch_size=1)
    for number, part in enumerate(state):
        if not part.is_floating_point():
            raise ValueError(f"bits: state[{number}] of {type(recurrent).__name__} is {part.dtype}")
    parameter = next(recurrent.parameters())
    stepped = recurrent.step(parameter.new_zeros(1, recurrent.input_size), state)
    output, after = output_and_state(stepped)
    own = 0 if _place(output, after) is not None else output.numel()
    return own + sum(part.numel() for part in after)
