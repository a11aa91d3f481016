"""torch's tanh RNN."""

from torch import nn

from lossladder.models.recurrent import TorchLayer


class TorchRNN(TorchLayer):
    """nn.RNN: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.RNN, input_size, hidden_size)
