"""The laws of networks: causal, cut anywhere, row by row, with the gradient they should have."""

import copy
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from lossladder.models import Cell, Recurrent, State
from lossladder.testing.comparison import (
    difference,
    generator,
    normal,
    place_in_words,
    require,
    require_equal,
    undisturbed,
)


def check_network(recurrent: Recurrent) -> None:
    """Check that a network keeps the laws of all networks.

    * A generator decides every trained parameter. A start without randomness is allowed.
    * The initial state is the same for every row, and depends on parameters where
      `learns_initial_state` says so.
    * Hiddens are (batch, time, hidden_size), and the state keeps its shapes. Called twice with the
      same, it puts out the same; nothing that is handed in, and no buffer, is changed.
    * A later input changes nothing before it; an input does change something.
    * Cutting a window and carrying the state changes nothing. The state matters where `remembers`
      says so, and not elsewhere.
    * Rows of a batch do not touch each other.
    * Gradients are finite differences: of the inputs, of the state, of every trained parameter;
      but not where `straight_through` says that they are meant to be others.
    * A cell with a `forward` of its own does what its `step` says.

    All but the first is tried on a copy in float64, on the CPU, with all parameters moved a little
    off their start; in training mode, or in evaluation mode if the network draws random numbers in
    training. A gradient may be zero, and a parameter may be frozen.

    Args:
        recurrent: any; a small one, such as of `hidden_size=5`, takes less time.
    Raises:
        AssertionError: naming the parameter or the step, what came, and what the law demands.
    """
    with torch.random.fork_rng(devices=[]):
        _check_arguments(recurrent)
        _check_start(copy.deepcopy(recurrent).cpu())
        recurrent = _prepared(recurrent)
        _check_initial_state(recurrent)
        _check_function(recurrent)
        _check_causal(recurrent)
        _check_carrying(recurrent)
        _check_rows(recurrent)
        if not recurrent.straight_through:
            _check_gradients(recurrent)
        _check_step(recurrent)


def _check_arguments(recurrent: Recurrent) -> None:
    """Check that `initialisation_arguments` are arguments, and the readout ends in a linear map."""
    own = inspect.signature(type(recurrent)).parameters
    for name in recurrent.initialisation_arguments:
        require(
            name in own,
            f"initialisation_arguments: {name!r} is no argument of {type(recurrent).__name__}, "
            f"which has {', '.join(own)}",
        )
    readout = recurrent.readout(3)
    maps = [part for part in readout.modules() if isinstance(part, nn.Linear)] or [readout]
    sizes = getattr(maps[0], "in_features", None), getattr(maps[-1], "out_features", None)
    require(
        sizes == (recurrent.hidden_size, 3),
        f"readout: readout(3) is a {type(readout).__name__} from {sizes[0]} to {sizes[1]} numbers; "
        f"must be an nn.Linear, or layers of which the last is one, from "
        f"hidden_size={recurrent.hidden_size} to 3",
    )


def _check_start(recurrent: Recurrent) -> None:
    """Check that `initialise` sets every trained parameter, by its generator only."""

    def started(seed: int) -> dict[str, Tensor]:
        with torch.no_grad():
            recurrent.initialise(generator(seed))
            return {name: p.detach().clone() for name, p in recurrent.named_parameters()}

    first = undisturbed("initialise", 1, partial(started, 0))
    # a parameter that is left as it was keeps the 7
    with torch.no_grad():
        for parameter in recurrent.parameters():
            if parameter.requires_grad:
                parameter.fill_(7.0)
    again = undisturbed("initialise", 2, partial(started, 0))
    for name, one in first.items():
        complaint = f"initialise: a generator's seed does not decide parameter {name!r}"
        other, when = again[name], "after it was set to 7"
        require_equal(complaint, one, "at first", other, when, tolerance=0.0)


def _prepared(recurrent: Recurrent) -> Recurrent:
    """Return a copy in which nothing is zero by chance, and whose state tells rows apart."""
    recurrent = copy.deepcopy(recurrent).to("cpu", torch.float64).train()
    with torch.no_grad():
        for number, parameter in enumerate(recurrent.parameters()):
            parameter += 0.1 * normal(*parameter.shape, seed=number)
    return recurrent


def _check_initial_state(recurrent: Recurrent) -> None:
    state = recurrent.initial_state(7)
    require(
        isinstance(state, tuple) and all(isinstance(part, Tensor) for part in state),
        f"initial_state: is a {type(state).__name__}; must be a tuple of tensors",
    )
    for name, part in named(state):
        require(
            part.dim() > 0 and len(part) == 7,
            f"initial_state: {name} has shape {tuple(part.shape)} for a batch of 7; must be batch "
            "first",
        )
        require(
            part.dtype == torch.float64 or not part.is_floating_point(),
            f"initial_state: {name} is {part.dtype} where parameters are torch.float64; make it "
            "with parameter.new_zeros",
        )
        complaint = f"initial_state: {name} is not the same in every row"
        require_equal(complaint, part, "here", part[:1].expand_as(part), "in row 0")
    learned = any(part.requires_grad for part in state)
    frozen = not any(parameter.requires_grad for parameter in recurrent.parameters())
    require(
        learned is recurrent.learns_initial_state or frozen,
        f"learns_initial_state={recurrent.learns_initial_state}: and the initial state "
        f"{'depends' if learned else 'does not depend'} on trained parameters",
    )


