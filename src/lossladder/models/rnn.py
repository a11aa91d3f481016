"""The notebooks' cell: one matrix for input and state concatenated, and a tanh."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State


class RNN(Cell):
    """h' = tanh([x, h] W + b), with W glorot-uniform and b zero.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        gain: factor on the start of W; below 1 the state of an untrained network fades faster.
    Raises:
        ValueError: if a size is no whole number above 0, or gain is not above 0.
    Source: R2RT (2016), "Recurrent Neural Networks in Tensorflow I"; Elman (1990).
    """

    dynamics = Dynamics("nonlinear", counts=False)
    initialisation_arguments = ("gain",)

    def __init__(self, input_size: int, hidden_size: int, gain: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.gain = checks.real("gain", gain, above=0)
        self.weight = nn.Parameter(torch.empty(input_size + hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        nn.init.xavier_uniform_(self.weight, gain=self.gain, generator=generator)
        nn.init.zeros_(self.bias)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        # one product for input and state: at this size the calls cost, not the arithmetic
        return (torch.tanh(torch.addmm(self.bias, torch.cat([x, h], dim=-1), self.weight)),)
