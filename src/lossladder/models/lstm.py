"""Long short-term memory: torch's layer, and its twin written out step by step."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Dynamics, State, TorchCell, TorchLayer


class LSTM(TorchLayer):
    """Long short-term memory as torch has it, nn.LSTM; `LSTMCell` has its equations.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden and each memory cell.
        forget_bias: start of the forget gate's bias; torch's own is 0, the notebook's 1. It keeps
            the gate open at the start; 40 seeds of counting cannot tell the two apart.
    Raises:
        ValueError: if a size is no whole number above 0, or forget_bias no finite number.
    Source: Hochreiter and Schmidhuber (1997); Gers et al. (2000) for the forget gate.
    """

    dynamics = Dynamics("nonlinear", counts=True)
    state_parts = 2
    initialisation_arguments = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        self.forget_bias = checks.real("forget_bias", forget_bias)
        super().__init__(nn.LSTM, input_size, hidden_size)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        super().initialise(generator)
        _, _, bias_ih, _ = self.layer.all_weights[0]
        _open_forget_gate(bias_ih, self.forget_bias)


class LSTMCell(TorchCell):
    """A cell with three gates around a memory c that is added to, not multiplied through.

        i, f, o = sigmoid(W x + U h + b)      write, keep, show
        g       = tanh(W x + U h + b)         what to write
        c'      = f c + i g
        h'      = o tanh(c')

    Args, Raises, Source: as for `LSTM`.
    """

    dynamics = Dynamics("nonlinear", counts=True)
    gates = 4  # i, f, g, o
    state_parts = 2
    initialisation_arguments = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        self.forget_bias = checks.real("forget_bias", forget_bias)
        super().__init__(input_size, hidden_size)

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        super().initialise(generator)
        _open_forget_gate(self.bias_ih, self.forget_bias)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        h, c = state
        # all gates in one product: small ones cost their call, not their arithmetic
        gates = x @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh
        i, f, g, o = gates.chunk(4, dim=-1)  # (batch, hidden) each
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def _open_forget_gate(bias: Float[Tensor, " gates_hidden"], start: float) -> None:
    # one of the two biases is enough, because they add up
    _, forget, _, _ = bias.chunk(4)
    nn.init.constant_(forget, start)
