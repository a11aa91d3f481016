"""The promise of a recurrent network: inputs and a state in, hiddens and a state out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks

State = tuple[Tensor, ...]  # each (batch, hidden); the first is what the readout sees


class Recurrent(nn.Module, ABC):
    """A causal map from a window of inputs to a window of hiddens, with a state passed along.

    Cutting a window in two and carrying the state across the cut changes nothing, and rows of a
    batch do not touch each other.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    state_parts = 1  # tensors in the state
    remembers = True  # False: the state is handed on, but nothing that comes out depends on it
    learns_initial_state = False  # True: `initial_state` depends on parameters
    # arguments that say how parameters start, and nothing else: members may differ in these
    initialisation_arguments: tuple[str, ...] = ()

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = checks.whole("input_size", input_size)
        self.hidden_size = checks.whole("hidden_size", hidden_size)

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Hiddens at every step, and the state after the last."""

    @abstractmethod
    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters; all randomness comes from `generator`, if one is given."""

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: zeros."""
        parameter = next(self.parameters())
        return tuple(
            parameter.new_zeros(batch_size, self.hidden_size) for _ in range(self.state_parts)
        )

    def readout(self, output_size: int) -> nn.Linear:
        """The linear map from hiddens to outputs that goes with this network."""
        return nn.Linear(self.hidden_size, output_size)


class Cell(Recurrent):
    """A recurrent network written one step at a time."""

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state one step later."""

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Hiddens at every step, and the state after the last."""
        hiddens = []
        for x in inputs.unbind(dim=1):
            state = self.step(x, state)
            hiddens.append(state[0])
        return torch.stack(hiddens, dim=1), state


class TorchLayer(Recurrent):
    """What `torch_rnn`, `lstm` and `gru` share: the layer, its state and its start.

    Args:
        layer: nn.RNN, nn.LSTM or nn.GRU; its two bias vectors are kept as torch has them.
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    def __init__(self, layer: Callable[..., nn.RNNBase], input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = layer(input_size, hidden_size, batch_first=True)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.layer.all_weights[0]
        glorot_uniform(weight_ih, weight_hh, generator)
        nn.init.zeros_(bias_ih)
        nn.init.zeros_(bias_hh)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Hiddens at every step, and the state after the last."""
        parts = tuple(part[None] for part in state)  # torch wants (layers, batch, hidden)
        hiddens, after = self.layer(inputs, parts if self.state_parts > 1 else parts[0])
        after = after if isinstance(after, tuple) else (after,)
        return hiddens, tuple(part[0] for part in after)


def glorot_uniform(
    weight_ih: Float[Tensor, "gates_hidden input"],
    weight_hh: Float[Tensor, "gates_hidden hidden"],
    generator: Generator | None,
) -> None:
    """Draw both weights as one glorot-uniform matrix for [input, state] concatenated."""
    fan_in, fan_out = weight_ih.shape[1] + weight_hh.shape[1], weight_ih.shape[0]
    bound = (6 / (fan_in + fan_out)) ** 0.5
    for weight in (weight_ih, weight_hh):
        nn.init.uniform_(weight, -bound, bound, generator=generator)
