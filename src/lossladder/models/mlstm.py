"""mLSTM, the one of xLSTM's cells with a matrix for memory: gates that are exponentials."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State


class MLSTM(Cell):
    """mLSTM: a matrix C of keys and values, and n, the sum of keys; nothing recurs but these.

        q, k, v, o, i, f = W x + b                        i and f are one number each; k over sqrt d
        m' = max(log sigmoid(f) + m, i)                   the stabiliser
        C' = e^(log sigmoid(f) + m - m') C + e^(i - m') v k^T
        n' = e^(log sigmoid(f) + m - m') n + e^(i - m') k
        h  = sigmoid(o) C' q / max(|n' q|, e^-m')

    Without the stabiliser (C and n times e^m) this is C' = sigmoid(f) C + e^i v k^T, and the same
    for n: affine, by one factor in [0, 1] for all entries, which the input alone decides. That is
    what `dynamics` says. m itself moves by m -> max(m + a, b), which keeps order: it brings no
    cycle either. The division comes after the state, in the output. Left out of the published
    block: several heads, the short convolution, the norm of heads, the projections.

    Args:
        input_size: features a step.
        hidden_size: d, features of each key and value, and so of each hidden.
        forget_bias: start of the forget gate's bias; at 3 a step keeps 0.95 of C.
    Raises:
        ValueError: if a size is no whole number above 0, or forget_bias no finite number.
    Source: Beck et al. (2024), "xLSTM: Extended Long Short-Term Memory", arXiv:2405.04517.
    """

    dynamics = Dynamics("diagonal", "unit")
    initialisation_arguments = ("forget_bias",)

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 3.0) -> None:
        super().__init__(input_size, hidden_size)
        self.forget_bias = checks.real("forget_bias", forget_bias)
        self.sizes = [*[self.hidden_size] * 4, 1, 1]  # q, k, v, o, i, f
        self.project = nn.Linear(input_size, sum(self.sizes))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: each map glorot-uniform, biases zero but the forget gate's."""
        for weight in self.project.weight.split(self.sizes):
            nn.init.xavier_uniform_(weight, generator=generator)
        nn.init.zeros_(self.project.bias)
        nn.init.constant_(self.project.bias[-1:], self.forget_bias)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of C, n and m of one sequence."""
        return ((self.hidden_size, self.hidden_size), (self.hidden_size,), (1,))

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the query reads, and the state one step later."""
        memory, n, m = state  # (batch, value, key), (batch, key), (batch, 1)
        q, k, v, o, i, f = self.project(x).split(self.sizes, dim=-1)
        k = k * self.hidden_size**-0.5
        kept = functional.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        keep, write = torch.exp(kept - m), torch.exp(i - m)  # (batch, 1); one of the two is 1
        memory = keep[:, :, None] * memory + (write * v)[:, :, None] * k[:, None, :]
        n = keep * n + write * k
        found = (memory @ q[:, :, None])[..., 0]  # (batch, value)
        weight = torch.maximum((n * q).sum(dim=-1, keepdim=True).abs(), torch.exp(-m))
        return torch.sigmoid(o) * found / weight, (memory, n, m)
