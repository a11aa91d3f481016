"""The loop over windows, for any cell: compiled once for a machine and a precision.

For each window: pack the weights, run the cell's compiled step there and back by its address, the
readout and the loss between, sum products to the gradient, clip it, and make the optimizer's step.
A batch is taken in slabs so narrow that the states of a window stay near the processor.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from lossladder.engines.fused.emission import FUNCTIONS, HANDED
from lossladder.engines.fused.machine_code import MachineCode, load_function
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.products import add_products, add_vectors
from lossladder.engines.fused.readout import Readout
from lossladder.engines.fused.updates import clip, update
from lossladder.engines.fused.writer import Array, Numbers, Variable, Whole, Writer


class Sizes(NamedTuple):
    """Whole numbers that the loop must know.

    Args:
        codes: numbers that tell one input from another; see `codes.py`.
        hidden: features that the readout reads.
        outputs: of the readout; of a cross entropy, one less than there are classes.
        loss: which, as in `readout.py`; `together`: factors to a logarithm there.
        steps, batch: of a window.
        slab: sequences computed side by side; `lanes`: their memory, whole registers.
        row_count, gate_count, temp_count: of the arrays of `layout.py`, as allocated.
        fours, lines: of the readout's outputs and of what it reads, whole fours and one more.
        learned: numbers at the start of `flat` that are trained; `fixed` come behind, from
            `fixed_at` on.
        derived: whether any are made of others.
        begins: whether an initial state is learned.
    """

    codes: int
    hidden: int
    outputs: int
    loss: int
    together: int
    steps: int
    batch: int
    slab: int
    lanes: int
    row_count: int
    gate_count: int
    temp_count: int
    fours: int
    lines: int
    learned: int
    fixed_at: int
    fixed: int
    derived: int
    begins: int


class Plan(NamedTuple):
    """What a layout says of one cell; see `weights.py` and `layout.py`.

    Args:
        pack_to, pack_of, pack_by: from `flat` to packed weights.
        unpack_to, unpack_of, unpack_by: from sums of products to the gradient.
        blocks: products to be summed.
        vectors: rows of `temp` to be summed.
        state_rows: of the numbers of the state.
        starts: where an initial state that is learned lies in `flat`; -1: it is not.
        functions: addresses of the cell's compiled passes, as in `emission.FUNCTIONS`.
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
        rows: (steps + 1, rows, lanes).
        gates: (steps, columns, lanes).
        temp: (rows, lanes).
        flat: parameters, what is derived from them, and numbers of the cell's.
        logits: the readout's outputs (steps, outputs, lanes), then the loss's derivative by them.
        packed: weights in the order in which the loops read them.
        gradient: of `flat`.
        scored: steps at which any sequence is scored (steps).
        targets: classes (steps, lanes); `values`: real targets (steps, outputs, lanes).
        weights: of each step in the loss (steps, lanes): 0 where not scored.
        surprise: summed over steps (2, lanes): the linear part, and factors multiplied.
        out: the readout's part of `packed` (fours, lines, 4).
        sums: of products; `out_sums`: the readout's part of them (outputs, lines).
        handed: what the cell's passes are handed; see `emission.HANDED`.
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
    handed: NDArray


class Windows(NamedTuple):
    """A member's chunk, the batch last, so that a step's numbers lie side by side.

    Args:
        symbols: (windows, steps, batch), or empty.
        features: (windows, steps, inputs, batch), used if there are no symbols.
        classes: (windows, steps, batch), or empty.
        reals: real targets (windows, steps, outputs, batch), used if there are no classes.
        marks: of steps that are scored (windows, steps, batch), or empty: all of them.
        table: codes of each symbol (symbols, codes).
        carried: the state goes on from window to window.
        fresh: the first window begins in the initial state.
    """

    symbols: NDArray
    features: NDArray
    classes: NDArray
    reals: NDArray
    marks: NDArray
    table: NDArray
    carried: bool
    fresh: bool


class MemberState(NamedTuple):
    """What changes as a member learns, in memory of which no other touches a cache line.

    Args:
        parameters: that are trained, as torch has them; whole registers.
        frozen: frozen parameters, buffers and constants.
        memory: the optimizer's vectors (2, parameters).
        knobs: of the optimizer; see `updates.knobs_of`.
        rates: of each update; see `updates.rates_of`.
        state: its numbers (state, batch).
        losses: one a window, written.
        rule: which optimizer.
        decays: whether weights decay; `clips`: whether the gradient is clipped.
    """

    parameters: NDArray
    frozen: NDArray
    memory: NDArray
    knobs: NDArray
    rates: NDArray
    state: NDArray
    losses: NDArray
    rule: int
    decays: bool
    clips: bool


