"""Two speeds: a tanh network beside a slow trace of itself."""

import torch
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models import Cell, State


class TwoSpeeds(Cell):
    """A tanh network that also sees a slow trace of what it was.

        h' = tanh(W [x, h, s] + b)
        s' = keep s + (1 - keep) h'

    Args:
        input_size: features a step; the task says how many.
        hidden_size: features of h, and of s.
        keep: share of the trace that stays a step later.
        gain: of the start of W.
    Raises:
        ValueError: if a size is no whole number above 0, keep is no share, or gain is not above 0.
    """

    state_parts = 2  # h and s; the first is what the readout sees
    initialisation_arguments = ("gain",)  # a sweep over these is trained together

    def __init__(
        self, input_size: int, hidden_size: int, keep: float = 0.9, gain: float = 1.0
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.keep = checks.chance("keep", keep)
        self.gain = checks.real("gain", gain, above=0)
        self.map = nn.Linear(input_size + 2 * hidden_size, hidden_size)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters; all randomness comes from `generator`."""
        nn.init.xavier_uniform_(self.map.weight, gain=self.gain, generator=generator)
        nn.init.zeros_(self.map.bias)

    def step(self, x: Tensor, state: State) -> State:
        """The state one step later; x is (batch, input), each part of the state (batch, hidden)."""
        h, s = state
        h = torch.tanh(self.map(torch.cat([x, h, s], dim=-1)))
        return h, self.keep * s + (1 - self.keep) * h
