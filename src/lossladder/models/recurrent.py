"""The promise of a recurrent network: inputs and a state in, hiddens and a state out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from lossladder import checks

State = tuple[Tensor, ...]  # what is carried from step to step; of any shapes, batch first
Step = State | tuple[Tensor, State]  # the next state; or an output of its own, and the next state


@dataclass(frozen=True)
class Dynamics:
    """What theorems ask of a network: how its state moves, whatever its weights are.

    Args:
        transition: by what the state of before is changed. none: there is no state beyond the
            window; diagonal: h' = a(x) * h + b(x); householder: products of I - beta k k^T;
            dense: h' = A(x) h + b(x) with any matrix; nonlinear: anything else.
        eigenvalues: of the matrix of one step, where the transition is affine. unit: in [0, 1];
            signed: in [-1, 1]; complex: of modulus 1 at most; any: of any size.
        selective: False: the matrix is the same at every step, whatever the input.
        reflections: Householder factors a step that may be reflections, with beta = 2.
        layers: on top of one another.
        counts: whether a unit may count without bound in finite precision; None: not said.
        window: steps that are seen, this one among them; None: all.
        bits: of state that are kept from step to step, in all layers; None: as the dtype has.

    >>> Dynamics("diagonal", "unit").affine, Dynamics("nonlinear").affine
    (True, False)
    """

    transition: Literal["none", "diagonal", "householder", "dense", "nonlinear"]
    eigenvalues: Literal["unit", "signed", "complex", "any"] = "any"
    selective: bool = True
    reflections: int = 0
    layers: int = 1
    counts: bool | None = None
    window: int | None = None
    bits: int | None = None

    @property
    def affine(self) -> bool:
        """Return whether the next state is an affine map of the one before."""
        return self.transition in ("diagonal", "householder", "dense")

    @classmethod
    def of_layers(cls, parts: Sequence["Dynamics | None"]) -> "Dynamics | None":
        """Return what holds of networks on top of one another; None: of different kinds.

        >>> Dynamics.of_layers([Dynamics("diagonal", "unit"), Dynamics("diagonal", "unit")]).layers
        2
        >>> Dynamics.of_layers([Dynamics("none", window=3), Dynamics("none", window=3)]).window
        5
        """
        same = [part for part in parts if part is not None]
        first = same[0] if len(same) == len(parts) else None
        if first is None or any(replace(part, bits=first.bits) != first for part in same):
            return None
        bits = [part.bits for part in same if part.bits is not None]
        return replace(
            first,
            layers=sum(part.layers for part in same),
            # each layer looks back from what the one below has seen
            window=None if first.window is None else len(parts) * (first.window - 1) + 1,
            bits=sum(bits) if len(bits) == len(parts) else None,
        )


class Recurrent(nn.Module, ABC):
    """A causal map from a window of inputs to a window of hiddens, with a state passed along.

    Cutting a window in two and carrying the state across the cut changes nothing, rows of a batch
    do not touch each other, and no tensor that is handed in is changed. `check_network` of
    `lossladder.testing` tries all of it.

    Attributes:
        state_parts: number of tensors in the state, each (batch, hidden_size).
        state_shapes: where a state has other shapes, instead of `state_parts`: the shape of each
            tensor for one sequence. `((hidden_size, hidden_size), ())` is a matrix and a number.
        remembers: False: the state is handed on, but nothing that comes out depends on it.
        learns_initial_state: True: `initial_state` depends on parameters.
        straight_through: True: something is rounded on the way, and gradients are those of what
            would be computed otherwise. They are then no finite differences, and no law holds them
            against any.
        dynamics: how the state moves, for theorems that speak of it; None: not said.
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
    dynamics: Dynamics | None = None
    straight_through: bool = False
    # asked for before training: an engine that starts every window from zeros must refuse then
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
        # so that the state lies on the same device in the same precision
        parameter = next(self.parameters())
        return tuple(parameter.new_zeros(batch_size, *shape) for shape in self.state_shapes)

    def readout(self, output_size: int) -> nn.Module:
        """Return the map from hiddens to outputs that goes with this network.

        A linear one, or layers of which the last is linear: `nn.Sequential(nn.Linear(...),
        nn.Tanh(), nn.Linear(...))`.
        """
        return nn.Linear(self.hidden_size, output_size)


