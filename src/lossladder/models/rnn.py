"""The notebooks' cell: one matrix for input and state concatenated, and a tanh."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import arguments
from lossladder.models.recurrent import Cell, State


class RNN(Cell):
    """h' = tanh([x, h] W + b), with W glorot-uniform and b zero, or uniform between two bounds.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        bias_bound: b starts uniform between minus and plus this. From zero, units that see zeros
            only stay at zero, all alike.
    Raises:
        ValueError: if a size is no whole number above 0, or bias_bound is below 0.
    Source: R2RT (2016), "Recurrent Neural Networks in Tensorflow I"; Elman (1990).
    """

    def __init__(self, input_size: int, hidden_size: int, bias_bound: float = 0.0) -> None:
        super().__init__(input_size, hidden_size)
        self.bias_bound = arguments.real("bias_bound", bias_bound, least=0.0)
        self.weight = nn.Parameter(torch.empty(input_size + hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        nn.init.xavier_uniform_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)
        if self.bias_bound > 0:
            nn.init.uniform_(self.bias, -self.bias_bound, self.bias_bound, generator=generator)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state one step later."""
        (h,) = state
        return (torch.tanh(torch.addmm(self.bias, torch.cat([x, h], dim=-1), self.weight)),)
