"""A step as a small graph in normal form, so that everything after it needs to know few cases.

What is left of a step is computed feature by feature: slices are pushed down to the weights (a
slice of W x is a W with fewer rows) or to what is given, and concatenations up to the results. A
chunk of four gates becomes four affine maps that happen to read the same input.

    given         input, state, and whatever a pass back is handed
    affine        sums of products with parameters, of any number of operands
    elementwise   functions of numbers at the same place
    sum           over all features
    collect       for each feature the sum, or the largest, of a list of others: what is left of
                  transposing, broadcasting, and sums over one axis of a matrix
    view, const   numbers of parameters; a number

A value of any shape is a row of features, in the order in which torch lays them out.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# whose numbers: a parameter by name, or a node that is made of parameters alone
Base = Any
# of a matrix (in, out) among a base's numbers: base, offset, shape, strides
Weight = tuple[Base, int, tuple[int, int], tuple[int, int]]
# of some numbers of a base, one by one
Picked = tuple[Base, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Node:
    """A value of a step; one that differs between sequences of the batch, or one that does not.

    Args:
        op: what makes it.
        inputs: of what it is made. Of an affine map: its operands, one a term.
        size: features.
        attr: given: which; const: the number; view: `Picked`; affine: (weights, biases); collect:
            (kind, where each list begins, the lists); matmul: two weights.
        batched: whether it differs between sequences.
    """

    op: str
    inputs: tuple["Node", ...]
    size: int
    attr: Any = None
    batched: bool = True

    def __repr__(self) -> str:
        return f"{self.op}{'' if self.attr is None else self.attr}:{self.size}"


UNARY = {
    "abs", "cos", "erf", "exp", "floor", "log", "neg", "reciprocal", "relu", "round", "sigmoid",
    "sin", "softplus", "sqrt", "square", "stop", "tanh",
}  # fmt: skip
BINARY = {"add", "sub", "mul", "div", "maximum", "minimum"}
# select: of (a, b, yes, no) yes where a < b; expand: one number at every place
ELEMENTWISE = UNARY | BINARY | {"select", "expand"}
# part: some features of what is given
GIVEN = {"input", "part", "state", "cot", "later", "first", "dlogits", "direct"}
# what the way back computes again rather than keeps
CHEAP = {
    "abs", "add", "expand", "floor", "maximum", "minimum", "mul", "neg", "relu", "round", "select",
    "square", "stop", "sub",
}  # fmt: skip
SUM, LARGEST = "sum", "largest"


def is_gather(node: Node) -> bool:
    """Return whether a node only picks features of another."""
    return node.op == "collect" and len(node.attr[2]) == node.size and _is_plain(node.attr[1])


def _is_plain(starts: tuple[int, ...]) -> bool:
    return starts == tuple(range(len(starts)))


class Builder:
    """Makes nodes, each of them once, and keeps the normal form."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Node] = {}

    def make(
        self, op: str, inputs: Sequence[Node], size: int, attr: Any = None, batched: bool = True
    ) -> Node:
        """Return the node of this description."""
        key = (op, tuple(map(id, inputs)), size, attr, batched)
        if key not in self._made:
            self._made[key] = Node(op, tuple(inputs), size, attr, batched)
        return self._made[key]

    def const(self, value: float) -> Node:
        """Return a number."""
        return self.make("const", (), 1, float(value), batched=False)

    def given(self, op: str, size: int, attr: Any = None) -> Node:
        """Return what a pass is handed."""
        return self.make(op, (), size, attr)

    def view(self, base: Base, picked: Iterable[int]) -> Node:
        """Return some numbers of parameters, for use in elementwise functions."""
        places = tuple(map(int, picked))
        return self.make("view", (), len(places), (base, places), batched=False)

    def concat(self, parts: Iterable[Node]) -> Node:
        """Return features side by side."""
        flat = [p for part in parts for p in (part.inputs if part.op == "concat" else (part,))]
        return flat[0] if len(flat) == 1 else self.make("concat", flat, sum(p.size for p in flat))

    def slice(self, node: Node, start: int, stop: int) -> Node:
        """Return the features from `start` to `stop`."""
        size = stop - start
        if size == node.size:
            return node
        if node.op == "concat":
            return self.concat(
                self.slice(part, max(start - at, 0), min(stop - at, part.size))
                for part, at in _beginnings(node.inputs)
                if at < stop and at + part.size > start
            )
        if node.op == "affine":
            weights, biases = node.attr
            fewer = [(b, o + start * s[1], (n[0], size), s) for b, o, n, s in weights]
            cut = tuple((base, picked[start:stop]) for base, picked in biases)
            return self.make("affine", node.inputs, size, (tuple(fewer), cut))
        if node.op == "view":
            base, picked = node.attr
            return self.view(base, picked[start:stop])
        if node.op == "expand":
            return self.expand(node.inputs[0], size)
        if node.op == "collect":
            kind, starts, lists = node.attr
            rows = [lists[starts[u] : starts[u + 1]] for u in range(start, stop)]
            return self.collect(node.inputs[0], rows, kind)
        if node.op in ELEMENTWISE:
            parts = [p if p.size == 1 else self.slice(p, start, stop) for p in node.inputs]
            return self.elementwise(node.op, *parts)
        if node.op == "part":  # of a part: of what that is a part of
            return self.slice(node.inputs[0], start + node.attr[0], stop + node.attr[0])
        return self.make("part", (node,), size, (start, stop), node.batched)

    def elementwise(self, op: str, *args: Node) -> Node:
        """Return a function of numbers at the same place; of one feature, of each place."""
        size = max(a.size for a in args)
        cut = next((a for a in args if a.op == "concat"), None)
        if cut is not None:
            parts = []
            for part, at in _beginnings(cut.inputs):
                mine = [a if a.size == 1 else self.slice(a, at, at + part.size) for a in args]
                parts.append(self.elementwise(op, *mine))
            return self.concat(parts)
        simple = self._simpler(op, args, size)
        return simple or self.make(op, args, size, None, any(a.batched for a in args))

    def _simpler(self, op: str, args: tuple[Node, ...], size: int) -> Node | None:
        def is_(node: Node, value: float) -> bool:
            return node.op == "const" and node.attr == value

        if all(a.op == "const" for a in args) and op in _FOLD:
            return self.const(_FOLD[op](*(a.attr for a in args)))
        if op == "mul":
            for a, b in (args, args[::-1]):
                if is_(a, 1.0) and b.size == size:
                    return b
                if is_(a, -1.0) and b.size == size:
                    return self.elementwise("neg", b)
        if op in ("add", "sub") and is_(args[1], 0.0) and args[0].size == size:
            return args[0]
        if op == "add" and is_(args[0], 0.0) and args[1].size == size:
            return args[1]
        if op == "div" and args[1].op == "const" and args[1].attr != 0:
            return self.elementwise("mul", args[0], self.const(1.0 / args[1].attr))
        return None

    def expand(self, node: Node, size: int) -> Node:
        """Return one feature at every place."""
        if node.size == size:
            return node
        return self.make("expand", (node,), size, None, node.batched)

    def affine(self, terms: Sequence[tuple[Node, Weight]], biases: Sequence[Picked] = ()) -> Node:
        """Return the sum of terms `operand @ weight`, and of biases."""
        flat: list[tuple[Node, Weight]] = []
        for operand, (base, offset, shape, strides) in terms:
            pieces = operand.inputs if operand.op == "concat" else (operand,)
            for part, at in _beginnings(pieces):
                weight = (base, offset + at * strides[0], (part.size, shape[1]), strides)
                flat.append((part, weight))
        weights = tuple(weight for _, weight in flat)
        inputs = [operand for operand, _ in flat]
        return self.make("affine", inputs, terms[0][1][2][1], (weights, tuple(biases)))

    def total(self, node: Node) -> Node:
        """Return the sum over all features."""
        if node.op == "concat":
            result = self.total(node.inputs[0])
            for part in node.inputs[1:]:
                result = self.elementwise("add", result, self.total(part))
            return result
        return node if node.size == 1 else self.make("sum", (node,), 1, None, node.batched)

    def gather(self, node: Node, picked: Iterable[int]) -> Node:
        """Return features of another node, in any order and as often as one likes."""
        return self.collect(node, [(int(i),) for i in picked])

    def collect(self, node: Node, rows: Sequence[Sequence[int]], kind: str = SUM) -> Node:
        """Return for each of `rows` the sum, or the largest, of the features it lists."""
        size, plain = len(rows), all(len(row) == 1 for row in rows)
        first = rows[0][0] if plain else 0
        if plain and all(row[0] == first + u for u, row in enumerate(rows)):
            return self.slice(node, first, first + size)
        if plain and all(row[0] == first for row in rows):
            return self.expand(self.slice(node, first, first + 1), size)
        if node.op == "concat":
            return self._collect_pieces(node, rows, kind)
        if kind == SUM and size == 1 and sorted(rows[0]) == list(range(node.size)):
            return self.total(node)
        if plain and node.op == "view":
            return self.view(node.attr[0], [node.attr[1][row[0]] for row in rows])
        if node.size == 1 or node.op == "expand":
            return self._collect_same(node, [len(row) for row in rows], kind)
        if plain and is_gather(node):
            return self.gather(node.inputs[0], [node.attr[2][row[0]] for row in rows])
        starts = tuple(np.cumsum([0, *map(len, rows)]).tolist())
        lists = tuple(int(i) for row in rows for i in row)
        return self.make("collect", (node,), size, (kind, starts, lists), node.batched)

    def _collect_same(self, node: Node, counts: list[int], kind: str) -> Node:
        """Return sums, or the largest, of some times the same number."""
        one = self.slice(node, 0, 1) if node.op == "expand" else node
        parts = []
        for start, stop in _runs(counts):
            much = 1.0 if kind == LARGEST else float(counts[start])
            value = self.elementwise("mul", one, self.const(much))
            parts.append(self.expand(value, stop - start))
        return self.concat(parts)

    def _collect_pieces(self, node: Node, rows: Sequence[Sequence[int]], kind: str) -> Node:
        """Return what is collected from pieces that lie apart: run by run, or piece by piece."""
        sizes = [part.size for part in node.inputs]
        ends: list[int] = np.cumsum(sizes).tolist()
        begins = [0, *ends[:-1]]
        pieces = [{bisect_right(ends, i) for i in row} for row in rows]
        runs = _runs(pieces)
        if all(len(found) == 1 for found in pieces) and len(runs) <= len(node.inputs):
            parts = []
            for start, stop in runs:
                (piece,) = pieces[start]
                mine = [[i - begins[piece] for i in row] for row in rows[start:stop]]
                parts.append(self.collect(node.inputs[piece], mine, kind))
            return self.concat(parts)
        if kind == LARGEST and len(runs) > 1:  # of each run of features the same pieces are asked
            return self.concat(self.collect(node, rows[start:stop], kind) for start, stop in runs)
        join = "maximum" if kind == LARGEST else "add"
        total = None
        for part, begin, end in zip(node.inputs, begins, ends, strict=True):
            mine = [[i - begin for i in row if begin <= i < end] for row in rows]
            if kind == LARGEST and not mine[0]:
                continue
            share = self.collect(part, mine, kind)
            total = share if total is None else self.elementwise(join, total, share)
        assert total is not None
        return total