def _check_function(recurrent: Recurrent) -> None:
    """Check that shapes are kept, and that only what is put out tells of a call."""
    inputs, state = normal(3, 6, recurrent.input_size), reached(recurrent, 3)
    buffers = {name: buffer.clone() for name, buffer in recurrent.named_buffers()}
    kept = inputs.clone(), tuple(part.clone() for part in state)
    hiddens, after = recurrent(inputs, state)
    expected = 3, 6, recurrent.hidden_size
    require(
        hiddens.shape == expected,
        f"hiddens have shape {tuple(hiddens.shape)}; must be {expected}: batch, time, hidden_size",
    )
    require(bool(hiddens.isfinite().all()), "hiddens are not finite, for inputs of a normal law")
    start = recurrent.initial_state(3)
    shapes = [[tuple(part.shape) for part in parts] for parts in (start, after)]
    require(
        shapes[0] == shapes[1],
        f"initial_state has shapes {shapes[0]}, and the state after forward {shapes[1]}",
    )
    for name, now, then in (("inputs", inputs, kept[0]), *paired(state, kept[1])):
        require_equal(f"forward changes the {name} it is given", then, "before", now, "after")
    for name, buffer in recurrent.named_buffers():
        complaint = f"forward changes buffer {name!r}: what is remembered must lie in the state"
        require_equal(complaint, buffers[name], "before", buffer, "after")
    if difference(hiddens, recurrent(inputs, state)[0]) is not None:
        recurrent.eval()  # such as dropout: no law holds for what is random
    one, other = (recurrent(inputs, state)[0] for _ in range(2))
    _equal_hiddens("forward is no function of inputs and state", one, "once", other, "again")


def _check_causal(recurrent: Recurrent) -> None:
    inputs, state = normal(3, 8, recurrent.input_size), reached(recurrent, 3)
    whole, _ = recurrent(inputs, state)
    moved = False
    for cut in range(8):
        later = normal(3, 8 - cut, recurrent.input_size, seed=1)
        changed, _ = recurrent(torch.cat([inputs[:, :cut], later], dim=1), state)
        complaint = f"hiddens depend on later inputs, from step {cut} on"
        pair = changed[:, :cut], "with others", whole[:, :cut], "with the first ones"
        _equal_hiddens(complaint, *pair)
        moved |= difference(changed, whole) is not None
    require(moved, "hiddens are the same whatever the inputs")


def _check_carrying(recurrent: Recurrent) -> None:
    inputs, state = normal(3, 12, recurrent.input_size), reached(recurrent, 3)
    whole, last = recurrent(inputs, state)
    for cuts in ((0, 1, 12), (0, 5, 12), (0, 11, 12), tuple(range(13))):
        carried, pieces = state, []
        for first, end in pairwise(cuts):
            hiddens, carried = recurrent(inputs[:, first:end], carried)
            pieces.append(hiddens)
        cut = f"cut before the steps {', '.join(map(str, cuts[1:-1]))}"
        complaint = "a window that is cut and carried on ends otherwise"
        _equal_hiddens(complaint, torch.cat(pieces, dim=1), cut, whole, "in one piece")
        for name, one, other in paired(carried, last):
            require_equal(f"{complaint}: {name}", one, cut, other, "in one piece")
    elsewhere, _ = recurrent(inputs, recurrent.initial_state(3))
    if recurrent.remembers:
        differs = difference(elsewhere, whole) is not None
        require(differs, "remembers=True: and hiddens are the same whatever the state")
    else:
        complaint = "remembers=False: and hiddens depend on the state"
        _equal_hiddens(complaint, elsewhere, "from the initial one", whole, "from another")


def _check_rows(recurrent: Recurrent) -> None:
    inputs, state = normal(4, 6, recurrent.input_size), reached(recurrent, 4)
    whole, last = recurrent(inputs, state)
    for row in range(4):
        alone = slice(row, row + 1)
        hiddens, after = recurrent(inputs[alone], tuple(part[alone] for part in state))
        complaint = f"row {row} of a batch depends on the others"
        _equal_hiddens(complaint, hiddens, "alone", whole[alone], "among them")
        for name, one, other in paired(after, last):
            require_equal(f"{complaint}: {name}", one, "alone", other[alone], "among them")


