"""The delta rule: a matrix of fast weights whose entry for a key is replaced, not added to."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State


class DeltaNet(Cell):
    """A matrix S that maps keys to values, read by a query; keys are unit vectors.

        S  <- g S                                     gate: sigmoid of the input; else g = 1
        S  <- (I - beta k k^T) S + beta k v^T         `products` times, each with its own k, v, beta
        h   = S^T q                                   what the readout sees

    with k = W x / ||W x||, beta = beta_max sigmoid(w x), and v, q linear in the input. At beta = 1
    what S held for k is replaced by v; at beta = 2 the factor is a reflection, so that states can
    be swapped. The matrix of a step has

        products   beta_max <= 1                     beta_max > 1
        1          real eigenvalues in [0, 1]        real eigenvalues in [-1, 1]
        2          the same: two positive factors    complex ones of modulus 1 at most: rotations
        3 …        complex ones, of which only 1     complex ones of modulus 1 at most
                   itself has modulus 1

    and with a gate g times these.

    Left out of the published blocks: the short convolution, SiLU and the norm of queries, several
    heads, normalisation and gate of the output. Without the convolution keys, values and rates
    see the present input alone.

    Args:
        input_size: features a step.
        hidden_size: features of each value, and so of each hidden.
        key_size: features of each key; None: hidden_size.
        products: Householder factors a step.
        beta_max: largest beta; 1 as first published, 2 with negative eigenvalues.
        gate: True: all of S fades by a factor that the input decides.
        forget_bias: start of the gate's bias; at 3 a step keeps 0.95 of S.
    Raises:
        ValueError: if a size or products is no whole number above 0, beta_max is not in (0, 2],
            gate is not true or false, or forget_bias no finite number.
    Source: Schlag et al. (2021), arXiv:2102.11174; Yang et al. (2024), arXiv:2406.06484, and with a
        gate arXiv:2412.06464; Grazzi et al. (2024), arXiv:2411.12537, for beta_max = 2; Siems et
        al. (2025), arXiv:2502.10297, for products.

    >>> DeltaNet(2, 4).dynamics.eigenvalues, DeltaNet(2, 4, beta_max=2.0).dynamics.eigenvalues
    ('unit', 'signed')
    >>> DeltaNet(2, 4, products=2).dynamics.eigenvalues
    'unit'
    >>> DeltaNet(2, 4, products=2, beta_max=2.0).dynamics.eigenvalues
    'complex'
    """

    initialisation_arguments = ("forget_bias",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        key_size: int | None = None,
        products: int = 1,
        beta_max: float = 1.0,
        gate: bool = False,
        forget_bias: float = 3.0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.key_size = hidden_size if key_size is None else checks.whole("key_size", key_size)
        self.products = checks.whole("products", products)
        if checks.real("beta_max", beta_max, above=0) > 2:
            raise ValueError(f"beta_max={beta_max:g}: must be above 0 and at most 2")
        self.beta_max = float(beta_max)
        self.gate = checks.flag("gate", gate)
        self.forget_bias = checks.real("forget_bias", forget_bias)
        self.dynamics = Dynamics(
            "householder",
            _eigenvalues(self.products, self.beta_max),
            # what shortens the vector along its key by less than that is none
            reflections=self.products if self.beta_max == 2 else 0,
        )
        # of the query; of key, value and beta of each factor; of the gate
        factor = [self.key_size, self.hidden_size, 1]
        self.sizes = [self.key_size, *(factor * self.products), *([1] if gate else [])]
        self.project = nn.Linear(input_size, sum(self.sizes))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters: maps glorot-uniform, biases zero but those of keys and gate."""
        weights = self.project.weight.split(self.sizes)
        biases = self.project.bias.split(self.sizes)
        for weight, bias in zip(weights, biases, strict=True):
            nn.init.xavier_uniform_(weight, generator=generator)
            nn.init.zeros_(bias)
        # a key of an input that is zero must have a direction, or its gradient has no bound
        for bias in biases[1 : 1 + 3 * self.products : 3]:
            nn.init.uniform_(bias, -0.1, 0.1, generator=generator)
        if self.gate:
            nn.init.constant_(biases[-1], self.forget_bias)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of the matrix of one sequence: keys by values."""
        return ((self.key_size, self.hidden_size),)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the query reads, and the matrix one step later."""
        (memory,) = state  # (batch, key, hidden)
        query, *parts = self.project(x).split(self.sizes, dim=-1)
        if self.gate:
            memory = torch.sigmoid(parts[-1])[:, :, None] * memory
        for first in range(0, 3 * self.products, 3):
            key, value, beta = parts[first : first + 3]
            key = functional.normalize(key, dim=-1)
            beta = self.beta_max * torch.sigmoid(beta)  # (batch, 1)
            found = (key[:, None, :] @ memory)[:, 0]  # (batch, hidden)
            memory = memory + key[:, :, None] * (beta * (value - found))[:, None, :]
        return (query[:, None, :] @ memory)[:, 0], (memory,)


def _eigenvalues(products: int, beta_max: float) -> Literal["unit", "signed", "complex"]:
    """Return where the eigenvalues of a product of factors I - beta k k^T lie."""
    # A product of two positive semidefinite factors is similar to such a matrix; of three it is
    # not. Each factor shortens what it does not leave alone, so that of modulus 1 there is only 1.
    if beta_max <= 1 and products <= 2:
        return "unit"
    return "signed" if products == 1 else "complex"
