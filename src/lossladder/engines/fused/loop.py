"""The loop over windows, for any cell: compiled by Numba once for a machine and a precision.

For each window: pack the weights, run the cell's compiled step there and back by its address, the
readout and the loss between, sum products to the gradient, clip it, and make the optimizer's step.
A batch is taken in slabs so narrow that the states of a window stay near the processor.
"""

import inspect
from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numpy.typing import NDArray

from lossladder.engines.fused import readout
from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.instructions import flush_tiny_numbers, restore_tiny_numbers
from lossladder.engines.fused.products import add_products
from lossladder.engines.fused.simd import NARROW, REGISTER, intrinsic, load, total, zeros
from lossladder.engines.fused.updates import clip, update

FORWARD, BACKWARD, BEGIN, PROLOGUE, EPILOGUE = range(5)  # addresses in `Plan.functions`


class Sizes(NamedTuple):
    """What the loop must know.

    Args:
        codes: numbers that tell one input from another; see `codes.py`.
        hidden: features that the readout reads.
        outputs: of the readout; of a cross entropy, one less than there are classes.
        loss: which, as in `readout.py`.
        steps, batch: of a window.
        learned: numbers at the start of `flat` that are trained.
        derived: where those begin that are made of them; where `flat` ends there are none.
        begins: whether an initial state is learned.
    """

    codes: int
    hidden: int
    outputs: int
    loss: int
    steps: int
    batch: int
    learned: int
    derived: int
    begins: bool


class Plan(NamedTuple):
    """What a layout says of one cell; see `weights.py` and `layout.py`.

    Args:
        pack_to, pack_of, pack_by: from `flat` to packed weights.
        unpack_to, unpack_of, unpack_by: from sums of products to the gradient.
        blocks: products to be summed.
        vectors: rows of `temp` to be summed.
        state_rows: of the numbers of the state.
        starts: where an initial state that is learned lies in `flat`; -1: it is not.
        functions: addresses of compiled passes.
    """

    pack_to: NDArray
    pack_of: NDArray
    pack_by: NDArray
    unpack_to: NDArray
    unpack_of: NDArray
    unpack_by: NDArray
    blocks: NDArray
    vectors: NDArray
    state_rows: NDArray
    starts: NDArray
    functions: NDArray


class Work(NamedTuple):
    """Working memory for one member at a time; for the first four arrays see `layout.py`.

    Args:
        rows: (steps + 1, rows, width).
        gates: (steps, columns, width).
        temp: (rows, width).
        flat: parameters, what is derived from them, and numbers of the cell's.
        logits: the readout's outputs (steps, outputs, width), then the loss's derivative by them.
        packed: weights in the order in which the loops read them.
        gradient: of `flat`.
        scored: steps at which any sequence is scored (steps).
        targets: classes (steps, width); `values`: real targets (steps, outputs, width).
        weights: of each step in the loss (steps, width): 0 where not scored.
        surprise: summed over steps (3, width): the linear part, the logarithms, factors to come.
        out: the readout's part of `packed` (fours, 1 + hidden_4, 4).
        sums: of products; `out_sums`: the readout's part of them (outputs, 1 + hidden_4).
        addresses: of what compiled passes are handed; `where` these lie.
    """

    rows: NDArray
    gates: NDArray
    temp: NDArray
    flat: NDArray
    logits: NDArray
    packed: NDArray
    gradient: NDArray
    scored: NDArray
    targets: NDArray
    values: NDArray
    weights: NDArray
    surprise: NDArray
    out: NDArray
    sums: NDArray
    out_sums: NDArray
    addresses: NDArray
    where: int


class Windows(NamedTuple):
    """A member's chunk, the batch last, so that a step's numbers lie side by side.

    Args:
        symbols: (windows, steps, batch), or empty.
        features: (windows, steps, inputs, batch), used if there are no symbols.
        targets: classes (windows, steps, batch), or empty.
        values: real targets (windows, steps, outputs, batch), used if there are no classes.
        scored: (windows, steps, batch), or empty: all of them.
        codes: of each symbol (symbols, codes).
        carried: the state goes on from window to window.
        fresh: the first window begins in the initial state.
    """

    symbols: NDArray
    features: NDArray
    targets: NDArray
    values: NDArray
    scored: NDArray
    codes: NDArray
    carried: bool
    fresh: bool


class MemberState(NamedTuple):
    """What changes as a member learns, in memory of which no other touches a cache line.

    Args:
        parameters: that are trained, as torch has them.
        fixed: frozen parameters, buffers and constants.
        memory: the optimizer's vectors (2, parameters).
        knobs: of the optimizer; see `updates.update`.
        rates: learning rates, one an update (windows).
        steps: updates made so far (1).
        state: its numbers (state, batch).
        losses: one a window, nats (windows), written.
        rule: which optimizer.
        largest: norm a gradient is clipped to; infinity: no clipping.
    """

    parameters: NDArray
    fixed: NDArray
    memory: NDArray
    knobs: NDArray
    rates: NDArray
    steps: NDArray
    state: NDArray
    losses: NDArray
    rule: int
    largest: float


