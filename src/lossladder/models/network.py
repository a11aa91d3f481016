"""A network: a recurrent part and a linear readout."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder.models.recurrent import Recurrent, State


class Network(nn.Module):
    """A recurrent part and a linear readout of its hiddens (glorot-uniform, zero bias).

    Args:
        recurrent: any `Recurrent`.
        output_size: logits a step.

    >>> from lossladder.models import LSTM
    >>> network = Network(recurrent=LSTM(input_size=2, hidden_size=16), output_size=2)
    >>> logits, state = network(torch.zeros(3, 5, 2))
    >>> logits.shape, len(state)
    (torch.Size([3, 5, 2]), 2)
    """

    def __init__(self, recurrent: Recurrent, output_size: int) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.readout = nn.Linear(recurrent.hidden_size, output_size)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters; all randomness comes from `generator`, if one is given."""
        with torch.no_grad():
            self.recurrent.initialise(generator)
            nn.init.xavier_uniform_(self.readout.weight, generator=generator)
            nn.init.zeros_(self.readout.bias)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Logits at every step, and the state after the last; without a state, from the initial."""
        if state is None:
            state = self.initial_state(len(inputs))
        hiddens, after = self.recurrent(inputs, state)
        return self.readout(hiddens), after

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step."""
        return self.recurrent.initial_state(batch_size)
