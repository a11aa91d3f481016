"""The compiled loop over a chunk: for each window forward, loss, backward, clipping and update."""

import inspect
import math
from typing import Any, NamedTuple

from numba import njit
from numpy.typing import NDArray

from lossladder.engines.fused import readout
from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.cells import backward, forward
from lossladder.engines.fused.instructions import flush_tiny_numbers, restore_tiny_numbers
from lossladder.engines.fused.simd import REGISTER
from lossladder.engines.fused.workspace import LSTM, Sizes, Work, pack, unpack

SGD, ADAGRAD, ADAM, ADAMW = 0, 1, 2, 3


class Windows(NamedTuple):
    """A member's chunk, the batch last, so that a step's numbers lie side by side.

    Args:
        symbols: (windows, steps, batch), or empty.
        features: (windows, steps, inputs, batch), used if there are no symbols.
        targets: (windows, steps, batch).
        scored: (windows, steps, batch), or empty: all of them.
        codes, base, directions: what the network sees of a symbol; see `torch_interop.Codes`.
        carried: the state goes on from window to window.
    """

    symbols: NDArray
    features: NDArray
    targets: NDArray
    scored: NDArray
    codes: NDArray
    base: NDArray
    directions: NDArray
    carried: bool


class MemberState(NamedTuple):
    """What changes as a member learns, in memory of which no other touches a cache line.

    Args:
        parameters: laid out as `workspace.py` says.
        memory: the optimizer's vectors (2, parameters).
        knobs: lr, momentum or beta1, beta2, eps, weight decay (5).
        rates: lr of each update (windows).
        steps: updates made so far (1).
        state: h, or h and c (parts, hidden, batch).
        losses: one a window, nats (windows), written.
        rule: which optimizer.
        largest: norm a gradient is clipped to; infinity: no clipping.
    """

    parameters: NDArray
    memory: NDArray
    knobs: NDArray
    rates: NDArray
    steps: NDArray
    state: NDArray
    losses: NDArray
    rule: int
    largest: float


@compiled
def clip(gradient: Any, largest: float) -> None:
    """Shorten the gradient to `largest`, as clip_grad_norm_ of torch does; infinity: leave it."""
    if largest == math.inf:
        return
    squares = gradient.dtype.type(0)
    for g in gradient:
        squares += g * g
    shorten = largest / (math.sqrt(squares) + 1e-6)
    # "not above 1" is true of NaN as well, which must reach the parameters
    if not shorten > 1:
        for i in range(gradient.size):
            gradient[i] *= shorten


@compiled
def update(
    rule: int, parameters: Any, gradient: Any, memory: Any, step: int, knobs: Any, rate: float
) -> None:
    """Make one step of an optimizer, as torch's would; for its numbers see `MemberState`.

    `memory` holds momentum; or the sum of squares; or the means of gradient and square. `step`
    counts the updates with this one.
    """
    number = gradient.dtype.type
    lr, first, second, eps = number(rate), number(knobs[1]), number(knobs[2]), number(knobs[3])
    if rule == ADAMW:
        kept = number(1 - rate * knobs[4])
        for i in range(gradient.size):
            parameters[i] *= kept
    elif knobs[4] != 0:
        decay = number(knobs[4])
        for i in range(gradient.size):
            gradient[i] += decay * parameters[i]
    if rule == SGD:
        momentum = memory[0]
        for i in range(gradient.size):
            momentum[i] = first * momentum[i] + gradient[i]
            parameters[i] -= lr * momentum[i]
    elif rule == ADAGRAD:
        squares = memory[0]
        for i in range(gradient.size):
            squares[i] += gradient[i] * gradient[i]
            parameters[i] -= lr * gradient[i] / (math.sqrt(squares[i]) + eps)
    else:
        mean, square = memory[0], memory[1]
        new_mean, new_square = number(1 - knobs[1]), number(1 - knobs[2])
        # both means start at zero: undo that bias, in float64, where 1 - 0.999 keeps its digits
        stride = number(rate / (1 - knobs[1] ** step))
        root = number(math.sqrt(1 - knobs[2] ** step))
        for i in range(gradient.size):
            g = gradient[i]
            mean[i] += (g - mean[i]) * new_mean
            square[i] = second * square[i] + new_square * g * g
            parameters[i] -= stride * mean[i] / (math.sqrt(square[i]) / root + eps)


@compiled
def _slab(cell: Any, sizes: Any, work: Any, scale: float, rows: int) -> float:
    """Run forward, loss and backward of a slab in working memory; return its share of the loss."""
    # whole registers: the lanes beyond have weight 0
    width = (rows + REGISTER - 1) // REGISTER * REGISTER
    forward(cell, sizes, work, width)
    loss = readout.losses(sizes, scale, work, width)
    readout.add_products(sizes, work, width)
    backward(cell, sizes, work, width)
    return loss


