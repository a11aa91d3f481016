"""torch's long short-term memory."""

from torch import Generator, nn

from lossladder import arguments
from lossladder.models.torch_layer import TorchLayer


class LSTM(TorchLayer):
    """nn.LSTM; its equations stand in `lstm_cell.py`.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden and each memory cell.
        forget_bias: start of the forget gate's bias; torch's own is 0, the notebook's 1. It keeps
            the gate open at the start; 40 seeds of counting cannot tell the two apart.
    Raises:
        ValueError: if a size is no whole number above 0, or forget_bias no finite number.
    Source: Hochreiter and Schmidhuber (1997); Gers et al. (2000) for the forget gate.
    """

    state_parts = 2
    starts = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        self.forget_bias = arguments.real("forget_bias", forget_bias)
        super().__init__(nn.LSTM, input_size, hidden_size)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        super().initialise(generator)
        _, _, bias_ih, _ = self.layer.all_weights[0]
        _, forget, _, _ = bias_ih.chunk(4)  # torch's order: i, f, g, o
        nn.init.constant_(forget, self.forget_bias)
