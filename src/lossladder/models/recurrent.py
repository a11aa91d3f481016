"""The promise of a recurrent network: inputs and a state in, hiddens and a state out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks

State = tuple[Tensor, ...]  # what is carried from step to step; of any shapes, batch first
Step = State | tuple[Tensor, State]  # the next state; or an output of its own, and the next state


class Recurrent(nn.Module, ABC):
    """A causal map from a window of inputs to a window of hiddens, with a state passed along.

    Cutting a window in two and carrying the state across the cut changes nothing, rows of a batch
    do not touch each other, and no tensor that is handed in is changed. `check_network` of
    `lossladder.testing` tries all of it.

    Attributes:
        state_parts: number of tensors in the state, each (batch, hidden_size).
        state_shapes: instead of that, where a state has other shapes: that of each tensor, for one
            sequence. `((hidden_size, hidden_size), ())` is a matrix and a number for each.
        remembers: False: the state is handed on, but nothing that comes out depends on it.
        learns_initial_state: True: `initial_state` depends on parameters.
        initialisation_arguments: those arguments of the constructor that only say how parameters
            start, such as a gain, and that are kept under their own names. Members of a sweep are
            trained together although they differ in these; in any other argument they may not.

    Args:
        input_size: features a step.
        hidden_size: features of each hidden.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    state_parts: int = 1
    remembers: bool = True
    learns_initial_state: bool = False
    initialisation_arguments: tuple[str, ...] = ()

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = checks.whole("input_size", input_size)
        self.hidden_size = checks.whole("hidden_size", hidden_size)

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return hiddens at every step, and the state after the last."""

    @abstractmethod
    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters; all randomness comes from `generator`, if one is given."""

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape that each tensor of the state has for one sequence."""
        return ((self.hidden_size,),) * self.state_parts

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros."""
        parameter = next(self.parameters())
        return tuple(parameter.new_zeros(batch_size, *shape) for shape in self.state_shapes)

    def readout(self, output_size: int) -> nn.Linear:
        """Return the linear map from hiddens to outputs that goes with this network."""
        return nn.Linear(self.hidden_size, output_size)


class Cell(Recurrent):
    """A recurrent network written one step at a time.

    The readout sees the first tensor of the state, (batch, hidden_size); or else an output of the
    step's own, which is no state and is not carried. A fast weight, for instance, adds to a matrix
    what its input asks for, and puts out what it finds there:

        def step(self, x, state):
            (memory,) = state                              # (batch, hidden, hidden)
            key, value, query = self.project(x).chunk(3, dim=-1)
            memory = self.decay * memory + value[:, :, None] * key[:, None, :]
            return (memory @ query[:, :, None])[..., 0], (memory,)
    """

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> Step:
        """Return the next state, whose first tensor is read out; or (output, next state).

        A pair of a tensor and a tuple is an output and a state. All else is a state, which is
        always a tuple, even of one tensor.
        """

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return hiddens at every step, and the state after the last."""
        hiddens = []
        for x in inputs.unbind(dim=1):
            hidden, state = output_and_state(self.step(x, state))
            hiddens.append(hidden)
        return torch.stack(hiddens, dim=1), state


def output_and_state(stepped: object) -> tuple[Tensor, State]:
    """Return what the readout sees of a step, and the state it leaves; see `Cell.step`.

    Raises:
        TypeError: if the step returned neither a state nor an output and a state.

    >>> h, c = torch.zeros(1, 2), torch.ones(1, 2)
    >>> output_and_state((h, c))[0] is h, output_and_state((c, (h,)))[0] is c
    (True, True)
    """
    if isinstance(stepped, tuple) and stepped and isinstance(stepped[0], Tensor):
        own = len(stepped) == 2 and isinstance(stepped[1], tuple)
        state = stepped[1] if own else stepped
        if all(isinstance(part, Tensor) for part in state):
            return stepped[0], state
    raise TypeError(
        f"step returned {_kinds(stepped)}: must be the next state, a tuple of tensors; or a pair "
        "of an output and the next state"
    )


def _kinds(thing: object) -> str:
    """Return the types that something is made of: "(Tensor, list)"."""
    if isinstance(thing, tuple):
        return f"({', '.join(map(_kinds, thing))})"
    return type(thing).__name__


class TorchLayer(Recurrent):
    """A layer of torch's as `torch_rnn`, `lstm` and `gru` use it: with its state and its start.

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
        """Return hiddens at every step, and the state after the last."""
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
