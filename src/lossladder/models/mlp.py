"""A feed-forward network: one layer of sigmoids, which sees this step and no other."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, State

TRAIN_BIASES = ("none", "shared", "unit")


class Layer(nn.Linear):
    """A linear map whose bias may be frozen, or one number for all outputs.

    Args:
        in_features: numbers in.
        out_features: numbers out.
        train_biases: none, shared or unit; see `MLP`.
    """

    def __init__(self, in_features: int, out_features: int, train_biases: str) -> None:
        super().__init__(in_features, out_features)
        if train_biases == "shared":
            # one number, spread over the outputs: its gradient is the sum over them
            self.bias = nn.Parameter(torch.zeros(1))
        self.bias.requires_grad_(train_biases != "none")

    def forward(self, input: Float[Tensor, "*rest in"]) -> Float[Tensor, "*rest out"]:
        """Return W x + b."""
        # added afterwards, because nn.functional.linear takes no bias of one number
        return nn.functional.linear(input, self.weight) + self.bias


class MLP(Cell):
    """h' = sigmoid(W x + b), in which nothing of the past remains.

    Its state is its last hiddens, as with every network, but it never looks at the state.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
        weights: the very W to start from, a row for each hidden; None: glorot-uniform.
        bias: start of b.
        train_biases: how biases are trained, in both layers. none: they stay as they are; shared:
            one number for all units of a layer; unit: one number for each.
    Raises:
        ValueError: if a size is no whole number above 0, weights is no matrix of hidden_size rows
            of input_size numbers, bias is not finite, or train_biases is none of the three.
    """

    dynamics = Dynamics("none", window=1)
    remembers = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        weights: Sequence[Sequence[float]] | None = None,
        bias: float = 0.0,
        train_biases: str = "unit",
    ) -> None:
        super().__init__(input_size, hidden_size)
        if weights is not None:
            weights = checks.matrix("weights", weights, hidden_size, input_size)
        self.weights = weights
        self.bias = checks.real("bias", bias)
        self.train_biases = checks.one_of("train_biases", train_biases, TRAIN_BIASES)
        self.layer = Layer(input_size, hidden_size, train_biases)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters, or set those that were given."""
        with torch.no_grad():
            if self.weights is None:
                nn.init.xavier_uniform_(self.layer.weight, generator=generator)
            else:
                self.layer.weight.copy_(torch.tensor(self.weights, dtype=torch.float64))
            nn.init.constant_(self.layer.bias, self.bias)

    def readout(self, output_size: int) -> nn.Linear:
        """Return the linear map from hiddens to outputs; its biases train like the layer's."""
        return Layer(self.hidden_size, output_size, self.train_biases)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """Return the hiddens of this step, whatever the state."""
        return (torch.sigmoid(self.layer(x)),)