class Cell(Recurrent):
    """A recurrent network written one step at a time.

    The readout sees the first tensor of the state, (batch, hidden_size); or else an output of the
    step's own, which is no state and is not carried. Fast weights, for instance, add to a matrix
    what the input says, and put out what they find there:

        def step(self, x, state):
            (memory,) = state                              # (batch, hidden, hidden)
            key, value, query = self.project(x).chunk(3, dim=-1)
            memory = self.decay * memory + value[:, :, None] * key[:, None, :]
            return (memory @ query[:, :, None])[..., 0], (memory,)
    """

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> Step:
        """Return the next state, whose first tensor is read out; or (output, next state).

        A pair of a tensor and a tuple is an output and a state. Everything else is a state, which
        is always a tuple, even of one tensor.
        """

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return hiddens at every step, and the state after the last."""
        # stacked at the end: writing in place would cost autograd a node and a copy for each step
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
    # a state never holds a tuple, which tells (output, state) from a state of two tensors
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
    """Return the types that something is made of, such as "(Tensor, list)"."""
    if isinstance(thing, tuple):
        return f"({', '.join(map(_kinds, thing))})"
    return type(thing).__name__


def start_linear(generator: Generator | None, *layers: nn.Module) -> None:
    """Draw the weights of linear layers glorot-uniform, in order, and set their biases to zero.

    Other modules are passed over, so that all of a network's may be handed in.
    """
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class TorchLayer(Recurrent):
    """A layer of torch's, with the state and the start that networks have here.

    Args:
        layer: nn.RNN, nn.LSTM or nn.GRU; its two bias vectors are kept as torch has them.
        input_size, hidden_size: as for `Recurrent`.
    """

    def __init__(self, layer: Callable[..., nn.RNNBase], input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = layer(input_size, hidden_size, batch_first=True)
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        _initialise(generator, *self.layer.all_weights[0])

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Return hiddens at every step, and the state after the last."""
        # torch wants an axis of layers first, and its states of one part are no tuples
        parts = tuple(part[None] for part in state)  # (layers, batch, hidden) each
        hiddens, after = self.layer(inputs, parts if self.state_parts > 1 else parts[0])
        after = after if isinstance(after, tuple) else (after,)
        return hiddens, tuple(part[0] for part in after)


class TorchCell(Cell):
    """The parameters of a layer of torch's, for its twin that is written out step by step.

    Attributes:
        gates: rows of the weights for each hidden, in torch's order.
    """

    gates: int = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        rows = self.gates * self.hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        # one bias would do; there are two as in torch, so that weights can be copied across
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        self.initialise()

    def initialise(self, generator: Generator | None = None) -> None:
        """Draw fresh parameters."""
        _initialise(generator, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


def _initialise(
    generator: Generator | None,
    weight_ih: Float[Tensor, "gates_hidden input"],
    weight_hh: Float[Tensor, "gates_hidden hidden"],
    bias_ih: Float[Tensor, " gates_hidden"],
    bias_hh: Float[Tensor, " gates_hidden"],
) -> None:
    """Draw both weights as one glorot-uniform matrix for [input, state] concatenated; no biases."""
    # torch's own start takes no generator, and knows the number of hiddens only
    fan_in, fan_out = weight_ih.shape[1] + weight_hh.shape[1], weight_ih.shape[0]
    bound = (6 / (fan_in + fan_out)) ** 0.5
    for weight in (weight_ih, weight_hh):
        nn.init.uniform_(weight, -bound, bound, generator=generator)
    for bias in (bias_ih, bias_hh):
        nn.init.zeros_(bias)
