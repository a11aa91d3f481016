"""Gated recurrent unit: torch's layer, and its twin written out step by step."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models.recurrent import Cell, State, TorchLayer, glorot_uniform


class GRU(TorchLayer):
    """nn.GRU; its equations stand in `GRUCell`.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Cho et al. (2014), arXiv:1406.1078.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.GRU, input_size, hidden_size)


class GRUCell(Cell):
    """Two gates that mix the old state with a proposal.

        r  = sigmoid(W x + b + U h + d)          how much of the past the proposal sees
        z  = sigmoid(W x + b + U h + d)          how much of the past stays
        n  = tanh(W x + b + r (U h + d))         the proposal
        h' = (1 - z) n + z h

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Cho et al. (2014), arXiv:1406.1078, with torch's place for the reset gate.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        # rows in torch's order: r, z, n
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(3 * hidden_size))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        glorot_uniform(self.weight_ih, self.weight_hh, generator)
        nn.init.zeros_(self.bias_ih)
        nn.init.zeros_(self.bias_hh)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        from_x = (x @ self.weight_ih.T + self.bias_ih).chunk(3, dim=-1)  # (batch, hidden) each
        from_h = (h @ self.weight_hh.T + self.bias_hh).chunk(3, dim=-1)
        r = torch.sigmoid(from_x[0] + from_h[0])
        z = torch.sigmoid(from_x[1] + from_h[1])
        n = torch.tanh(from_x[2] + r * from_h[2])
        return ((1 - z) * n + z * h,)