def _check_gradients(recurrent: Recurrent) -> None:
    """Check gradients from a state under way, and from the initial one where it is learned."""
    for initial in {False, recurrent.learns_initial_state}:
        # where a kink (of a ReLU) lies within the difference, it will not at other inputs
        fault = _gradient_fault(recurrent, 0, initial)
        if fault is not None and all(_gradient_fault(recurrent, s, initial) for s in (1, 2)):
            raise AssertionError(fault)


def _gradient_fault(recurrent: Recurrent, seed: int, initial: bool) -> str | None:
    """Return what is wrong with the gradient of a random sum of all outputs; None: nothing.

    Along a direction d of +1 or -1 in every entry, (L(v + e d) - L(v - e d)) / 2e = d . gradient:
    each entry counts, so that none can be wrong unnoticed, for the price of two losses.
    """
    inputs = normal(2, 3, recurrent.input_size, seed=seed)
    state = None if initial else reached(recurrent, 2, seed)
    variables = {"inputs": inputs}
    if state is not None:
        variables |= {name: part for name, part in named(state) if part.is_floating_point()}
    for variable in variables.values():
        variable.requires_grad_()
    trained = recurrent.named_parameters()
    variables |= {f"parameter {name!r}": p for name, p in trained if p.requires_grad}

    def loss() -> Tensor:
        hiddens, after = recurrent(inputs, recurrent.initial_state(2) if state is None else state)
        outputs = [hiddens, *(part for part in after if part.is_floating_point())]
        drawn = (normal(*out.shape, seed=100 + number) for number, out in enumerate(outputs))
        return torch.stack([(w * out).sum() for w, out in zip(drawn, outputs, strict=True)]).sum()

    gradients = torch.autograd.grad(
        loss(), list(variables.values()), allow_unused=True, materialize_grads=True
    )
    for (name, variable), gradient in zip(variables.items(), gradients, strict=True):
        allowed = 1e-6 * (1 + float(gradient.abs().sum()))
        # two errors may cancel in one direction, not in both
        for number in range(2):
            direction = normal(*variable.shape, seed=200 + number).sign()
            slope, along = _slope(loss, variable, direction), float((gradient * direction).sum())
            if not abs(slope - along) <= allowed:
                return _wrong_entry(name, variable, gradient, loss)
    return None


def _wrong_entry(name: str, variable: Tensor, gradient: Tensor, loss: Callable[[], Tensor]) -> str:
    """Return where a wrong gradient is most so, among the first thousand entries."""
    worst, found = -1.0, ""
    for place in list(np.ndindex(*variable.shape))[:1000]:
        direction = torch.zeros_like(variable)
        direction[place] = 1.0
        slope, own = _slope(loss, variable, direction), float(gradient[place]) + 0.0
        if not abs(slope - own) <= worst:
            worst = abs(slope - own)
            at = place_in_words(place)
            found = f"{name}: gradient {own:.6g} at {at}, finite difference {slope:.6g}"
    return found


@torch.no_grad()
def _slope(loss: Callable[[], Tensor], variable: Tensor, direction: Tensor) -> float:
    """Return the derivative along a direction, by a central difference."""
    step, kept, ends = 1e-6, variable.clone(), []
    for sign in (1, -1):
        variable.copy_(kept + sign * step * direction)
        ends.append(float(loss()))
    variable.copy_(kept)
    return (ends[0] - ends[1]) / (2 * step)


def _check_step(recurrent: Recurrent) -> None:
    """Check that a cell with a `forward` of its own does what its `step` says."""
    if isinstance(recurrent, Cell) and type(recurrent).forward is not Cell.forward:
        inputs, state = normal(3, 6, recurrent.input_size), reached(recurrent, 3)
        own, by_step = recurrent(inputs, state)[0], Cell.forward(recurrent, inputs, state)[0]
        _equal_hiddens("forward is not what step says", own, "by forward", by_step, "by step")


def reached(recurrent: Recurrent, batch_size: int, seed: int = 0) -> State:
    """Return a state that the network comes to, different in every row."""
    inputs = normal(batch_size, 5, recurrent.input_size, seed=50 + seed)
    try:
        with torch.no_grad():
            return recurrent(inputs, recurrent.initial_state(batch_size))[1]
    except RuntimeError as error:
        size = f"a batch of {batch_size} sequences of 5 steps"
        raise AssertionError(f"forward fails in float64 with {size}: {error}") from error


def _equal_hiddens(
    complaint: str,
    one: Tensor,
    in_one: str,
    other: Tensor,
    in_other: str,
) -> None:
    require_equal(complaint, one, in_one, other, in_other, ("row", "step", "hidden"))


def named(state: State) -> Iterator[tuple[str, Tensor]]:
    """Return the tensors of a state, with what a message calls them."""
    return ((f"state[{number}]", part) for number, part in enumerate(state))


def paired(one: State, other: State) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Return the tensors of two states, side by side."""
    return ((name, left, right) for (name, left), right in zip(named(one), other, strict=True))
