"""The time mixing of RWKV-7: a delta rule whose decay and rate are vectors."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from lossladder.models.recurrent import Cell, Dynamics, State


class RWKV7(Cell):
    """A matrix S from keys to values, of which each step removes along one key and adds another.

        r, k, v, d, a = W x + b
        w  = exp(-e^(-1/2) sigmoid(d))             decay of each feature, in (0.545, 1)
        a  = sigmoid(a)                            in-context learning rate, in (0, 1)
        k^ = (k * xi) / ||k * xi||                 what is removed
        k~ = k * (1 + alpha (a - 1))               what is added
        S' = S (diag(w) - k^ (a * k^)^T) + v k~^T
        h  = S' r

    With A = diag(a)^(1/2) the matrix of a step is A^-1 (diag(w) - (A k^)(A k^)^T) A, so similar to
    a symmetric one: its eigenvalues are real, below 1, and above 0.545 - 1 = -0.455. It is diagonal
    plus a rank of one, no product of reflections: of the kinds in `dynamics` only "dense" holds it.

    Left out of the published block: the token shift (keys, values and rates see the present
    input alone), several heads, the norm of heads, the bonus for the present step, the output gate,
    the value of the first layer. Low-rank maps are whole matrices here, and all maps have a bias.

    Args:
        input_size: features a step.
        hidden_size: features of each key and value, and so of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Peng et al. (2025), "RWKV-7 Goose with Expressive Dynamic State Evolution",
        arXiv:2503.14456.
    """

    dynamics = Dynamics("dense", "signed")

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.project = nn.Linear(input_size, 5 * hidden_size)  # r, k, v, d, a
        self.removal = nn.Parameter(torch.empty(hidden_size))  # xi
        self.mixing = nn.Parameter(torch.empty(hidden_size))  # alpha
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: maps glorot-uniform, decays spread from slow to fast."""
        for weight in self.project.weight.chunk(5):
            nn.init.xavier_uniform_(weight, generator=generator)
        nn.init.zeros_(self.project.bias)
        _, key, _, decay, _ = self.project.bias.chunk(5)
        # a key of an input that is zero must have a direction, or its gradient has no bound
        nn.init.uniform_(key, -0.1, 0.1, generator=generator)
        with torch.no_grad():
            # half lives from two to five hundred steps
            decay.copy_(torch.linspace(-6, 0, self.hidden_size))
        nn.init.ones_(self.removal)
        nn.init.ones_(self.mixing)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of the matrix of one sequence: values by keys."""
        return ((self.hidden_size, self.hidden_size),)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the receptance r reads, and the matrix one step later."""
        (memory,) = state  # (batch, value, key)
        r, k, v, d, a = self.project(x).chunk(5, dim=-1)  # (batch, hidden) each
        w = torch.exp(-math.exp(-0.5) * torch.sigmoid(d))
        a = torch.sigmoid(a)
        removed = functional.normalize(k * self.removal, dim=-1)
        added = k * (1 + self.mixing * (a - 1))
        found = (memory @ removed[:, :, None])[..., 0]  # (batch, value)
        memory = (
            memory * w[:, None, :]
            - found[:, :, None] * (a * removed)[:, None, :]
            + v[:, :, None] * added[:, None, :]
        )
        return (memory @ r[:, :, None])[..., 0], (memory,)