@compiled
def _count_scored(sizes: Any, windows: Any, window: int, scored: Any) -> int:
    """Return how many steps of a window are scored; mark those at which any sequence is."""
    if windows.scored.size == 0:
        return sizes.steps * sizes.batch
    count = 0
    for t in range(sizes.steps):
        here = 0
        for mark in windows.scored[window, t]:
            here += mark
        scored[t] = here > 0
        count += here
    return count


@compiled
def _read(sizes: Any, work: Any, windows: Any, window: int, start: int, rows: int) -> None:
    """Bring a slab's inputs and targets into the working memory."""
    end = start + rows
    for t in range(sizes.steps):
        _copy(windows.targets[window, t, start:end], work.targets[t])
        for code in range(sizes.codes):
            row = work.rows[t, 1 + code]
            if windows.symbols.size == 0:
                _copy(windows.features[window, t, code, start:end], row)
            else:
                _look_up(windows.symbols[window, t, start:end], windows.codes, code, row)


@compiled
def _weigh(
    sizes: Any, work: Any, windows: Any, window: int, start: int, rows: int, scale: float
) -> None:
    """Set the weight of each step of a slab in the loss; lanes beyond the batch never count."""
    for t in range(sizes.steps):
        weights = work.weights[t]
        weights[:] = 0
        if windows.scored.size == 0:
            weights[:rows] = scale
        else:
            marks = windows.scored[window, t, start : start + rows]
            for i in range(rows):
                weights[i] = scale if marks[i] else 0


@compiled
def _copy(source: Any, target: Any) -> None:
    for i in range(source.size):
        target[i] = source[i]


@compiled
def _look_up(symbols: Any, codes: Any, code: int, row: Any) -> None:
    # a straight line through two points: no look-up, and vectorised
    if codes.shape[0] == 2:
        low = codes[0, code]
        rise = codes[1, code] - low
        for i in range(symbols.size):
            row[i] = low + rise * symbols[i]
    else:
        for i in range(symbols.size):
            row[i] = codes[symbols[i], code]


@compiled
def _enter(sizes: Any, work: Any, state: Any, start: int, rows: int) -> None:
    """Bring in the state before the window's first step."""
    for unit in range(sizes.hidden):
        _copy(state[0, unit, start : start + rows], work.rows[0, 1 + sizes.codes + unit])
        if sizes.cell == LSTM:
            _copy(state[1, unit, start : start + rows], work.cells[0, unit])


@compiled
def _leave(sizes: Any, work: Any, state: Any, start: int, rows: int) -> None:
    """Take out the state after the last step."""
    # no gradient comes back through it, which is the truncation
    for unit in range(sizes.hidden):
        last = work.rows[sizes.steps, 1 + sizes.codes + unit, :rows]
        _copy(last, state[0, unit, start : start + rows])
        if sizes.cell == LSTM:
            _copy(work.cells[sizes.steps, unit, :rows], state[1, unit, start : start + rows])


def _entry(function: Any) -> Any:
    """Compile the function that Python calls, on its first call with arguments of given types."""
    decorate: Any = njit  # some of its options are not declared
    return decorate(nogil=True, _nrt=False, error_model="numpy")(inspect.unwrap(function))


@_entry
def train(cell: Any, sizes: Sizes, work: Work, windows: Windows, member: MemberState) -> None:
    """Train a member on its chunk, in place."""
    parameters, state, losses = member.parameters, member.state, member.losses
    gradient, scored = work.gradient, work.scored
    scored[:] = True
    before = flush_tiny_numbers()
    for window in range(losses.size):
        # every scored step of the window weighs the same, in whichever slab it is computed
        count = _count_scored(sizes, windows, window, scored)
        scale = parameters.dtype.type(1) / parameters.dtype.type(count)
        pack(parameters, windows.base, windows.directions, sizes, work)
        work.sums[:] = 0
        work.out_sums[:] = 0
        loss = 0.0
        slab = work.rows.shape[2]
        for start in range(0, sizes.batch, slab):
            rows = min(slab, sizes.batch - start)
            _read(sizes, work, windows, window, start, rows)
            # weights stay from window to window where all steps count and one slab holds all
            if window == 0 or windows.scored.size > 0 or sizes.batch > slab:
                _weigh(sizes, work, windows, window, start, rows, scale)
            _enter(sizes, work, state, start, rows)
            loss += _slab(cell, sizes, work, scale, rows)
            if windows.carried or window + 1 == losses.size:
                _leave(sizes, work, state, start, rows)
        losses[window] = loss
        unpack(gradient, windows.base, windows.directions, sizes, work)
        clip(gradient, member.largest)
        member.steps[0] += 1
        memory, knobs = member.memory, member.knobs
        step, rate = member.steps[0], member.rates[window]
        update(member.rule, parameters, gradient, memory, step, knobs, rate)
    restore_tiny_numbers(before)
