"""torch's own layers, written one step at a time with the same parameters.

nn.LSTM, nn.GRU and nn.RNN are single operations which torch cannot map over members: it has no
batching rule for them on the CPU, and cuDNN's take the weights of one network.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models import GRU, LSTM, Cell, GRUCell, LSTMCell, Network, State, TorchRNN
from lossladder.models.recurrent import TorchLayer, glorot_uniform


class TanhCell(Cell):
    """h' = tanh(W x + b + U h + d); the twin of `torch_rnn`.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(hidden_size))

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        glorot_uniform(self.weight_ih, self.weight_hh, generator)
        nn.init.zeros_(self.bias_ih)
        nn.init.zeros_(self.bias_hh)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state one step later."""
        (h,) = state
        from_x = nn.functional.linear(x, self.weight_ih, self.bias_ih)
        return (torch.tanh(from_x + nn.functional.linear(h, self.weight_hh, self.bias_hh)),)


_TWINS: dict[type[TorchLayer], type[Cell]] = {TorchRNN: TanhCell, LSTM: LSTMCell, GRU: GRUCell}


def in_steps(network: Network) -> Network:
    """The same network of the same parameters, with its layer written one step at a time."""
    recurrent = network.recurrent
    if not isinstance(recurrent, TorchLayer) or type(recurrent) not in _TWINS:
        return network
    with torch.device("meta"):  # draws no numbers: the layer's own parameters take their place
        cell = _TWINS[type(recurrent)](recurrent.input_size, recurrent.hidden_size)
        twin = Network(cell, network.readout.out_features)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(recurrent.layer, f"{name}_l0"))
    twin.readout = network.readout
    return twin
