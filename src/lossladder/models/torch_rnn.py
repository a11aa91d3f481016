"""The tanh RNN: torch's layer, and its twin written out step by step."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossladder.models.recurrent import Dynamics, State, TorchCell, TorchLayer


class TorchRNN(TorchLayer):
    """The tanh RNN as torch has it, nn.RNN; `TorchRNNCell` has its equation.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    dynamics = Dynamics("nonlinear", counts=False)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.RNN, input_size, hidden_size)


class TorchRNNCell(TorchCell):
    """h' = tanh(W x + b + U h + d), with torch's two biases; `RNN` has one.

    Args, Raises: as for `TorchRNN`.
    """

    dynamics = Dynamics("nonlinear", counts=False)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        from_x = nn.functional.linear(x, self.weight_ih, self.bias_ih)
        return (torch.tanh(from_x + nn.functional.linear(h, self.weight_hh, self.bias_hh)),)
