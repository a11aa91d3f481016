"""Where everything lies that a step reads and writes.

rows    (steps + 1, features, batch): a row of ones, the input, the state before each step, and
        what the way back needs of it
gates   (steps, columns, batch): the loss's derivative by each affine map's result; before that,
        forward values in the same places, where each is read for the last time as its place is
        overwritten
temp    (rows, batch): of the step under way; `direct` and sums over steps stay in it
flat    parameters: learned ones, then frozen ones, buffers and constants, then what is derived
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.graph import (
    CHEAP,
    GIVEN,
    LARGEST,
    Base,
    Node,
    Weight,
    is_gather,
    order,
    rebuild,
)
from lossladder.engines.fused.loops import Loop, Place, is_free, make_loops, segments
from lossladder.engines.fused.reverse import Backward, differentiate
from lossladder.engines.fused.tracing import StepGraph

# the largest register: vectors of parameters are whole registers, so that no rest is left over
WHOLE = 16
LINE = 64  # bytes of the processor's cache: where arrays begin
# of the readout's weights, by what is read: their differences to those of class 0, or themselves
OUT = "readout"


@dataclass
class Layout:
    """What a kernel is made from.

    Args:
        graph: of the step.
        codes: how inputs are told apart.
        outputs: numbers that the readout puts out, relative to class 0 if `relative`.
        relative: only differences between outputs matter, as for the cross entropy.
        forward, backward, begin: loops of a step there, back, and back into the initial state.
        places: of nodes, on the way there, back, and back into the initial state.
        offsets: of parameters and of what is derived from them, in `flat`.
        learned: numbers at the start of `flat` that are trained; others begin at `fixed_at`.
        flat: numbers before what is derived.
        rows, gates, temp: of the arrays, in rows.
        packed: numbers that the sums of products read; set by `map_weights`.
        arriving: the derivative by each piece after a step, where anything arrives.
        columns: of each affine map in `gates`; `hulls`: the rows that it reads.
        vectors: (vector of parameters, row of temp): summed over the batch.
        state_rows: of the numbers of the state, in the network's own order.
    """

    graph: StepGraph
    codes: Codes
    outputs: int
    relative: bool
    back: Backward
    hidden: int
    forward: list[Loop] = field(default_factory=list)
    backward: list[Loop] = field(default_factory=list)
    begin: list[Loop] = field(default_factory=list)
    places: list[dict[Node, Place]] = field(default_factory=list)
    offsets: dict[Base, int] = field(default_factory=dict)
    learned: int = 0
    fixed_at: int = 0
    flat: int = 0
    rows: int = 0
    gates: int = 0
    temp: int = 0
    packed: int = 0
    arriving: dict[Node, Node] = field(default_factory=dict)
    columns: dict[Node, int] = field(default_factory=dict)
    hulls: dict[Node, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    vectors: list[tuple[tuple[Base, tuple[int, ...]], int]] = field(default_factory=list)
    state_rows: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    @property
    def allocated(self) -> dict[str, int]:
        """Return the rows of a step in each array, with those that loops only fill up."""
        return {"rows": self.rows + 3, "gates": self.gates + 3, "logits": up(self.outputs, 4)}

    @property
    def first_read(self) -> int:
        """Return the row of the first feature that the readout reads."""
        return 1 + self.codes.count

    @property
    def input(self) -> Node:
        """Return the input."""
        return self.graph.builder.given("input", self.graph.input_size)


def reads_features(graph: StepGraph) -> bool:
    """Return whether the input is used other than by affine maps, so that it must be there."""
    _, results = graph.flat()
    for node in order(results):
        of_input = any(i.op == "input" for i in node.inputs)
        if of_input and node.op != "affine":
            return True
    return any(result.op == "input" for result in results)


def lay_out(
    graph: StepGraph, codes: Codes, outputs: int, relative: bool, names: Sequence[str]
) -> Layout:
    """Return the layout of a step.

    Args:
        graph: of the step.
        codes: how inputs are told apart.
        outputs: of the network.
        relative: only differences between outputs matter.
        names: of the parameters that are trained, in order.
    """
    pieces, results = graph.flat()
    back = differentiate(graph.builder, results, pieces)
    hidden = sum(piece.size for piece in graph.pieces[0])
    layout = Layout(graph, codes, outputs - relative, relative, back, hidden)
    _Layer(layout, list(names)).lay()
    return layout


def up(number: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-number // multiple) * multiple


class _Layer:
    """Fills a layout."""

    def __init__(self, layout: Layout, names: list[str]) -> None:
        self.layout, self.graph, self.back = layout, layout.graph, layout.back
        self.b = layout.graph.builder
        self.pieces, results = layout.graph.flat()
        # a state that is only handed on is computed as well: it is copied
        self.results = [r if r.inputs else self.b.make("expand", (r,), r.size) for r in results]
        self.places: dict[Node, Place] = {}
        self._offsets(names)

    def _offsets(self, names: list[str]) -> None:
        layout, at = self.layout, 0
        tensors = self.graph.tensors
        for name in (*names, *(n for n in tensors if n not in names)):
            layout.offsets[name], at = at, at + tensors[name].numel()
            if name in names:
                layout.learned, layout.fixed_at = at, up(at, WHOLE)
                at = layout.fixed_at if name == names[-1] else at
        layout.flat = at
        for node in self.graph.derived:
            layout.offsets[node], at = at, at + node.size

    def lay(self) -> None:
        """Fill the layout."""
        layout = self.layout
        self._lay_state()
        roots, back_of = self._backward_roots()
        saved = self._saved(list(roots))
        affine = {n for n in order(self.results) if n.op == "affine"}
        operands = {i for n in affine for i in n.inputs if i.op not in GIVEN}
        # in an order that is the same in every process
        kept = [n for n in order(self.results) if n in saved or n in operands]
        self.after: dict[Node, Place] = {}
        for result, piece in zip(self.results, self.pieces, strict=True):
            self.after.setdefault(result, ("rows", 1, self.places[piece][2]))
        cut = len(self.graph.pieces[0]) > 1
        # the way back first: it says which places can be used twice
        layout.backward = make_loops(list(roots), {*kept, *self.after}, cut)
        layout.forward = make_loops(self.results, set(), cut)
        self._lay_gates(back_of["sums"], kept)
        self._lay_saved(kept)
        layout.state_rows = self._state_rows()
        stores = [
            (r, ("rows", 1, self.places[p][2]))
            for r, p in zip(self.results, self.pieces, strict=True)
        ]
        _store(layout.forward, stores)
        _store(layout.forward, [(n, self.places[n]) for n in kept if self.places[n][1] == 0])
        layout.begin = make_loops(self._begin_roots(), set(), cut=True)
        self._lay_parts()
        self._lay_temp(back_of)
        counts = {layout.input: layout.codes.count}
        passes = (layout.forward, layout.backward, layout.begin)
        for loops, places in zip(passes, layout.places, strict=True):
            for batch in (batch for loop in loops for batch in loop.batches):
                batch.segments = segments(batch, places, counts)

    # --- rows -------------------------------------------------------------------------------------

    def _lay_state(self) -> None:
        self.places[self.layout.input] = ("rows", 0, 1)
        for node in order(self.results):
            if node.op == "part":
                self.places[node] = ("rows", 0, 1 + node.attr[0])
        first = at = self.layout.first_read
        for k, part in enumerate(self.graph.pieces):
            for j, piece in enumerate(part):
                self.places[piece] = ("rows", 0, at)
                at += piece.size
                # the readout wants what it reads in one piece
                if k > 0 or j + 1 == len(part):
                    at = first + up(at - first, 4)
        self.layout.rows = at

    def _lay_parts(self) -> None:
        """Find what the way back reads of a piece of the state that no step forward cuts."""
        layout = self.layout
        loops = (*layout.backward, *layout.begin)
        read = {i for loop in loops for node in loop.nodes for i in node.inputs}
        for node in read:
            if node.op == "part" and node not in self.places:
                array, later, row = self.places[node.inputs[0]]
                self.places[node] = (array, later, row + node.attr[0])

    def _state_rows(self) -> list[int]:
        """Return the rows of the state's numbers, part by part of the network's own."""
        rows: dict[int, list[int]] = {}
        for part, pieces in zip(self.graph.parts, self.graph.pieces, strict=True):
            if part is not None:
                own = rows.setdefault(part, [])
                for piece in pieces:
                    row = self.places[piece][2]
                    own += range(row, row + piece.size)
        return [row for part in sorted(rows) for row in rows[part]]

    def _lay_saved(self, kept: list[Node]) -> None:
        for node in kept:
            if node not in self.places and node not in self.after:
                self.places[node] = ("rows", 0, self.layout.rows)
                self.layout.rows += up(node.size, 4)
        for node, place in self.after.items():
            self.places.setdefault(node, place)

    # --- the way back -----------------------------------------------------------------------------

    def _backward_roots(self) -> tuple[dict[Node, None], dict[str, dict[Node, Node]]]:
        """Return the way back with what arrives put in: W^T sums + V^T dlogits + direct."""
        b, replace = self.b, {}
        self.later: dict[Node, Node] = {}
        for piece in self.pieces:
            terms: list[tuple[Node, Weight]] = []
            if piece.attr[0] == self.pieces[0].attr[0]:
                weight: Weight = (OUT, piece.attr[1], (self.layout.outputs, piece.size), (1, 1))
                terms.append((b.given("dlogits", self.layout.outputs), weight))
            terms += self._later(piece, "later")
            arriving = self._arriving(piece, terms)
            if arriving is not None:
                self.layout.arriving[piece] = arriving
            replace[b.given("cot", piece.size, piece.attr)] = arriving or b.const(0.0)
        kinds = {"sums": self.back.sums, "direct": self.back.direct, "vectors": self.back.vectors}
        flat = [(kind, key, root) for kind, found in kinds.items() for key, root in found.items()]
        made = rebuild(b, [root for _, _, root in flat], replace)
        back_of: dict[str, dict[Node, Node]] = {kind: {} for kind in kinds}
        for (kind, key, _), root in zip(flat, made, strict=True):
            computed = root.size == key.size and not is_free(root)
            back_of[kind][key] = root if computed else b.make("expand", (root,), key.size)
        return dict.fromkeys(r for found in back_of.values() for r in found.values()), back_of

    def _later(self, piece: Node, op: str) -> list[tuple[Node, Weight]]:
        """Return what affine maps that read a piece hand back: `later`, or from the first step."""
        terms = []
        for affine, weight in self.back.later.get(piece, []):
            # named by its number: an address would differ from process to process
            number = list(self.back.sums).index(affine)
            given = self.b.given(op, affine.size, number)
            self.later[given] = affine
            terms.append((given, weight))
        return terms

    def _arriving(self, piece: Node, terms: list[tuple[Node, Weight]]) -> Node | None:
        arriving = self.b.affine(terms) if terms else None
        if piece not in self.back.direct:
            return arriving
        direct = self.b.given("direct", piece.size, piece.attr)
        return direct if arriving is None else self.b.elementwise("add", arriving, direct)

    def _begin_roots(self) -> list[Node]:
        """Return the derivatives by the numbers of an initial state that is learned."""
        self.begun: dict[Node, Node] = {}
        starts = dict(enumerate(self.graph.starts))
        for k, pieces in enumerate(self.graph.pieces):
            for piece in pieces if starts[k] is not None else ():
                arriving = self._arriving(piece, self._later(piece, "first"))
                if arriving is not None:
                    self.begun[piece] = self.b.make("expand", (arriving,), piece.size)
        for given, affine in self.later.items():
            later = 1 if given.op == "later" else 0
            self.places[given] = ("gates", later, self.layout.columns[affine])
        return list(self.begun.values())

    def _saved(self, roots: list[Node]) -> set[Node]:
        """Return forward values that the way back reads: the costly; others it computes again."""
        forward, saved = set(order(self.results)), set()
        results, seen = set(self.results), set()
        waiting = list(roots)
        saved |= {root for root in roots if root in forward}
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in forward and node.op not in GIVEN and node.batched:
                if node in results:
                    continue  # it lies in the state after the step
                if node.op not in CHEAP and not is_gather(node):
                    saved.add(node)
                    continue
            waiting.extend(node.inputs)
        # What the largest was taken of is held against it on the way back: computed again it may
        # differ in the last digit, and then nobody is the largest.
        largest = [n for n in saved if n.op == "collect" and n.attr[0] == LARGEST]
        compared = {n.inputs[0] for n in largest} & seen
        return saved | {n for n in compared if n.op not in GIVEN and n not in results}

    # --- gates ------------------------------------------------------------------------------------

    def _lay_gates(self, sums: dict[Node, Node], kept: list[Node]) -> None:
        """Give each affine map's derivative its columns, those that read the same side by side."""
        layout = self.layout
        stored = {g: k for k, loop in enumerate(layout.backward) for g in loop.nodes}
        last = _last_read(layout.backward)
        unroll_of = {n: loop.unroll for loop in layout.forward for n in loop.nodes}
        operands = {i for affine in sums for i in affine.inputs}
        layout.hulls = {affine: self._rows_read(affine) for affine in sums}
        at = 0
        for affine in sorted(sums, key=lambda a: layout.hulls[a]):
            g = sums[affine]
            fits = [
                v
                for v in kept
                if v.size == affine.size
                and v not in self.after
                and v not in self.places
                and v not in operands
                and last.get(v, -1) <= stored[g]
                and v is not g
            ]
            # best what is made of this very map, for it is read where its derivative is made
            fits.sort(key=lambda v: v is not affine and affine not in v.inputs)
            pad = layout.backward[stored[g]].unroll
            if fits:
                self.places[fits[0]] = ("gates", 0, at)
                pad = max(pad, unroll_of[fits[0]])
            layout.columns[affine] = at
            self.places.setdefault(g, ("gates", 0, at))
            layout.backward[stored[g]].stores.append((g, ("gates", 0, at)))
            at += up(affine.size, pad)
        layout.gates = at
        self.places[self.b.given("dlogits", layout.outputs)] = ("logits", 0, 0)

    def _rows_read(self, affine: Node) -> tuple[tuple[int, int], ...]:
        """Return the rows that an affine map reads, that of ones included; small gaps closed."""
        layout = self.layout
        constant = affine.attr[1] or (layout.input in affine.inputs and layout.codes.base.any())
        ranges = [(0, 1)] if constant else []
        for operand in affine.inputs:
            if operand not in self.places:  # an intermediate value: it gets its place now
                self.places[operand] = ("rows", 0, layout.rows)
                layout.rows += up(operand.size, 4)
            row = self.places[operand][2]
            count = layout.codes.count if operand is layout.input else operand.size
            ranges.append((row, row + count))
        merged: list[list[int]] = []
        for start, end in sorted(ranges):
            if merged and start - merged[-1][1] <= 2:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end])
        return tuple((start, end) for start, end in merged)

    # --- temp -------------------------------------------------------------------------------------

    def _lay_temp(self, back_of: dict[str, dict[Node, Node]]) -> None:
        """Give rows to what a step hands to the one before, to sums, and between loops."""
        layout = self.layout
        made = {node: k for k, loop in enumerate(layout.backward) for node in loop.nodes}
        last = _last_read(layout.backward)
        stores: list[tuple[Node, Place]] = []
        late: dict[int, Loop] = {}
        for piece, g in back_of["direct"].items():
            place, before = self._row(piece.size), self.b.given("direct", piece.size, piece.attr)
            self.places[before] = place
            if last.get(before, -1) <= made[g]:
                stores.append((g, place))
                continue
            # what the step after has handed on is still to be read when this step's is known
            if g not in self.places:
                self.places[g] = self._row(piece.size)
                stores.append((g, self.places[g]))
            late.setdefault(piece.size, Loop(piece.size, 1, [], [])).stores.append((g, place))
        _store(layout.backward, stores)
        layout.backward += late.values()
        for leaf, g in back_of["vectors"].items():
            self._sum_up(layout.backward, g, leaf.attr)
        for piece, g in self.begun.items():
            base, picked = self.graph.starts[self._part(piece)] or ("", ())
            start = piece.attr[1]
            self._sum_up(layout.begin, g, (base, picked[start : start + piece.size]))
        layout.starts = self._starts()
        for loops in (layout.forward, layout.backward, layout.begin):
            layout.places.append(self._between(loops))

    def _row(self, size: int) -> Place:
        place = ("temp", 0, self.layout.temp)
        self.layout.temp += up(size, 4)
        return place

    def _part(self, piece: Node) -> int:
        return next(k for k, pieces in enumerate(self.graph.pieces) if piece in pieces)

    def _sum_up(self, loops: list[Loop], g: Node, picked: tuple[Base, tuple[int, ...]]) -> None:
        _, _, row = self._row(g.size)
        loop = next(loop for loop in loops if g in loop.nodes)
        loop.adds.append((g, row))
        self.layout.vectors.append((picked, row))

    def _starts(self) -> list[int]:
        """Return where each number of an initial state lies in `flat`; -1: it is not learned."""
        found: dict[int, list[int]] = {}
        for part, start, pieces in zip(
            self.graph.parts, self.graph.starts, self.graph.pieces, strict=True
        ):
            if part is None:
                continue
            size = sum(piece.size for piece in pieces)
            found[part] = [-1] * size
            if start is not None:
                found[part] = [self.layout.offsets[start[0]] + place for place in start[1]]
        return [place for part in sorted(found) for place in found[part]]

    def _between(self, loops: list[Loop]) -> dict[Node, Place]:
        """Return all places of a pass; what later loops of it need goes through `temp`."""
        places = dict(self.places)
        read = [{i for node in loop.nodes for i in node.inputs} for loop in loops]
        for k, loop in enumerate(loops):
            beyond = set().union(*read[k + 1 :])
            for node in loop.nodes:
                if node in beyond and node.size > 1 and node not in places and node.op != "sum":
                    places[node] = self._row(node.size)
                    loop.stores.append((node, places[node]))
        return places


def _last_read(loops: list[Loop]) -> dict[Node, float]:
    """Return the loop that reads each value last, and half a loop later if other units read it."""
    last: dict[Node, float] = {}
    for k, loop in enumerate(loops):
        for node in loop.nodes:
            last[node] = max(last.get(node, -1), k)
            for i in node.inputs:
                apart = node.op in ("collect", "sum") or i.size != node.size
                last[i] = max(last.get(i, -1), k + 0.5 * apart)
    return last


def _store(loops: list[Loop], stores: list[tuple[Node, Place]]) -> None:
    where = {node: loop for loop in loops for node in loop.nodes}
    for node, place in stores:
        if node in where:
            where[node].stores.append((node, place))
