"""From a layout to LLVM's language, written directly: no compiler of C is needed.

Functions that are handed addresses and sizes, by the names below:

    forward, backward    over the steps of a window, a block of lanes at a time
    begin                from the first step back into an initial state that is learned
    prologue, epilogue   what depends on parameters alone, once a window; the way back through it

Writing takes a tenth of a second, so that what was written is kept, under all that it is made from.
"""

import itertools
import json
import zlib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from llvmlite import ir

from lossladder.engines.fused import store
from lossladder.engines.fused.graph import LARGEST, Node, is_gather, order
from lossladder.engines.fused.layout import LINE, Layout, up
from lossladder.engines.fused.loops import MOST_UNITS, Loop, Place, SumBatch
from lossladder.engines.fused.processor import Processor
from lossladder.engines.fused.reverse import differentiate_derived
from lossladder.engines.fused.writer import Array, Numbers, Variable, Whole, Writer

FUNCTIONS = ("forward", "backward", "begin", "prologue", "epilogue")
ARRAYS = ("rows", "gates", "logits", "temp", "weights", "flat", "gradient", "scored", "tables")
# what the functions are handed; the stride is from row to row, the width is lanes to compute
HANDED = (*ARRAYS, "steps", "stride", "width")
# numbers that formulas have; others lie behind `flat`, so that a sweep over one shares the code
_COMMON = {0.0, 1.0, -1.0, 0.5, 2.0}


class Written(NamedTuple):
    """What was written.

    Args:
        text: in LLVM's language.
        tables: that it reads.
        behind: numbers that it reads behind those of `flat`.
        flat_size: of those.
    """

    text: str
    tables: list[int]
    behind: list[float]
    flat_size: int


_WRITTEN: dict[str, Written] = {}


def emit(layout: Layout, double: bool, processor: Processor) -> Written:
    """Return the module of a layout: from memory, from disk, or written.

    Args:
        layout: what to compute; its batches of sums know where their weights are.
        double: float64.
        processor: that it is written for.
    """
    codes = [(part.shape, part.tobytes()) for part in layout.codes]
    # those that are derived stand in the graph, in this order
    offsets = [(base if isinstance(base, str) else "", at) for base, at in layout.offsets.items()]
    sizes = layout.outputs, layout.relative, offsets, layout.learned, layout.fixed_at
    try:
        described = layout.graph.described()
    except TypeError:  # it is not known by what
        return Emitter(layout, double, processor).write()
    key = repr((described, codes, sizes, double, processor, _writers()))
    if key not in _WRITTEN:
        kept = store.find(key)
        if kept is None:
            module = Emitter(layout, double, processor).write()
            text = json.dumps(module, default=lambda number: number.item())  # of NumPy's
            store.keep(key, zlib.compress(text.encode(), 1))
        else:
            module = Written(*json.loads(zlib.decompress(kept)))
        _WRITTEN[key] = module
    return _WRITTEN[key]


