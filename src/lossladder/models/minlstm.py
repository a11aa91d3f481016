"""Minimal long short-term memory: two gates that see the input alone, and share out one step."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear


class MinLSTM(Cell):
    """An LSTM whose gates and proposal have lost the state, and whose two gates add up to 1.

        f, i = sigmoid(W x + b)                    keep, write
        h'   = (f h + i (V x + d)) / (f + i)

    The state is a weighted mean of what was proposed so far, as in `MinGRU`: it cannot count
    without bound, which an LSTM can.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        forget_bias: start of the forget gate's b, the write gate's being minus that. Above zero a
            unit remembers from the start: with 1, i / (f + i) = sigmoid(-1) = 0.27 of it is
            written over at each step.
    Raises:
        ValueError: if a size is no whole number above 0, or forget_bias no finite number.
    Source: Feng et al. (2024), arXiv:2410.01201; for the parallel scan in logarithms its authors
        replace the proposal by a positive function of it, g(V x + d), which is not done here.

    >>> cell = MinLSTM(input_size=1, hidden_size=1)
    >>> for parameter, number in zip(cell.parameters(), (0.0, 0.0, 1.0, 0.0), strict=True):
    ...     _ = nn.init.constant_(parameter, number)  # f = i = 1/2, and x is proposed
    >>> cell(torch.ones(1, 3, 1), cell.initial_state(1))[0].tolist()
    [[[0.5], [0.75], [0.875]]]
    """

    dynamics = Dynamics("diagonal", "unit", counts=False)
    initialisation_arguments = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.forget_bias = checks.real("forget_bias", forget_bias)
        self.gates = nn.Linear(input_size, 2 * hidden_size)  # f, i
        self.proposal = nn.Linear(input_size, hidden_size)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: weights glorot-uniform, d zero."""
        start_linear(generator, self.gates, self.proposal)
        forget, write = self.gates.bias.chunk(2)
        nn.init.constant_(forget, self.forget_bias)
        nn.init.constant_(write, -self.forget_bias)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        f, i = torch.sigmoid(self.gates(x)).chunk(2, dim=-1)  # (batch, hidden) each
        return ((f * h + i * self.proposal(x)) / (f + i),)
