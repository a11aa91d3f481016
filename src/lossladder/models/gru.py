"""Gated recurrent unit: torch's layer, and its twin written out step by step."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lossladder.models.recurrent import Dynamics, State, TorchCell, TorchLayer


class GRU(TorchLayer):
    """The gated recurrent unit as torch has it, nn.GRU; `GRUCell` has its equations.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Cho et al. (2014), arXiv:1406.1078.
    """

    dynamics = Dynamics("nonlinear", counts=False)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(nn.GRU, input_size, hidden_size)


class GRUCell(TorchCell):
    """A cell with two gates that mix the old state with a proposal.

        r  = sigmoid(W x + b + U h + d)          how much of the past the proposal sees
        z  = sigmoid(W x + b + U h + d)          how much of the past stays
        n  = tanh(W x + b + r (U h + d))         the proposal
        h' = (1 - z) n + z h

    Args, Raises: as for `GRU`.
    Source: Cho et al. (2014), arXiv:1406.1078, with torch's place for the reset gate.
    """

    dynamics = Dynamics("nonlinear", counts=False)
    gates = 3  # r, z, n

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        (h,) = state
        from_x = (x @ self.weight_ih.T + self.bias_ih).chunk(3, dim=-1)  # (batch, hidden) each
        from_h = (h @ self.weight_hh.T + self.bias_hh).chunk(3, dim=-1)
        r = torch.sigmoid(from_x[0] + from_h[0])
        z = torch.sigmoid(from_x[1] + from_h[1])
        # the reset comes after the matrix, as in torch, so that one product serves all three
        n = torch.tanh(from_x[2] + r * from_h[2])
        return ((1 - z) * n + z * h,)
