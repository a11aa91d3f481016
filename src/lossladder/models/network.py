"""A network: a recurrent part, and a readout: a linear map, or a layer of tanh before it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Recurrent, State, start_linear


class Network(nn.Module):
    """A recurrent part and a readout of its hiddens, which is linear unless reader_size is given.

    Args:
        recurrent: any `Recurrent`.
        output_size: logits a step.
        readout_std: standard deviation of the normal law that the weights of the readout's last
            map start from, which is cut off at two of them; None: glorot-uniform.
        readout_weights: the very weights to start from, a row for each output; None: drawn.
        readout_bias: start of that map's bias.
        readout_alone: True: only the readout is trained, the recurrent part stays as it was drawn.
        reader_size: units of a layer of tanh between hiddens and last map, so that what is read
            need not be linear in them; None: there is none.
    Raises:
        ValueError: if readout_std is not above 0, readout_weights is no matrix of the last map's
            size, a number is not finite, readout_alone is not true or false, reader_size is no
            whole number above 0, or is given where the recurrent part has a readout of its own.

    >>> from lossladder.models import LSTM
    >>> network = Network(recurrent=LSTM(input_size=2, hidden_size=16), output_size=2)
    >>> logits, state = network(torch.zeros(3, 5, 2))
    >>> logits.shape, len(state)
    (torch.Size([3, 5, 2]), 2)
    """

    # as in `Recurrent`; readout_alone is not one of them, because it changes what is trained
    initialisation_arguments = ("readout_std", "readout_weights", "readout_bias")

    def __init__(
        self,
        recurrent: Recurrent,
        output_size: int,
        readout_std: float | None = None,
        readout_bias: float = 0.0,
        readout_weights: Sequence[Sequence[float]] | None = None,
        readout_alone: bool = False,
        reader_size: int | None = None,
    ) -> None:
        super().__init__()
        if readout_std is not None:
            readout_std = checks.real("readout_std", readout_std, above=0)
        self.readout_std = readout_std
        self.readout_bias = checks.real("readout_bias", readout_bias)
        self.recurrent = recurrent
        self.output_size = output_size
        self.readout = _readout(recurrent, output_size, reader_size)
        if readout_weights is not None:
            read = recurrent.hidden_size if reader_size is None else reader_size
            readout_weights = checks.matrix("readout_weights", readout_weights, output_size, read)
        self.readout_weights = readout_weights
        self.readout_alone = checks.flag("readout_alone", readout_alone)
        if readout_alone:
            # frozen, not left out of the optimizer: engines ask the parameters what is trained
            recurrent.requires_grad_(False)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters; all randomness comes from `generator`, if one is given."""
        # parameters are set in place, which torch refuses while it records
        with torch.no_grad():
            self.recurrent.initialise(generator)
            *hidden, last = (m for m in self.readout.modules() if isinstance(m, nn.Linear))
            start_linear(generator, *hidden)
            weight, std = last.weight, self.readout_std
            if self.readout_weights is not None:
                weight.copy_(torch.tensor(self.readout_weights, dtype=torch.float64))
            elif std is None:
                nn.init.xavier_uniform_(weight, generator=generator)
            else:
                nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)
            nn.init.constant_(last.bias, self.readout_bias)

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters that are not frozen."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Return logits at every step, and the state after the last; no state: the initial one."""
        if state is None:
            state = self.initial_state(len(inputs))
        hiddens, after = self.recurrent(inputs, state)
        return self.readout(hiddens), after

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step."""
        state = self.recurrent.initial_state(batch_size)
        if not self.recurrent.learns_initial_state:
            return state
        # A step may hand a part on as it is. As a view of a parameter, which an optimizer changes
        # in place, the state under way would change with it.
        return tuple(part.clone() for part in state)


def _readout(recurrent: Recurrent, output_size: int, reader_size: int | None) -> nn.Module:
    """Return the network's own readout, or one with a layer of tanh."""
    own = recurrent.readout(output_size)
    if reader_size is None:
        return own
    checks.whole("reader_size", reader_size)
    trained = sum(p.numel() for p in own.parameters() if p.requires_grad)
    if not isinstance(own, nn.Linear) or trained != own.weight.numel() + output_size:
        raise ValueError(
            f"{type(recurrent).__name__} has a readout of its own, and takes no reader but linear"
        )
    first = nn.Linear(recurrent.hidden_size, reader_size)
    return nn.Sequential(first, nn.Tanh(), nn.Linear(reader_size, output_size))
