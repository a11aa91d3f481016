"""From a layout to LLVM's language, written directly: no compiler of C is needed.

Functions of one signature, `void f(i64 *addresses, i64 width)`:

    forward, backward    over the steps of a window, a block of lanes at a time
    begin                from the first step back into an initial state that is learned
    prologue, epilogue   what depends on parameters alone, once a window; the way back through it

Writing takes a tenth of a second, so that what was written is kept, under all that it is made from.
"""

import itertools
import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from llvmlite import ir

from lossladder.engines.fused import store
from lossladder.engines.fused.graph import LARGEST, Node, is_gather, order
from lossladder.engines.fused.lanes import I64, Lanes
from lossladder.engines.fused.layout import LINE, Layout, up
from lossladder.engines.fused.loops import MOST_UNITS, Loop, Place, Segment, SumBatch
from lossladder.engines.fused.processor import Processor
from lossladder.engines.fused.reverse import differentiate_derived

FUNCTIONS = ("forward", "backward", "begin", "prologue", "epilogue")
ARRAYS = ("rows", "gates", "logits", "temp", "weights", "flat", "gradient", "scored", "tables")
STEPS = len(ARRAYS)  # in the addresses behind the arrays: steps, and how far rows lie apart
# numbers that formulas have; others lie behind `flat`, so that a sweep over one shares the code
_COMMON = {0.0, 1.0, -1.0, 0.5, 2.0}