@cache
def _writers() -> str:
    """Return a hash of all code that has a say in what is written."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class Emitter:
    """Writes a module.

    Sizes stand in the code, which is then for them alone: reading them from a table would serve all
    sizes of a cell, but takes as long again to compile and runs up to a tenth slower.

    Args:
        layout: what to compute; its batches of sums know where their weights are.
        double: float64.
        processor: that it is written for.
    """

    def __init__(self, layout: Layout, double: bool, processor: Processor) -> None:
        self.layout, self.double, self.processor = layout, double, processor
        self.graph = layout.graph.builder
        self.module = ir.Module("cell")
        self.module.triple = processor.triple
        self.tables: list[int] = []
        self.behind: list[float] = []
        self.flat_size = layout.flat + sum(node.size for node in layout.graph.derived)
        self._begins: dict[tuple[int, ...], int] = {}

    def write(self) -> Written:
        """Return the module."""
        layout = self.layout
        self._pass("forward", layout.forward, layout.places[0], down=False)
        self._pass("backward", layout.backward, layout.places[1], down=True)
        self._pass("begin", layout.begin, layout.places[2], down=True, once=True)
        self._of_parameters("prologue", back=False)
        self._of_parameters("epilogue", back=True)
        return Written(str(self.module), self.tables, self.behind, self.flat_size)

    def _writer(self, name: str) -> Writer:
        w = Writer(self.module, name, self.double, self.processor, HANDED, apart=ARRAYS)
        w.readable("weights", self.layout.packed * w.bytes, LINE)
        return w

    def _pass(
        self,
        name: str,
        loops: list[Loop],
        places: dict[Node, Place],
        down: bool,
        once: bool = False,
    ) -> None:
        """Write a pass over a window, step by step, and in a step some lanes at a time."""
        w = self._writer(name)
        stride = w["stride"]
        scored = w.array("scored", bytes_=1)
        steps = w.whole(1) if once else w["steps"]
        if loops:
            with w.range(steps) as k:
                t = steps - k - 1 if down else k
                arrays = {
                    (name, later): w.array(name, count, stride).part(t + later)
                    for name, count in self.layout.allocated.items()
                    for later in (0, 1)
                }
                arrays["temp", 0] = w.array("temp", stride)
                stopped = {"later": (t + 1).is_(w["steps"]), "scored": scored[t].is_(0)}

                def block(i: Whole, width: int) -> None:
                    here = {key: array.moved(i) for key, array in arrays.items()}
                    _Step(self, w, here, width, stopped, places).run(loops)

                w.spans(w["width"], block, (2 * w.register, w.fewest))
        w.close()

    def _of_parameters(self, name: str, back: bool) -> None:
        """Write what is made of parameters alone."""
        w = self._writer(name)
        derived = self.layout.graph.derived
        for node in reversed(derived) if back else derived:
            _Derived(self, w, node, derived.index(node)).run(back)
        w.close()

    # --- what all functions read ------------------------------------------------------------------

    def table(self, w: Writer, values: Sequence[int]) -> Array:
        """Return a table of whole numbers."""
        key = tuple(values)
        if key not in self._begins:
            self._begins[key] = len(self.tables)
            self.tables += key
        return w.array("tables", bytes_=8).moved(self._begins[key])

    def constant(self, w: Writer, value: float) -> Numbers | float:
        """Return a number of the cell's."""
        if value in _COMMON:
            return value
        if value not in self.behind:
            self.behind.append(value)
        return w.array("flat")[self.flat_size + self.behind.index(value)]

    def place(self, view: Node, unit: Whole) -> Whole:
        """Return where a number of a vector of parameters lies in `flat`."""
        base, picked = view.attr
        offset = self.layout.offsets[base]
        first = offset + picked[0]
        if view.size == 1:
            return unit.w.whole(first)
        stride = picked[1] - picked[0]
        # units that only fill a loop up read what is there, whatever it is
        filling = up(view.size, MOST_UNITS) - view.size
        there = stride == 1 or 0 <= first + stride * (view.size - 1 + filling) < self.flat_size
        if there and all(b - a == stride for a, b in itertools.pairwise(picked)):
            return unit * stride + first
        places = [offset + p for p in (*picked, *[picked[-1]] * filling)]
        return self.table(unit.w, places)[unit]


