"""sLSTM, the one of xLSTM's cells with recurrent weights: gates that are exponentials."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State

# the stabiliser before the first step, as good as minus infinity: exp(m) is zero
_NOTHING = -1e4


class SLSTM(Cell):
    """sLSTM: a memory c of numbers, divided by n, the sum of what was let in.

        i, f, z, o = W x + R h + b                        b has no part in i
        m' = max(log sigmoid(f) + m, i)                   the stabiliser: log of the largest weight
        c' = e^(log sigmoid(f) + m - m') c + e^(i - m') tanh(z)
        n' = e^(log sigmoid(f) + m - m') n + e^(i - m')   at least 1
        h' = sigmoid(o) c' / n'

    c'/n' is a mean of all tanh(z), weighted by e^i and the forget gates since. m cancels: it only
    keeps exponentials from overflowing; so would a bias of i, which is why there is none. Left out
    of the published block: several heads (R is one whole matrix), the short convolution before i
    and f, the norm of heads, the projections.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        forget_bias: start of the forget gate's bias; at 3 a step keeps 0.95 of c and n.
    Raises:
        ValueError: if a size is no whole number above 0, or forget_bias no finite number.
    Source: Beck et al. (2024), "xLSTM: Extended Long Short-Term Memory", arXiv:2405.04517; the
        forget gate is a sigmoid, the one of the two it allows that its authors' code has.
    """

    # whether it counts is not said: c and n have no bound, but only their ratio is seen
    dynamics = Dynamics("nonlinear")
    state_parts = 4
    initialisation_arguments = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 3.0) -> None:
        super().__init__(input_size, hidden_size)
        self.forget_bias = checks.real("forget_bias", forget_bias)
        self.weight = nn.Parameter(torch.empty(4 * hidden_size, input_size + hidden_size))
        self.bias = nn.Parameter(torch.empty(3 * hidden_size))  # of f, z, o
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: glorot-uniform, biases zero but the forget gate's."""
        nn.init.xavier_uniform_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)
        forget, _, _ = self.bias.chunk(3)
        nn.init.constant_(forget, self.forget_bias)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step: nothing was let in yet."""
        h, c, n, m = super().initial_state(batch_size)
        # so that the first step lets in with weight 1, and n is never below it
        return h, c, n, m + _NOTHING

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the state one step later."""
        h, c, n, m = state
        raw = torch.cat([x, h], dim=-1) @ self.weight.T
        i, raw = raw.split([self.hidden_size, 3 * self.hidden_size], dim=-1)
        f, z, o = (raw + self.bias).chunk(3, dim=-1)  # (batch, hidden) each
        kept = functional.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        keep, write = torch.exp(kept - m), torch.exp(i - m)  # one of the two is 1
        c = keep * c + write * torch.tanh(z)
        n = keep * n + write
        return torch.sigmoid(o) * c / n, c, n, m