@intrinsic
def _call(typing_context: Any, function: Any, addresses: Any, width: Any) -> Any:
    """Call a compiled pass by its address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number, pointer = ir.IntType(64), ir.IntType(64).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number])
        target = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(target, [builder.inttoptr(args[1], pointer), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@compiled
def _apply(target: Any, source: Any, to: Any, of: Any, by: Any) -> None:
    for k in range(to.size):
        target[to[k]] += by[k] * source[of[k]]


@compiled
def _add_vectors(sums: Any, temp: Any, vectors: Any, width: int) -> None:
    for v in range(vectors.shape[0]):
        for j in range(vectors[v, 1]):
            s = zeros(temp, NARROW)
            for i in range(0, width, REGISTER):
                s += load(temp, (vectors[v, 0] + j, i), NARROW)
            sums[vectors[v, 2] + j] += total(s)


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
def _read(
    sizes: Any, work: Any, windows: Any, window: int, start: int, rows: int, width: int
) -> None:
    """Bring a slab's inputs and targets into the working memory."""
    end = start + rows
    for t in range(sizes.steps):
        if windows.targets.size:
            _copy(windows.targets[window, t, start:end], work.targets[t])
        else:
            for c in range(sizes.outputs):
                _copy(windows.values[window, t, c, start:end], work.values[t, c])
        for code in range(sizes.codes):
            row = work.rows[t, 1 + code]
            if windows.symbols.size == 0:
                _copy(windows.features[window, t, code, start:end], row)
            else:
                _look_up(windows.symbols[window, t, start:end], windows.codes, code, row)
            _repeat_last(row, rows, width)


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
def _repeat_last(row: Any, rows: int, width: int) -> None:
    # lanes beyond the batch are one of its sequences again: whatever a cell makes of zeros, such
    # as a division by them, it must not make there
    for i in range(rows, width):
        row[i] = row[rows - 1]


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
def _enter(
    work: Any, plan: Any, state: Any, start: int, rows: int, width: int, begins: bool
) -> None:
    """Bring in the state before the window's first step."""
    for f in range(plan.state_rows.size):
        row = work.rows[0, plan.state_rows[f]]
        if begins and plan.starts[f] >= 0:
            row[:width] = work.flat[plan.starts[f]]
        else:
            _copy(state[f, start : start + rows], row)
            _repeat_last(row, rows, width)


@compiled
def _leave(sizes: Any, work: Any, plan: Any, state: Any, start: int, rows: int) -> None:
    """Take out the state after the last step."""
    # no gradient comes back through it, which is the truncation
    for f in range(plan.state_rows.size):
        last = work.rows[sizes.steps, plan.state_rows[f], :rows]
        _copy(last, state[f, start : start + rows])


@compiled
def _slab(sizes: Any, work: Any, plan: Any, scale: float, width: int, begins: bool) -> float:
    """Run a slab in working memory there and back; return its share of the loss."""
    _call(plan.functions[FORWARD], work.where, width)
    loss = readout.losses(sizes, scale, work, width)
    readout.add_products(sizes, work, width)
    work.temp[:] = 0
    _call(plan.functions[BACKWARD], work.where, width)
    if begins:
        _call(plan.functions[BEGIN], work.where, width)
    for k in range(plan.blocks.shape[0]):
        add_products(work.sums, work.rows, work.gates, plan.blocks[k], sizes.steps, width)
    _add_vectors(work.sums, work.temp, plan.vectors, width)
    return loss


def _entry(function: Any) -> Any:
    """Compile the function that Python calls, on its first call with arguments of given types."""
    decorate: Any = njit  # some of its options are not declared
    return decorate(nogil=True, _nrt=False, error_model="numpy")(inspect.unwrap(function))


@_entry
def train(sizes: Sizes, work: Work, plan: Plan, windows: Windows, member: MemberState) -> None:
    """Train a member on its chunk, in place."""
    parameters, state, losses = member.parameters, member.state, member.losses
    flat, gradient, scored = work.flat, work.gradient, work.scored
    scored[:] = True
    _copy(member.fixed, flat[sizes.learned :])
    before = flush_tiny_numbers()
    for window in range(losses.size):
        # every scored step of the window weighs the same, in whichever slab it is computed
        count = _count_scored(sizes, windows, window, scored)
        scale = parameters.dtype.type(1) / parameters.dtype.type(count)
        begins = sizes.begins and (not windows.carried or (window == 0 and windows.fresh))
        _copy(parameters, flat)
        if sizes.derived < gradient.size:
            _call(plan.functions[PROLOGUE], work.where, 0)
        work.packed[:] = 0
        _apply(work.packed, flat, plan.pack_to, plan.pack_of, plan.pack_by)
        work.sums[:] = 0
        loss = 0.0
        slab = work.rows.shape[2]
        for start in range(0, sizes.batch, slab):
            rows = min(slab, sizes.batch - start)
            # whole registers: the lanes beyond have weight 0
            width = (rows + REGISTER - 1) // REGISTER * REGISTER
            _read(sizes, work, windows, window, start, rows, width)
            # weights stay from window to window where all steps count and one slab holds all
            if window == 0 or windows.scored.size > 0 or sizes.batch > slab:
                _weigh(sizes, work, windows, window, start, rows, scale)
            _enter(work, plan, state, start, rows, width, begins)
            loss += _slab(sizes, work, plan, scale, width, begins)
            if windows.carried or window + 1 == losses.size:
                _leave(sizes, work, plan, state, start, rows)
        losses[window] = loss
        gradient[:] = 0
        _apply(gradient, work.sums, plan.unpack_to, plan.unpack_of, plan.unpack_by)
        if sizes.derived < gradient.size:
            _call(plan.functions[EPILOGUE], work.where, 0)
        learned = gradient[: sizes.learned]
        clip(learned, member.largest)
        member.steps[0] += 1
        update(
            member.rule,
            parameters,
            learned,
            member.memory,
            member.steps[0],
            member.rates[window],
            member.knobs,
        )
    restore_tiny_numbers(before)
