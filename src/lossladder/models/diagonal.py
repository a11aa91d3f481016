"""A diagonal linear recurrence: each unit is multiplied by a number that the input chooses."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear

RANGES = ("unit", "signed", "complex")


class Diagonal(Cell):
    """A cell whose next state is a(x) h + b(x), unit by unit; only its factors have a nonlinearity.

        u  = W x + c
        b  = V x + d
        a  = sigmoid(u)                             unit: a unit keeps, forgets, or anything between
        a  = tanh(u)                                signed: or changes its sign
        a  = sigmoid(u[:n/2]) exp(i u[n/2:])        complex: or turns
        h' = a h + b

    It is the barest form of a family (S4D, LRU, Mamba, minGRU, ...), to which theorems about finite
    precision speak: what it can track over long sequences depends on where a can lie. Complex units
    are pairs of reals, [real parts, imaginary parts], so that a state has hidden_size numbers in
    each range.

    W and V start glorot-uniform, d at zero. c is such that without an input a unit remembers about
    eight steps: sigmoid(2) = 0.88 for `unit`; uniform in (-2, 2), so that the factors spread over
    (-0.96, 0.96), for `signed`; modulus sigmoid(3) = 0.95 and angles uniform in (-pi, pi) for
    `complex`.

    Args:
        input_size: features a step.
        hidden_size: numbers of the state; complex: two for each unit.
        range: where the factors lie: `unit`, in [0, 1]; `signed`, in [-1, 1]; `complex`, of modulus
            1 at most.
    Raises:
        ValueError: if a size is no whole number above 0, range is none of the three, or hidden_size
            is odd where range is complex.
    Source: Grazzi et al. (2024), arXiv:2411.12537, for what the range decides.

    A unit that adds its input to what is left of it, a = 1/2 and b = x:

    >>> cell = Diagonal(input_size=1, hidden_size=1, range="unit")
    >>> for parameter, number in zip(cell.parameters(), (0.0, 0.0, 1.0, 0.0), strict=True):
    ...     _ = nn.init.constant_(parameter, number)
    >>> cell(torch.ones(1, 3, 1), cell.initial_state(1))[0].tolist()
    [[[1.0], [1.5], [1.75]]]
    """

    def __init__(self, input_size: int, hidden_size: int, range: str = "signed") -> None:
        super().__init__(input_size, hidden_size)
        self.range = checks.one_of("range", range, RANGES)
        if range == "complex" and hidden_size % 2:
            raise ValueError(
                f"hidden_size={hidden_size}: must be even, as complex units are pairs of numbers"
            )
        self.factor = nn.Linear(input_size, hidden_size)
        self.offset = nn.Linear(input_size, hidden_size)
        # checks.one_of returns any word, Dynamics wants one of its own
        self.dynamics = {name: Dynamics("diagonal", name) for name in RANGES}[range]
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        start_linear(generator, self.factor, self.offset)
        bias = self.factor.bias
        if self.range == "unit":
            nn.init.constant_(bias, 2.0)
        elif self.range == "signed":
            nn.init.uniform_(bias, -2.0, 2.0, generator=generator)
        else:
            moduli, angles = bias.chunk(2)
            nn.init.constant_(moduli, 3.0)
            nn.init.uniform_(angles, -math.pi, math.pi, generator=generator)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        u, b = self.factor(x), self.offset(x)  # (batch, hidden) each
        if self.range == "unit":
            return (torch.sigmoid(u) * h + b,)
        if self.range == "signed":
            return (torch.tanh(u) * h + b,)
        modulus, angle = u.chunk(2, dim=-1)  # (batch, hidden / 2) each
        modulus = torch.sigmoid(modulus)
        across, up = modulus * torch.cos(angle), modulus * torch.sin(angle)
        re, im = h.chunk(2, dim=-1)
        return (torch.cat([across * re - up * im, up * re + across * im], dim=-1) + b,)
