"""torch's own recurrent layers behind our promise: one layer, one direction, glorot-uniform."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models.recurrent import Recurrent, State, glorot_uniform


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