_FOLD: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "square": lambda a: a * a,
}


def _beginnings(parts: Sequence[Node]) -> Iterable[tuple[Node, int]]:
    """Yield parts that lie side by side, and where each begins."""
    at = 0
    for part in parts:
        yield part, at
        at += part.size


def _runs(values: Sequence[Any]) -> list[tuple[int, int]]:
    """Return where runs of equal values begin and end."""
    cuts = [u for u in range(1, len(values)) if values[u] != values[u - 1]]
    return list(zip([0, *cuts], [*cuts, len(values)], strict=True))


def transposed(node: Node) -> list[list[int]]:
    """Return the rows of the map back through a `collect`: for each feature, who reads it."""
    _, starts, lists = node.attr
    rows: list[list[int]] = [[] for _ in range(node.inputs[0].size)]
    for u in range(node.size):
        for i in lists[starts[u] : starts[u + 1]]:
            rows[i].append(u)
    return rows


def places(shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> NDArray[np.int64]:
    """Return where the numbers of a strided array lie, in its own shape.

    >>> places((2, 3), (1, 2)).tolist()
    [[0, 2, 4], [1, 3, 5]]
    """
    index = np.full(tuple(shape), offset, np.int64)
    for axis, (count, stride) in enumerate(zip(shape, strides, strict=True)):
        along = [1] * len(shape)
        along[axis] = count
        index += (np.arange(count) * stride).reshape(along)
    return index


def order(outputs: Iterable[Node], known: Container[Node] = ()) -> list[Node]:
    """Return all nodes that the outputs are made of, inputs first; not what makes the known."""
    seen: dict[Node, None] = {}
    waiting = [(node, False) for node in reversed(list(outputs))]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            seen.setdefault(node)
        elif node not in seen:
            waiting.append((node, True))
            waiting.extend((i, False) for i in reversed(node.inputs) if i not in known)
    return list(seen)


def rebuild(
    builder: Builder, outputs: Sequence[Node], replace: dict[Node, Node], merge: bool = False
) -> list[Node]:
    """Return the same graph in normal form again, with some nodes replaced.

    Args:
        builder: makes the nodes.
        outputs: of the graph.
        replace: nodes by what comes in their place.
        merge: join affine maps that are used once, and vectors of parameters added to them.
    """
    uses = _count_uses(outputs) if merge else {}
    made: dict[Node, Node] = dict(replace)
    for node in order(outputs):
        if node not in made:
            made[node] = _again(builder, node, [made[i] for i in node.inputs], uses)
    return [made[output] for output in outputs]


def _again(builder: Builder, node: Node, inputs: list[Node], uses: dict[Node, int]) -> Node:
    if node.op == "add" and (merged := _merged(builder, node, inputs, uses)) is not None:
        return merged
    if node.op == "concat":
        return builder.concat(inputs)
    if node.op == "part":
        return builder.slice(inputs[0], *node.attr)
    if node.op == "affine":
        return builder.affine(list(zip(inputs, node.attr[0], strict=True)), node.attr[1])
    if node.op == "expand":
        return builder.expand(inputs[0], node.size)
    if node.op == "sum":
        return builder.total(inputs[0])
    if node.op == "collect":
        kind, starts, lists = node.attr
        rows = [lists[starts[u] : starts[u + 1]] for u in range(node.size)]
        return builder.collect(inputs[0], rows, kind)
    if node.op in ELEMENTWISE:
        return builder.elementwise(node.op, *inputs)
    return builder.make(node.op, inputs, node.size, node.attr, node.batched)


def _count_uses(outputs: Sequence[Node]) -> dict[Node, int]:
    count: dict[Node, int] = {}
    for node in [*(i for n in order(outputs) for i in n.inputs), *outputs]:
        count[node] = count.get(node, 0) + 1
    return count


def _merged(builder: Builder, node: Node, inputs: list[Node], uses: dict[Node, int]) -> Node | None:
    """Return a sum as one affine map; None: it is none."""
    (a, b), (was_a, was_b) = inputs, node.inputs
    if b.op == "affine" and a.op != "affine":
        a, b, was_a, was_b = b, a, was_b, was_a
    if a.op != "affine" or uses.get(was_a) != 1 or a.size != node.size:
        return None
    weights, biases = a.attr
    if b.op == "affine" and uses.get(was_b) == 1 and b.size == node.size:
        both = (weights + b.attr[0], biases + b.attr[1])
        return builder.make("affine", a.inputs + b.inputs, node.size, both)
    if b.op == "view" and b.size in (1, node.size):
        base, picked = b.attr
        bias = (base, picked * (node.size // b.size))
        return builder.make("affine", a.inputs, node.size, (weights, (*biases, bias)))
    return None