# everything is handed over by name, in this order: what stays from chunk to chunk comes first
_COUNTS = ("pack_count", "unpack_count", "block_count", "vector_count", "state_count")
_COUNTS += ("packed_count", "sums_count", "flat_count")
_KEPT = (*(name for kind in (Sizes, Plan, Work) for name in kind._fields), *_COUNTS)
_SIZES = ("windows", "has_marks", "has_symbols", "has_classes", "symbols_count")
ARGUMENTS = (*_KEPT, *Windows._fields, *MemberState._fields, *_SIZES)
FORWARD, BACKWARD, BEGIN, PROLOGUE, EPILOGUE = range(len(FUNCTIONS))


class Call:
    """Calls the loop for one chunk after the other, in the same working memory.

    Args:
        sizes: of the windows.
        work: memory that is written.
        plan: of the cell.
    """

    def __init__(self, sizes: Sizes, work: Work, plan: Plan) -> None:
        self.sizes, self.work, self.plan = sizes, work, plan  # held, as their addresses are
        counts = (
            *(len(each) for each in (plan.pack_to, plan.unpack_to, plan.blocks, plan.vectors)),
            *(len(each) for each in (plan.state_rows, work.packed, work.sums, work.gradient)),
        )
        kept = [*map(_number, (*sizes, *plan, *work)), *counts]
        self._arguments = np.array([*kept, *[0] * (len(ARGUMENTS) - len(kept))], np.int64)

    def train(self, windows: Windows, member: MemberState) -> None:
        """Train a member on its chunk, in place; Python's lock is let go of."""
        sizes = (
            *(member.losses.size, windows.marks.size > 0, windows.symbols.size > 0),
            *(windows.classes.size > 0, len(windows.table)),
        )
        self._arguments[len(_KEPT) :] = [*map(_number, (*windows, *member)), *sizes]
        double = member.parameters.dtype == np.float64
        function, _ = compiled(double, windows.classes.dtype.itemsize)
        function(self._arguments.ctypes.data)


def _number(given: NDArray | int) -> int:
    # not `ctypes.data`, which takes as long for each as a small network for a window
    return given.__array_interface__["data"][0] if isinstance(given, np.ndarray) else int(given)


@cache
def compiled(double: bool, class_bytes: int) -> tuple[Callable[[int], None], MachineCode]:
    """Return the loop as Python can call it, and what holds its code in memory."""
    return load_function(write(double, class_bytes), this_processor(), "train")


def write(double: bool, class_bytes: int) -> str:
    """Return the loop in LLVM's language, for a precision and integers that hold classes."""
    processor = this_processor()
    module = ir.Module("loop")
    module.triple = processor.triple
    w = Writer(module, "train", double, processor, ARGUMENTS)
    _Loop(w, class_bytes).write()
    w.close()
    return str(module)