class _Step:
    """Writes one step of one block of lanes.

    Args:
        emitter: writes the module.
        w: writes the function.
        here: the arrays, from the block's first lane on, by name and how many steps later.
        width: lanes.
        stopped: whether segments are left out, by when they run.
        places: of nodes.
    """

    def __init__(
        self,
        emitter: Emitter,
        w: Writer,
        here: dict[tuple[str, int], Array],
        width: int,
        stopped: dict[str, Whole],
        places: dict[Node, Place],
    ) -> None:
        self.e, self.w, self.here, self.places = emitter, w, here, places
        self.width, self.stopped = width, stopped
        self.weights, self.flat = w.array("weights"), w.array("flat")
        self.single: dict[Node, Numbers] = {}  # values of one feature: they stay in registers
        self.totals: dict[Node, Variable] = {}

    def run(self, loops: list[Loop]) -> None:
        """Write the loops."""
        for loop in loops:
            self.totals |= {total: self.w.variable(self.width) for total in loop.totals}
            if loop.size == 1:
                self._units(loop, self.w.whole(0))
            else:
                with self.w.range(-(-loop.size // loop.unroll)) as group:
                    self._units(loop, group)

    def _load(self, place: Place, unit: Whole | int) -> Numbers:
        array, later, row = place
        return self.here[array, later].load((self.w.whole(unit) + row, 0), self.width)

    def _units(self, loop: Loop, group: Whole) -> None:
        """Write some units: their sums, then everything else, one after the other."""
        sums: dict[tuple[Node, int], Numbers] = {}
        for batch in loop.batches:
            sums |= self._sums(loop.unroll, batch, group)
        for j in range(loop.unroll):
            unit = group * loop.unroll + j
            self._unit(loop, unit, {node: value for (node, k), value in sums.items() if k == j})

    def _sums(self, unroll: int, batch: SumBatch, group: Whole) -> dict[tuple[Node, int], Numbers]:
        """Write sums of products of some units; return each."""
        w, units = self.w, range(unroll)
        weights = self.weights.moved(group * batch.stride + batch.weights)
        totals = [[w.variable(self.width) for _ in units] for _ in batch.sums]
        for s, affine in enumerate(batch.sums):
            if affine.attr[1] or any(i.op == "input" for i in affine.inputs):
                for j in units:
                    totals[s][j].set(weights[s * unroll + j])
        weights = weights.moved(len(batch.sums) * unroll)
        for segment in batch.segments:
            each = len(segment.sums) * unroll
            runs: Whole | int = segment.count
            if segment.when != "always":
                runs = w.chosen(self.stopped[segment.when], 0, runs)
            with w.range(runs) as k:
                value, mine = self._load(segment.place, k), weights.moved(k * each)
                for p, s in enumerate(segment.sums):
                    for j in units:
                        totals[s][j].add(mine[p * unroll + j] * value)
            weights = weights.moved(segment.count * each)
        return {
            (affine, j): totals[s][j].get() for s, affine in enumerate(batch.sums) for j in units
        }

    def _unit(self, loop: Loop, unit: Whole, values: dict[Node, Numbers]) -> None:
        for node in loop.nodes:
            if node.op == "affine":
                pass
            elif node.op == "sum":
                known = self.totals.get(node)
                values[node] = self._sum(node) if known is None else known.get()
            elif node.op == "collect":
                values[node] = self._collected(node, unit)
            else:
                inputs = [self._value(i, unit, values) for i in node.inputs]
                values[node] = self.w.apply(node.op, *inputs)
            if node.size == 1 and loop.size == 1:
                self.single[node] = values[node]
        for total in loop.totals:
            self.totals[total].add(self._value(total.inputs[0], unit, values))
        for node, (array, later, row) in loop.stores:
            value = self._value(node, unit, values)
            self.here[array, later].store((unit + row, 0), value, self.width)
        for node, row in loop.adds:
            more = self._value(node, unit, values)
            self.here["temp", 0].add((unit + row, 0), more, self.width)

    def _value(self, node: Node, unit: Whole, values: dict[Node, Numbers]) -> Numbers:
        """Return a node's value of a unit: computed, or from memory."""
        if node in values:
            return values[node]
        if node in self.single:
            return self.single[node]
        if node.op == "const":
            return self.w.spread(self.e.constant(self.w, node.attr), self.width)
        if node.op == "view":
            values[node] = self.w.spread(self.flat[self.e.place(node, unit)], self.width)
        else:
            values[node] = self._load(self.places[node], unit if node.size > 1 else 0)
        return values[node]

    def _sum(self, node: Node) -> Numbers:
        """Return the sum over the features of something that lies in memory."""
        (operand,), total = node.inputs, self.w.variable(self.width)
        with self.w.range(operand.size) as unit:
            total.add(self._load(self.places[operand], unit))
        return total.get()

    def _collected(self, node: Node, unit: Whole) -> Numbers:
        """Return one feature of another node, or the sum or the largest of some."""
        w, (kind, starts, lists) = self.w, node.attr
        # units that only fill a loop up look at the first feature, or at none
        filling = up(node.size, MOST_UNITS) - node.size
        place = self.places[node.inputs[0]]
        features = self.e.table(w, (*lists, *[0] * max(filling, 1)))
        if is_gather(node):
            return self._load(place, features[unit])
        begins = self.e.table(w, (*starts, *[starts[-1]] * filling))
        first, end = begins[unit], begins[unit + 1]
        result = w.variable(self.width)
        if kind == LARGEST:
            result.set(self._load(place, features[first]))
        with w.range(first, end) as k:
            more = self._load(place, features[k])
            result.set(result.get().larger(more) if kind == LARGEST else result.get() + more)
        return result.get()


class _Derived:
    """Writes what is made of parameters alone: number by number, in memory.

    Args:
        emitter: writes the module.
        w: writes the function.
        node: what is made.
        number: of it.
    """

    def __init__(self, emitter: Emitter, w: Writer, node: Node, number: int) -> None:
        self.e, self.w, self.node = emitter, w, node
        self.flat, self.gradient = w.array("flat"), w.array("gradient")
        start = emitter.layout.offsets[node]
        self.own, self.own_gradient = self.flat.moved(start), self.gradient.moved(start)
        self.cot = emitter.graph.given("cot", node.size, ("derived", number))

    def run(self, back: bool) -> None:
        """Write the way there, or the way back."""
        kinds = {"matmul": self._matmul, "collect": self._collect, "join": self._join}
        kinds.get(self.node.op, self._elementwise)(back)

    def _elementwise(self, back: bool) -> None:
        node, e, w = self.node, self.e, self.w
        found = differentiate_derived(e.graph, node, self.cot) if back else {}
        with w.range(node.size) as u:
            values: dict[Node, Numbers] = {}
            for made in order([node, *found.values()]):
                if made is self.cot:
                    values[made] = self.own_gradient[u]
                elif made.op == "const":
                    values[made] = w.spread(e.constant(w, made.attr))
                elif made.op == "view":
                    values[made] = self.flat[e.place(made, u)]
                else:
                    values[made] = w.apply(made.op, *(values[i] for i in made.inputs))
            if not back:
                self.own[u] = values[node]
            for view, g in found.items():
                self.gradient.add(e.place(view, u), values[g])

    def _collect(self, back: bool) -> None:
        e, w, (view,), (kind, starts, lists) = self.e, self.w, self.node.inputs, self.node.attr
        # the largest is only ever used where its derivative cancels: as the shift of a softmax
        if back and kind == LARGEST:
            return
        features, begins = e.table(w, lists), e.table(w, starts)
        with w.range(self.node.size) as u:
            first, end = begins[u], begins[u + 1]
            if not back:
                largest = kind == LARGEST
                self.own[u] = self.flat[e.place(view, features[first])] if largest else 0.0
            with w.range(first, end) as k:
                place = e.place(view, features[k])
                if back:
                    self.gradient.add(place, self.own_gradient[u])
                elif kind == LARGEST:
                    self.own[u] = self.own[u].larger(self.flat[place])
                else:
                    self.own.add(u, self.flat[place])

    def _join(self, back: bool) -> None:
        at = 0
        for part in self.node.inputs:
            with self.w.range(part.size) as u:
                if part.op != "view":
                    if not back:
                        self.own[u + at] = self.e.constant(self.w, part.inputs[0].attr)
                elif back:
                    self.gradient.add(self.e.place(part, u), self.own_gradient[u + at])
                else:
                    self.own[u + at] = self.flat[self.e.place(part, u)]
            at += part.size

    def _matmul(self, back: bool) -> None:
        (left, right), (n, k, m), w = self.node.inputs, self.node.attr, self.w
        with w.range(n) as i, w.range(m) as j:
            here = i * m + j
            if not back:
                self.own[here] = 0.0
            with w.range(k) as p:
                a, b = self.e.place(left, i * k + p), self.e.place(right, p * m + j)
                if back:
                    g = self.own_gradient[here]
                    self.gradient.add(a, g * self.flat[b])
                    self.gradient.add(b, g * self.flat[a])
                else:
                    self.own.add(here, self.flat[a] * self.flat[b])
