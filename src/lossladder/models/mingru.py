"""Minimal gated recurrent unit: a gate and a proposal that see the input alone."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State, start_linear


class MinGRU(Cell):
    """A GRU whose gate and proposal have lost the state, so that the next state is linear in it.

        z  = sigmoid(W x + b)        how much is written
        h' = (1 - z) h + z (V x + d)

    The state is a weighted mean of what was proposed so far: it cannot leave the proposals' range,
    and so it cannot count without bound.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        gate_bias: start of b. Below zero a unit remembers from the start: a share sigmoid(b) of it
            is written over at each step, 0.12 with -2.
    Raises:
        ValueError: if a size is no whole number above 0, or gate_bias no finite number.
    Source: Feng et al. (2024), arXiv:2410.01201; for the parallel scan in logarithms its authors
        replace the proposal by a positive function of it, g(V x + d), which is not done here.

    >>> cell = MinGRU(input_size=1, hidden_size=1)
    >>> for parameter, number in zip(cell.parameters(), (0.0, 0.0, 1.0, 0.0), strict=True):
    ...     _ = nn.init.constant_(parameter, number)  # z = 1/2, and x is proposed
    >>> cell(torch.ones(1, 3, 1), cell.initial_state(1))[0].tolist()
    [[[0.5], [0.75], [0.875]]]
    """

    dynamics = Dynamics("diagonal", "unit", counts=False)
    initialisation_arguments = ("gate_bias",)

    def __init__(self, input_size: int, hidden_size: int, gate_bias: float = -2.0) -> None:
        super().__init__(input_size, hidden_size)
        self.gate_bias = checks.real("gate_bias", gate_bias)
        self.gate = nn.Linear(input_size, hidden_size)
        self.proposal = nn.Linear(input_size, hidden_size)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: weights glorot-uniform, d zero."""
        start_linear(generator, self.gate, self.proposal)
        nn.init.constant_(self.gate.bias, self.gate_bias)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        z = torch.sigmoid(self.gate(x))
        return ((1 - z) * h + z * self.proposal(x),)