class _Loop:
    """Writes the loop.

    Args:
        w: writes the code.
        class_bytes: of the integers that hold classes.
    """

    def __init__(self, w: Writer, class_bytes: int) -> None:
        self.w = w
        lanes, steps, batch, codes = w["lanes"], w["steps"], w["batch"], w["codes"]
        self.rows = w.array("rows", w["row_count"], lanes)
        self.gates = w.array("gates", w["gate_count"], lanes)
        self.temp, self.flat = w.array("temp", lanes), w.array("flat")
        self.gradient, self.parameters = w.array("gradient"), w.array("parameters")
        self.packed, self.sums = w.array("packed"), w.array("sums")
        self.scored = w.array("scored", bytes_=1)
        self.targets, self.weights = w.array("targets", lanes), w.array("weights", lanes)
        self.values = w.array("values", w["outputs"], lanes)
        self.symbols = w.array("symbols", steps, batch, bytes_=1)
        self.features = w.array("features", steps, codes, batch)
        self.classes = w.array("classes", steps, batch, bytes_=class_bytes)
        self.reals = w.array("reals", steps, w["outputs"], batch)
        self.marks = w.array("marks", steps, batch, bytes_=1)
        self.table = w.array("table", codes)
        self.state, self.losses = w.array("state", batch), w.array("losses")
        self.state_rows = w.array("state_rows", bytes_=8)
        self.starts = w.array("starts", bytes_=8)
        self.functions, self.handed = w.array("functions", bytes_=8), w.array("handed", bytes_=8)
        self.blocks = w.array("blocks", 6, bytes_=8)
        self.vectors = w.array("vectors", 3, bytes_=8)

    def write(self) -> None:
        """Write all of it."""
        w = self.w
        before = w.flush_tiny_numbers()
        with w.range(w["steps"]) as t:
            self.scored[t] = 1
        frozen = w.array("frozen")
        with w.range(w["fixed"]) as k:
            self.flat[w["fixed_at"] + k] = frozen[k]
        with w.range(w["windows"]) as window:
            self._window(window)
        w.flush_tiny_numbers(before)

    def _window(self, window: Whole) -> None:
        w = self.w
        count = self._count_scored(window)
        # every scored step of the window weighs the same, in whichever slab it is computed
        scale = w.variable(1)
        scale.set(w.spread(1.0) / w.real(count))
        fresh = ~w["carried"].is_(1) | (window.is_(0) & w["fresh"].is_(1))
        begins = w["begins"].is_(1) & fresh
        w.spans(w["learned"], self._copying(self.flat, self.parameters))
        with w.when(w["derived"].is_(1)):
            w.call(self.functions[PROLOGUE], w["handed"])
        self._clear(self.packed, w["packed_count"])
        self._apply("pack", self.packed, self.flat)
        self._clear(self.sums, w["sums_count"])
        loss = w.variable(1)
        with w.range(0, w["batch"], step=w["slab"]) as start:
            rows = (w["batch"] - start).smaller(w["slab"])
            self._slab(window, start, rows, scale.get(), begins, loss)
        self.losses[window] = loss.get()
        self._clear(self.gradient, w["flat_count"])
        self._apply("unpack", self.gradient, self.sums)
        with w.when(w["derived"].is_(1)):
            w.call(self.functions[EPILOGUE], w["handed"])
        with w.when(w["clips"].is_(1)):
            clip(w, self.gradient, w.array("knobs"))
        update(w, window)

    def _clear(self, array: Array, count: Whole) -> None:
        # allocated in whole registers
        with self.w.range(0, count, step=self.w.register) as k:
            array.store(k, 0.0, self.w.register)

    def _apply(self, kind: str, target: Array, source: Array) -> None:
        """Write target[to] += by * source[of], for all of a list."""
        w = self.w
        to, of = (w.array(f"{kind}_{which}", bytes_=4) for which in ("to", "of"))
        by = w.array(f"{kind}_by")
        with w.range(w[f"{kind}_count"]) as k:
            target.add(to[k], by[k] * source[of[k]])

    def _count_scored(self, window: Whole) -> Whole:
        """Write how many steps of a window are scored; mark those at which any sequence is."""
        w = self.w
        count = w.counter(w["steps"] * w["batch"])
        with w.when(w["has_marks"].is_(1)):
            count.set(0)
            with w.range(w["steps"]) as t:
                here = w.counter(0)
                with w.range(w["batch"]) as i:
                    here.set(here.get() + self.marks[window, t, i])
                self.scored[t] = w.chosen(here.get().is_(0), 0, 1)
                count.set(count.get() + here.get())
        return count.get()

    def _slab(
        self,
        window: Whole,
        start: Whole,
        rows: Whole,
        scale: Numbers,
        begins: Whole,
        loss: Variable,
    ) -> None:
        """Write a slab's way there and back."""
        w = self.w
        # The lanes beyond the batch have weight 0. Those of a register that no slab computes stay
        # zero; but a last slab that is shorter finds there what another has left.
        shorter = rows < w["slab"].smaller(w["batch"])
        width = w.chosen(shorter, rows.up(w.register), rows.up(w.fewest))
        self._read(window, start, rows, width)
        # weights stay from window to window where all steps count and one slab holds all
        again = window.is_(0) | w["has_marks"].is_(1) | (w["slab"] < w["batch"])
        with w.when(again):
            self._weigh(window, start, rows, scale)
        # where one slab holds all, the state goes on in the working memory
        alone = ~(w["slab"] < w["batch"])
        carried = w["carried"].is_(1)
        self._enter(start, rows, width, begins, alone & carried & ~window.is_(0))
        self.handed[HANDED.index("width")] = width
        w.call(self.functions[FORWARD], w["handed"])
        readout = Readout(w, self.rows, width, scale)
        readout.losses(loss)
        readout.add_products()
        with w.range(w["temp_count"]) as row, w.range(0, w["lanes"], step=w.register) as i:
            self.temp.store((row, i), 0.0, w.register)
        w.call(self.functions[BACKWARD], w["handed"])
        with w.when(begins):
            w.call(self.functions[BEGIN], w["handed"])
        with w.range(w["block_count"]) as k:
            block = [self.blocks[k, column] for column in range(6)]
            add_products(w, self.sums, self.rows, self.gates, block, readout.whole)
        add_vectors(w, self.sums, self.temp, self.vectors, readout.whole)
        last = (window + 1).is_(w["windows"])
        with w.when(last | (carried & ~alone)):
            self._leave(start, rows)

    def _read(self, window: Whole, start: Whole, rows: Whole, width: Whole) -> None:
        """Write how a slab's inputs and targets come into the working memory."""
        w = self.w
        with w.range(w["steps"]) as t:
            with w.when(w["has_classes"].is_(1)):
                classes, targets = self.classes.part(window, t, start), self.targets.part(t)
                w.spans(rows, lambda i, n: targets.store(i, classes.reals(i, n), n))
            with w.when(~w["has_classes"].is_(1)), w.range(w["outputs"]) as c:
                reals = self.reals.part(window, t, c, start)
                w.spans(rows, self._copying(self.values.part(t, c), reals))
            with w.range(w["codes"]) as code:
                row = self.rows.part(t, code + 1)
                with w.when(w["has_symbols"].is_(1)):
                    self._look_up(self.symbols.part(window, t, start), rows, code, row)
                with w.when(~w["has_symbols"].is_(1)):
                    w.spans(rows, self._copying(row, self.features.part(window, t, code, start)))
                self._repeat_last(row, rows, width)

    def _copying(self, target: Array, source: Array) -> Callable[[Whole, int], None]:
        return lambda i, n: target.store(i, source.load(i, n), n)

    def _look_up(self, symbols: Array, rows: Whole, code: Whole, row: Array) -> None:
        w = self.w
        two = w["symbols_count"].is_(2)
        # a straight line through two points: no look-up
        with w.when(two):
            low = self.table[0, code]
            rise = self.table[1, code] - low
            w.spans(rows, lambda i, n: row.store(i, low + rise * symbols.reals(i, n), n))
        with w.when(~two), w.range(rows) as i:
            row[i] = self.table[symbols[i], code]

    def _repeat_last(self, row: Array, rows: Whole, width: Whole) -> None:
        # lanes beyond the batch are one of its sequences again: whatever a cell makes of zeros,
        # such as a division by them, it must not make there
        with self.w.range(rows, width) as i:
            row[i] = row[rows - 1]

    def _weigh(self, window: Whole, start: Whole, rows: Whole, scale: Numbers) -> None:
        """Write the weight of each step in the loss; lanes beyond the batch never count."""
        w = self.w
        with w.range(w["steps"]) as t:
            with w.range(0, w["lanes"], step=w.register) as i:
                self.weights.store((t, i), 0.0, w.register)
            weights, marks = self.weights.part(t), self.marks.part(window, t, start)
            with w.when(~w["has_marks"].is_(1)):
                w.spans(rows, lambda i, n: weights.store(i, scale, n))
            with w.when(w["has_marks"].is_(1)):
                w.spans(rows, lambda i, n: weights.store(i, scale * marks.reals(i, n), n))

    def _enter(
        self, start: Whole, rows: Whole, width: Whole, begins: Whole, goes_on: Whole
    ) -> None:
        """Write how the state before the first step comes in."""
        w = self.w
        with w.range(w["state_count"]) as f:
            row, place = self.rows.part(0, self.state_rows[f]), self.starts[f]
            learned = begins & ~(place < 0)
            with w.when(learned), w.range(0, width, step=w.fewest) as i:
                row.store(i, self.flat[place], w.fewest)
            with w.when(~learned & goes_on):
                last = self.rows.part(w["steps"], self.state_rows[f])
                w.spans(width, self._copying(row, last), (w.register, w.fewest))
            with w.when(~learned & ~goes_on):
                w.spans(rows, self._copying(row, self.state.part(f, start)))
                self._repeat_last(row, rows, width)

    def _leave(self, start: Whole, rows: Whole) -> None:
        """Write how the state after the last step goes out."""
        # no gradient comes back through it, which is the truncation
        w = self.w
        with w.range(w["state_count"]) as f:
            last = self.rows.part(w["steps"], self.state_rows[f])
            w.spans(rows, self._copying(self.state.part(f, start), last))
