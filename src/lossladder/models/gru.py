"""torch's gated recurrent unit."""

from torch import nn

from lossladder.models.torch_layer import TorchLayer


class GRU(TorchLayer):
    """nn.GRU; its equations stand in `gru_cell.py`.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Cho et al. (2014), arXiv:1406.1078.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.GRU, input_size, hidden_size)
