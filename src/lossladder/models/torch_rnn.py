"""The tanh RNN: torch's layer, and its twin written out step by step."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models.recurrent import Cell, State, TorchLayer, glorot_uniform


class TorchRNN(TorchLayer):
    """nn.RNN; its equation stands in `TorchRNNCell`.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.RNN, input_size, hidden_size)


class TorchRNNCell(Cell):
    """h' = tanh(W x + b + U h + d), with torch's two biases; `RNN` has one.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        glorot_uniform(self.weight_ih, self.weight_hh, generator)
        nn.init.zeros_(self.bias_ih)
        nn.init.zeros_(self.bias_hh)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        from_x = nn.functional.linear(x, self.weight_ih, self.bias_ih)
        return (torch.tanh(from_x + nn.functional.linear(h, self.weight_hh, self.bias_hh)),)