def i64(value: int) -> ir.Constant:
    """Return a number as LLVM writes it: sizes stand in the code, which is then for them alone."""
    # reading them from a table would serve all sizes of a cell, but takes as long again to compile
    # and runs up to a tenth slower
    return ir.Constant(I64, int(value))


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

    Args:
        layout: what to compute; its batches of sums know where their weights are.
        double: float64.
        processor: that it is written for.
    """

    def __init__(self, layout: Layout, double: bool, processor: Processor) -> None:
        self.layout, self.processor = layout, processor
        self.graph = layout.graph.builder
        self.number = ir.DoubleType() if double else ir.FloatType()
        self.bytes = 8 if double else 4
        self.register, self.fewest = processor.register, processor.fewest
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

    # --- a function -------------------------------------------------------------------------------

    def _open(self, name: str) -> None:
        """Begin a function whose arrays are known not to overlap, and the one that calls it."""
        pointer = self.number.as_pointer()
        kinds = [pointer] * 7 + [ir.IntType(8).as_pointer(), I64.as_pointer(), I64, I64, I64]
        inner = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), f"{name}_")
        inner.linkage = "internal"
        for argument in inner.args[:STEPS]:
            argument.add_attribute("noalias")
        # They are there to be read whatever else is: so they are read once, before the first step.
        weights = inner.args[ARRAYS.index("weights")].attributes
        weights.align, weights.dereferenceable = LINE, self.layout.packed * self.bytes
        # what is said of arguments is forgotten where a function is inlined
        inner.attributes.add("noinline")
        kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64])
        outer = ir.Function(self.module, kind, name)
        b = ir.IRBuilder(outer.append_basic_block())
        given = []
        for k, ty in enumerate(kinds[:-1]):
            value = b.load(b.gep(outer.args[0], [i64(k)]))
            given.append(b.inttoptr(value, ty) if k < STEPS else value)
        b.call(inner, [*given, outer.args[1]])
        b.ret_void()
        self.arrays: dict[str, Any] = dict(zip(ARRAYS, inner.args, strict=False))
        self.steps, self.stride, self.width = inner.args[STEPS:]
        entry = inner.append_basic_block("variables")
        self.b = ir.IRBuilder(inner.append_basic_block("body"))
        self.entries = ir.IRBuilder(entry)
        self._body = self.b.block

    def _close(self) -> None:
        self.b.ret_void()
        self.entries.branch(self._body)

    def table(self, values: Sequence[int]) -> Any:
        """Return where a table of numbers begins."""
        key = tuple(values)
        if key not in self._begins:
            self._begins[key] = len(self.tables)
            self.tables += key
        return i64(self._begins[key])

    def look_up(self, table: Any, index: Any) -> Any:
        """Return a number of a table."""
        return self.b.load(self.at(self.arrays["tables"], self.b.add(table, index)))

    def constant(self, value: float, lanes: Lanes) -> Any:
        """Return a number of the cell's."""
        if value in _COMMON:
            return lanes.const(value)
        if value not in self.behind:
            self.behind.append(value)
        place = i64(self.flat_size + self.behind.index(value))
        return lanes.spread(self.b.load(self.at(self.arrays["flat"], place)))

    def loop(
        self, stop: Any, body: Callable[[Any], None], step: int = 1, down: bool = False
    ) -> None:
        """Write `for index in range(0, stop, step)`, or from stop - 1 down to 0."""
        b, one = self.b, i64(1)
        before = b.block
        head, inside = b.append_basic_block(), b.append_basic_block()
        after = b.append_basic_block()
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(i64(0), before)
        b.cbranch(b.icmp_signed("<", index, stop), inside, after)
        b.position_at_end(inside)
        body(b.sub(b.sub(stop, index), one) if down else index)
        index.add_incoming(b.add(index, i64(step)), b.block)
        b.branch(head)
        b.position_at_end(after)

    def at(self, base: Any, index: Any) -> Any:
        """Return the address of a place of an array."""
        return self.b.gep(base, [index], inbounds=True)

    # --- passes over a window ---------------------------------------------------------------------

    def _pass(
        self,
        name: str,
        loops: list[Loop],
        places: dict[Node, Place],
        down: bool,
        once: bool = False,
    ) -> None:
        self._open(name)
        b = self.b
        wide = 2 * self.register
        left = b.and_(self.width, i64(wide - 1))
        sizes = {
            "rows": i64(self.layout.rows + 3),
            "gates": i64(self.layout.gates + 3),
            "logits": i64(-(-self.layout.outputs // 4) * 4),
        }

        def step(t: Any) -> None:
            pointers = {}
            for array, size in sizes.items():
                stride = b.mul(size, self.stride)
                pointers[array, 0] = self.at(self.arrays[array], b.mul(t, stride))
                pointers[array, 1] = self.at(pointers[array, 0], stride)
            pointers["temp", 0] = self.arrays["temp"]
            last = b.icmp_signed("==", b.add(t, i64(1)), self.steps)
            mark = b.load(self.at(self.arrays["scored"], t))
            quiet = b.icmp_signed("==", mark, ir.Constant(ir.IntType(8), 0))

            def block(i: Any, width: int) -> None:
                here = {key: self.at(pointer, i) for key, pointer in pointers.items()}
                stopped = {"later": last, "scored": quiet}
                _Step(self, here, width, stopped, places).run(loops)

            done = b.sub(self.width, left)
            self.loop(done, lambda i: block(i, wide), step=wide)
            self.loop(left, lambda i: block(b.add(done, i), self.fewest), step=self.fewest)

        if loops:
            self.loop(i64(1) if once else self.steps, step, down=down)
        self._close()

    # --- functions of parameters alone ------------------------------------------------------------

    def _of_parameters(self, name: str, back: bool) -> None:
        self._open(name)
        derived = self.layout.graph.derived
        for node in reversed(derived) if back else derived:
            _Derived(self, node, derived.index(node)).run(back)
        self._close()

    def number_at(self, array: str, place: Any) -> Any:
        """Return the address of one number, as that of lanes."""
        pointer = self.at(self.arrays[array], place)
        return self.b.bitcast(pointer, ir.VectorType(self.number, 1).as_pointer())

    def place(self, view: Node, unit: Any) -> Any:
        """Return where a number of a vector of parameters lies in `flat`."""
        base, picked = view.attr
        first = self.layout.offsets[base] + picked[0]
        if view.size == 1:
            return i64(first)
        stride = picked[1] - picked[0]
        # units that only fill a loop up read what is there, whatever it is
        filling = up(view.size, MOST_UNITS) - view.size
        there = stride == 1 or 0 <= first + stride * (view.size - 1 + filling) < self.flat_size
        if there and all(b - a == stride for a, b in itertools.pairwise(picked)):
            along = unit if stride == 1 else self.b.mul(unit, i64(stride))
            return self.b.add(i64(first), along)
        offset = self.layout.offsets[base]
        places = [offset + p for p in (*picked, *[picked[-1]] * filling)]
        return self.look_up(self.table(places), unit)


class _Step:
    """Writes one step of one block of lanes.

    Args:
        emitter: writes the module.
        here: addresses of the arrays' lanes, by array and how many steps later.
        width: lanes.
        stopped: whether segments are left out, by when they run.
        places: of nodes.
    """

    def __init__(
        self,
        emitter: Emitter,
        here: dict[tuple[str, int], Any],
        width: int,
        stopped: dict[str, Any],
        places: dict[Node, Place],
    ) -> None:
        self.e, self.b, self.here, self.places = emitter, emitter.b, here, places
        self.lanes = Lanes(emitter.b, emitter.number, width, emitter.processor)
        self.stopped = stopped
        self.single: dict[Node, Any] = {}  # values of one feature: they stay in registers
        self.totals: dict[Node, Any] = {}

    def run(self, loops: list[Loop]) -> None:
        """Write the loops."""
        for loop in loops:
            for total in loop.totals:
                self.totals[total] = self._variable(0.0)
            if loop.size == 1:
                self._units(loop, i64(0))
            else:
                groups = i64(-(-loop.size // loop.unroll))
                self.e.loop(groups, lambda group, loop=loop: self._units(loop, group))

    def _variable(self, start: float) -> Any:
        variable = self.e.entries.alloca(self.lanes.type)
        self.b.store(self.lanes.const(start), variable)
        return variable

    def _address(self, place: Place, unit: Any) -> Any:
        array, later, row = place
        index = i64(row) if unit is None else self.b.add(i64(row), unit)
        pointer = self.e.at(self.here[array, later], self.b.mul(index, self.e.stride))
        return self.b.bitcast(pointer, self.lanes.type.as_pointer())

    def _units(self, loop: Loop, group: Any) -> None:
        """Write some units: their sums, then everything else, one after the other."""
        sums: dict[tuple[Node, int], Any] = {}
        for batch in loop.batches:
            self._sums(loop, batch, group, sums)
        first = self.b.mul(group, i64(loop.unroll))
        for j in range(loop.unroll):
            unit = self.b.add(first, i64(j))
            self._unit(loop, unit, {node: value for (node, k), value in sums.items() if k == j})

    def _sums(
        self, loop: Loop, batch: SumBatch, group: Any, sums: dict[tuple[Node, int], Any]
    ) -> None:
        b, e, lanes, unroll = self.b, self.e, self.lanes, loop.unroll
        start = b.add(i64(batch.weights), b.mul(group, i64(batch.stride)))
        weights = e.at(e.arrays["weights"], start)
        places = {}
        for s, affine in enumerate(batch.sums):
            for j in range(unroll):
                places[s, j] = self._variable(0.0)
                if affine.attr[1] or any(i.op == "input" for i in affine.inputs):
                    constant = b.load(e.at(weights, i64(s * unroll + j)))
                    b.store(lanes.spread(constant), places[s, j])
        weights = e.at(weights, i64(len(batch.sums) * unroll))
        for segment in batch.segments:
            each = i64(len(segment.sums) * unroll)
            count = i64(segment.count)
            runs = count
            if segment.when != "always":
                stopped = self.stopped[segment.when]
                runs = b.select(stopped, i64(0), count)
            base = b.bitcast(self._address(segment.place, None), e.number.as_pointer())

            def row(
                k: Any,
                segment: Segment = segment,
                base: Any = base,
                weights: Any = weights,
                each: Any = each,
            ) -> None:
                pointer = e.at(base, b.mul(k, e.stride))
                value = lanes.load(b.bitcast(pointer, lanes.type.as_pointer()))
                mine = e.at(weights, b.mul(k, each))
                for p, s in enumerate(segment.sums):
                    for j in range(unroll):
                        weight = b.load(e.at(mine, i64(p * unroll + j)))
                        product = lanes.mul(lanes.spread(weight), value)
                        b.store(lanes.add(b.load(places[s, j]), product), places[s, j])

            e.loop(runs, row)
            weights = e.at(weights, b.mul(count, each))
        for s, affine in enumerate(batch.sums):
            for j in range(unroll):
                sums[affine, j] = b.load(places[s, j])

    def _unit(self, loop: Loop, unit: Any, values: dict[Node, Any]) -> None:
        lanes = self.lanes
        for node in loop.nodes:
            if node.op == "affine":
                pass
            elif node.op == "sum":
                known = self.totals.get(node)
                values[node] = self._sum(node) if known is None else self.b.load(known)
            elif node.op == "collect":
                values[node] = self._collected(node, unit)
            else:
                inputs = [self._value(i, unit, values) for i in node.inputs]
                values[node] = getattr(lanes, node.op)(*inputs)
            if node.size == 1 and loop.size == 1:
                self.single[node] = values[node]
        for total in loop.totals:
            more = self._value(total.inputs[0], unit, values)
            self._add_to(self.totals[total], more)
        for node, place in loop.stores:
            lanes.store(self._value(node, unit, values), self._address(place, unit))
        for node, row in loop.adds:
            pointer = self._address(("temp", 0, row), unit)
            more = self._value(node, unit, values)
            lanes.store(lanes.add(lanes.load(pointer), more), pointer)

    def _value(self, node: Node, unit: Any, values: dict[Node, Any]) -> Any:
        """Return a node's value of a unit: computed, or from memory."""
        if node in values:
            return values[node]
        if node in self.single:
            return self.single[node]
        if node.op == "const":
            return self.e.constant(node.attr, self.lanes)
        if node.op == "view":
            place = self.e.place(node, unit)
            value = self.b.load(self.e.at(self.e.arrays["flat"], place))
            values[node] = self.lanes.spread(value)
        else:
            where = unit if node.size > 1 else None
            values[node] = self.lanes.load(self._address(self.places[node], where))
        return values[node]

    def _add_to(self, variable: Any, more: Any) -> None:
        self.b.store(self.lanes.add(self.b.load(variable), more), variable)

    def _sum(self, node: Node) -> Any:
        """Return the sum over the features of something that lies in memory."""
        place, total = self.places[node.inputs[0]], self._variable(0.0)
        count = i64(node.inputs[0].size)
        self.e.loop(count, lambda u: self._add_to(total, self.lanes.load(self._address(place, u))))
        return self.b.load(total)

    def _collected(self, node: Node, unit: Any) -> Any:
        """Return one feature of another node, or the sum or the largest of some."""
        kind, starts, lists = node.attr
        # units that only fill a loop up look at the first feature, or at none
        filling = up(node.size, MOST_UNITS) - node.size
        place = self.places[node.inputs[0]]
        features = self.e.table((*lists, *[0] * max(filling, 1)))

        def feature(k: Any) -> Any:
            return self.lanes.load(self._address(place, self.e.look_up(features, k)))

        if is_gather(node):
            return feature(unit)
        begins = self.e.table((*starts, *[starts[-1]] * filling))
        first = self.e.look_up(begins, unit)
        end = self.e.look_up(begins, self.b.add(unit, i64(1)))
        result = self._variable(0.0)
        if kind == LARGEST:
            self.b.store(feature(first), result)

        def one(k: Any) -> None:
            more = feature(self.b.add(first, k))
            if kind == LARGEST:
                self.b.store(self.lanes.maximum(self.b.load(result), more), result)
            else:
                self._add_to(result, more)

        self.e.loop(self.b.sub(end, first), one)
        return self.b.load(result)


class _Derived:
    """Writes what is made of parameters alone: number by number, in memory.

    Args:
        emitter: writes the module.
        node: what is made.
        number: of it.
    """

    def __init__(self, emitter: Emitter, node: Node, number: int) -> None:
        self.e, self.b, self.node = emitter, emitter.b, node
        self.lanes = Lanes(emitter.b, emitter.number, 1, emitter.processor)
        self.start = i64(emitter.layout.offsets[node])
        self.cot = emitter.graph.given("cot", node.size, ("derived", number))

    def run(self, back: bool) -> None:
        """Write the way there, or the way back."""
        kinds = {"matmul": self._matmul, "collect": self._collect, "join": self._join}
        kinds.get(self.node.op, self._elementwise)(back)

    def _load(self, array: str, place: Any) -> Any:
        return self.lanes.load(self.e.number_at(array, place))

    def _store(self, value: Any, array: str, place: Any) -> None:
        self.lanes.store(value, self.e.number_at(array, place))

    def _add(self, value: Any, place: Any) -> None:
        self._store(self.lanes.add(self._load("gradient", place), value), "gradient", place)

    def _own(self, unit: Any) -> Any:
        return self.b.add(self.start, unit)

    def _elementwise(self, back: bool) -> None:
        node, graph = self.node, self.e.graph
        found = differentiate_derived(graph, node, self.cot) if back else {}

        def unit(u: Any) -> None:
            values: dict[Node, Any] = {}
            for made in order([node, *found.values()]):
                if made is self.cot:
                    values[made] = self._load("gradient", self._own(u))
                elif made.op == "const":
                    values[made] = self.e.constant(made.attr, self.lanes)
                elif made.op == "view":
                    values[made] = self._load("flat", self.e.place(made, u))
                else:
                    inputs = (values[i] for i in made.inputs)
                    values[made] = getattr(self.lanes, made.op)(*inputs)
            if not back:
                self._store(values[node], "flat", self._own(u))
            for view, g in found.items():
                self._add(values[g], self.e.place(view, u))

        self.e.loop(i64(node.size), unit)

    def _collect(self, back: bool) -> None:
        (view,), (kind, starts, lists) = self.node.inputs, self.node.attr
        if kind == LARGEST:
            self._largest(back)
            return
        features, begins = self.e.table(lists), self.e.table(starts)

        def unit(u: Any) -> None:
            first = self.e.look_up(begins, u)
            end = self.e.look_up(begins, self.b.add(u, i64(1)))
            if not back:
                self._store(self.lanes.const(0.0), "flat", self._own(u))

            def one(k: Any) -> None:
                feature = self.e.look_up(features, self.b.add(first, k))
                if back:
                    self._add(self._load("gradient", self._own(u)), self.e.place(view, feature))
                else:
                    total = self._load("flat", self._own(u))
                    more = self._load("flat", self.e.place(view, feature))
                    self._store(self.lanes.add(total, more), "flat", self._own(u))

            self.e.loop(self.b.sub(end, first), one)

        self.e.loop(i64(self.node.size), unit)

    def _largest(self, back: bool) -> None:
        """Write the largest of some numbers."""
        # it is only ever used where its derivative cancels: as the shift of a softmax
        (view,), (_, starts, lists) = self.node.inputs, self.node.attr
        if back:
            return
        features, begins = self.e.table(lists), self.e.table(starts)

        def unit(u: Any) -> None:
            first = self.e.look_up(begins, u)
            end = self.e.look_up(begins, self.b.add(u, i64(1)))
            start = self._load("flat", self.e.place(view, self.e.look_up(features, first)))
            self._store(start, "flat", self._own(u))

            def one(k: Any) -> None:
                feature = self.e.look_up(features, self.b.add(first, k))
                more = self._load("flat", self.e.place(view, feature))
                most = self.lanes.maximum(self._load("flat", self._own(u)), more)
                self._store(most, "flat", self._own(u))

            self.e.loop(self.b.sub(end, first), one)

        self.e.loop(i64(self.node.size), unit)

    def _join(self, back: bool) -> None:
        at = 0
        for part in self.node.inputs:
            begin = i64(at)

            def unit(u: Any, part: Node = part, begin: Any = begin) -> None:
                place = self._own(self.b.add(begin, u))
                if part.op != "view":
                    if not back:
                        value = self.e.constant(part.inputs[0].attr, self.lanes)
                        self._store(value, "flat", place)
                elif back:
                    self._add(self._load("gradient", place), self.e.place(part, u))
                else:
                    self._store(self._load("flat", self.e.place(part, u)), "flat", place)

            self.e.loop(i64(part.size), unit)
            at += part.size

    def _matmul(self, back: bool) -> None:
        left, right = self.node.inputs
        n, k, m = (i64(size) for size in self.node.attr)

        def cell(i: Any, j: Any) -> None:
            own = self._own(self.b.add(self.b.mul(i, m), j))
            if not back:
                self._store(self.lanes.const(0.0), "flat", own)

            def term(p: Any) -> None:
                a = self.e.place(left, self.b.add(self.b.mul(i, k), p))
                c = self.e.place(right, self.b.add(self.b.mul(p, m), j))
                x, y = self._load("flat", a), self._load("flat", c)
                if back:
                    g = self._load("gradient", own)
                    self._add(self.lanes.mul(g, y), a)
                    self._add(self.lanes.mul(g, x), c)
                else:
                    total = self.lanes.add(self._load("flat", own), self.lanes.mul(x, y))
                    self._store(total, "flat", own)

            self.e.loop(k, term)

        self.e.loop(n, lambda i: self.e.loop(m, lambda j: cell(i, j)))
