"""Which loops over features compute a step, there or back.

In each loop every feature is computed alone, in registers: sums of products with what lies in
memory, then elementwise functions. A value that other features need (an operand of an affine map,
a sum over features) ends a loop.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from lossladder.engines.fused.graph import GIVEN, Node, order

Place = tuple[str, int, int]  # array, steps later, row

# what these need of others is complete only after a loop
_AFTER = {"affine", "sum", "collect"}
# sums of one unit at the same time; more do not fit the registers
_MOST_SUMS = 6
# units at the same time, by the number of their sums: each load then serves several products
_UNROLL = {1: 4, 2: 2, 3: 2}
MOST_UNITS = max(_UNROLL.values())


@dataclass
class Segment:
    """Rows that a sum of products runs over, and which sums take part.

    Args:
        place: of the first row.
        count: of rows.
        when: always; later: not at the last step; scored: where any sequence is.
        sums: numbers of those that take part.
        parts: operands that lie there, and where each begins.
    """

    place: Place
    count: int
    when: str
    sums: list[int]
    parts: list[tuple[Node, int]]


@dataclass
class SumBatch:
    """Sums of products that are taken at the same time.

    Args:
        sums: affine maps.
        segments: what they run over.
        weights: where the packed weights begin.
        stride: weights for each group of units.
    """

    sums: list[Node]
    segments: list[Segment] = field(default_factory=list)
    weights: int = 0
    stride: int = 0


@dataclass
class Loop:
    """One pass over units: features of nodes of one size.

    Args:
        size: units.
        unroll: units at the same time.
        batches: sums of products.
        nodes: what is computed, inputs first.
        stores: what is written, and where.
        adds: what is added onto rows of `temp`.
        totals: sums over this loop's units.
    """

    size: int
    unroll: int
    batches: list[SumBatch]
    nodes: list[Node]
    stores: list[tuple[Node, Place]] = field(default_factory=list)
    adds: list[tuple[Node, int]] = field(default_factory=list)
    totals: list[Node] = field(default_factory=list)


def is_free(node: Node) -> bool:
    """Return whether nothing computes a node in a step: it is given, or of parameters."""
    return node.op in GIVEN or node.op in ("const", "view")


def make_loops(roots: Sequence[Node], known: Container[Node], cut: bool) -> list[Loop]:
    """Return loops that compute the roots.

    Args:
        roots: what is computed.
        known: what lies in memory already.
        cut: results lie side by side without padding, so that units are taken one by one.
    """
    wanted = set(roots)
    level: dict[Node, int] = {}
    groups: dict[tuple[int, int], list[Node]] = {}
    for node in order(roots, _Besides(known, wanted)):
        if is_free(node):
            continue
        before = [(i, level[i]) for i in node.inputs if i in level]
        here = [at + (node.op in _AFTER or i.size != node.size) for i, at in before]
        level[node] = max([0, *here])
        groups.setdefault((level[node], node.size), []).append(node)
    loops = []
    for (_, size), group in sorted(groups.items(), key=lambda item: item[0]):
        sums = [node for node in group if node.op == "affine"]
        unroll = 1 if cut or size < 2 else _UNROLL.get(len(sums), 1)
        most = max(1, len(sums)) if len(sums) <= _MOST_SUMS else 4
        batches = [SumBatch(sums[k : k + most]) for k in range(0, len(sums), most)]
        loops.append(Loop(size, unroll, batches, group))
    _take_totals(loops)
    return loops


@dataclass
class _Besides:
    """What is known, but not what is wanted."""

    known: Container[Node]
    wanted: set[Node]

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Node) and node in self.known and node not in self.wanted


def _take_totals(loops: list[Loop]) -> None:
    """Let sums over features be taken in the loop that computes their terms."""
    whose = {node: loop for loop in loops for node in loop.nodes}
    for loop in loops:
        for node in loop.nodes:
            source = whose.get(node.inputs[0]) if node.op == "sum" else None
            if source is not None:
                source.totals.append(node)
                if source.size % source.unroll:  # padding must not be added up
                    source.unroll = 1


def segments(batch: SumBatch, places: dict[Node, Place], counts: dict[Node, int]) -> list[Segment]:
    """Return what the sums of a batch run over, in the order of memory, neighbours joined.

    Args:
        batch: of sums.
        places: where operands lie.
        counts: rows of operands that are not one a feature.
    """
    taking: dict[Node, list[int]] = {}
    for number, affine in enumerate(batch.sums):
        for operand in affine.inputs:
            if number not in taking.setdefault(operand, []):
                taking[operand].append(number)
    found: list[Segment] = []
    for operand in sorted(taking, key=lambda o: places[o]):
        place, count = places[operand], counts.get(operand, operand.size)
        when = {"later": "later", "dlogits": "scored"}.get(operand.op, "always")
        mine = Segment(place, count, when, taking[operand], [(operand, 0)])
        last = found[-1] if found else None
        if last is not None and _continues(last, mine):
            last.parts.append((operand, last.count))
            last.count += count
        else:
            found.append(mine)
    return found


def _continues(last: Segment, more: Segment) -> bool:
    array, later, row = last.place
    return (
        (array, later, row + last.count) == more.place
        and last.sums == more.sums
        and last.when == more.when
    )
