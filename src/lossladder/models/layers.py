"""Layers: recurrent networks on top of one another, each seeing the hiddens of the one below."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import cast

from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks
from lossladder.models.recurrent import Cell, Dynamics, Recurrent, State, output_and_state


class Layers(Recurrent):
    """A stack of recurrent networks, whose state is made of theirs, the lowest first.

    What the readout sees are the hiddens of the highest.

    Args:
        parts: the networks, the lowest first; each has as many inputs as the one below has hiddens.
        dropout: chance of each hidden of all parts but the highest to be zeroed in training, where
            what is left grows by 1 / (1 - dropout), as in nn.LSTM.
    Raises:
        ValueError: if there is no part, sizes do not fit, or dropout is not from 0 to below 1, or
            is above 0 with a single part.

    >>> import torch
    >>> from lossladder.models import GRU, LSTM
    >>> layers = Layers([LSTM(input_size=2, hidden_size=8), GRU(input_size=8, hidden_size=4)])
    >>> hiddens, state = layers(torch.zeros(3, 5, 2), layers.initial_state(3))
    >>> hiddens.shape, [part.shape[1] for part in state]
    (torch.Size([3, 5, 4]), [8, 8, 4])
    """

    def __init__(self, parts: Sequence[Recurrent], dropout: float = 0.0) -> None:
        if not parts:
            raise ValueError("layers=0: must be at least 1")
        for below, above in pairwise(parts):
            if above.input_size != below.hidden_size:
                raise ValueError(
                    f"input_size={above.input_size}: must be {below.hidden_size}, the hidden_size "
                    "of the layer below"
                )
        super().__init__(parts[0].input_size, parts[-1].hidden_size)
        self.dropout = checks.chance("dropout", dropout)
        if dropout == 1:
            raise ValueError("dropout=1: must be below 1, or nothing reaches the layer above")
        if dropout > 0 and len(parts) == 1:
            raise ValueError(
                f"dropout={dropout:g}: is between layers, and there is one; take layers=2 or more, "
                "or dropout=0"
            )
        self.parts = cast("Sequence[Recurrent]", nn.ModuleList(parts))
        # asked once: where the state of each part begins, and where the last one's ends
        counts = (len(part.initial_state(batch_size=1)) for part in parts)
        self._cuts = tuple(pairwise(accumulate(counts, initial=0)))
        self.remembers = any(part.remembers for part in parts)
        self.learns_initial_state = any(part.learns_initial_state for part in parts)
        self.straight_through = any(part.straight_through for part in parts)
        self.dynamics = Dynamics.of_layers([part.dynamics for part in parts])

    @property
    def stepwise(self) -> bool:
        """Return whether all parts are written one step at a time, so that `step` can be called."""
        return all(isinstance(part, Cell) for part in self.parts)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the parts' states, the lowest first."""
        return tuple(shape for part in self.parts for shape in part.state_shapes)

    def initial_state(self, batch_size: int) -> State:
        """Return the initial states of the parts, the lowest first."""
        return tuple(tensor for part in self.parts for tensor in part.initial_state(batch_size))

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters, the lowest part's first."""
        for part in self.parts:
            part.initialise(generator)

    def readout(self, output_size: int) -> nn.Module:
        """Return the map that goes with the highest part."""
        return self.parts[-1].readout(output_size)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return the hiddens of the highest part at every step, and the state after the last."""
        after: State = ()
        for number, (part, (first, end)) in enumerate(zip(self.parts, self._cuts, strict=True)):
            inputs, own = part(self._dropped(inputs, number), state[first:end])
            after += own
        return inputs, after

    def step(self, x: Float[Tensor, "batch input"], state: State) -> tuple[Tensor, State]:
        """Return what the readout sees of a step and the next state, where `stepwise` is true.

        Raises:
            TypeError: if some part is written for whole windows.
        """
        after: State = ()
        for number, (part, (first, end)) in enumerate(zip(self.parts, self._cuts, strict=True)):
            if not isinstance(part, Cell):
                raise TypeError(f"{type(part).__name__} takes whole windows, and has no step")
            stepped = part.step(self._dropped(x, number), state[first:end])
            x, own = output_and_state(stepped)
            after += own
        return x, after

    def _dropped(self, inputs: Tensor, number: int) -> Tensor:
        """Return the inputs of a part, of which dropout has taken some; the first has all."""
        # no call without it: one that changes nothing costs as much as a small layer's sums
        if number == 0 or self.dropout == 0 or not self.training:
            return inputs
        return nn.functional.dropout(inputs, self.dropout)
