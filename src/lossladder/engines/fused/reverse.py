"""Reverse mode on the graph: one step back, derived once for every cell.

A window's pass back runs the same step from the last to the first. A step back is handed the
derivative of the loss by each piece of the state after it (given as `cot`); what it hands on is

    sums        for each affine map, the derivative by its result: gradients of weights are sums of
                products of these with what the map read, taken for all steps at once
    direct      by each piece of the state before, by elementwise ways
    vectors     by parameters used elementwise, still to be summed over the batch

The way back through an affine map that read the state is not computed in this step: the step
before takes W^T times `sums` together with the readout's part, as one affine map (`later`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lossladder.engines.fused.graph import (
    GIVEN,
    LARGEST,
    Builder,
    Node,
    Weight,
    order,
    transposed,
)


@dataclass
class Backward:
    """What a step back computes; see the module. All of it is made of `cot` and forward values."""

    sums: dict[Node, Node] = field(default_factory=dict)
    direct: dict[Node, Node] = field(default_factory=dict)
    vectors: dict[Node, Node] = field(default_factory=dict)
    # for a piece of the state: affine maps that read it, with their weights turned
    later: dict[Node, list[tuple[Node, Weight]]] = field(default_factory=dict)


def differentiate(b: Builder, results: Sequence[Node], pieces: Sequence[Node]) -> Backward:
    """Return the way back through a step.

    Args:
        b: makes the nodes.
        results: what each piece of the state becomes.
        pieces: of the state.
    """
    terms: dict[Node, list[Node]] = {}  # elementwise contributions
    products: dict[Node, list[tuple[Node, Weight]]] = {}  # those through affine maps
    found, moving = Backward(), _wanted(results)
    for result, piece in zip(results, pieces, strict=True):
        terms.setdefault(result, []).append(b.given("cot", piece.size, piece.attr))
    for node in reversed(order(results)):
        if node not in moving or (node not in terms and node not in products):
            continue
        cot = _total(b, node, terms.get(node, []), products.get(node, []))
        if node.op == "state":
            found.direct[node] = cot
        elif node.op == "view":
            found.vectors[node] = cot
        elif node.op == "affine":
            found.sums[node] = cot
            for operand, weight in zip(node.inputs, node.attr[0], strict=True):
                if operand.op == "state":
                    found.later.setdefault(operand, []).append((node, turned(weight)))
                elif operand in moving:
                    products.setdefault(operand, []).append((cot, turned(weight)))
        else:
            for operand, part in _back(b, node, cot):
                if operand in moving:
                    terms.setdefault(operand, []).append(_fitted(b, operand, part))
    return found


def turned(weight: Weight) -> Weight:
    """Return a matrix with its axes swapped."""
    base, offset, shape, strides = weight
    return base, offset, (shape[1], shape[0]), (strides[1], strides[0])


def differentiate_derived(b: Builder, result: Node, cot: Node) -> dict[Node, Node]:
    """Return, by each vector of parameters, the derivative of a function of parameters alone.

    Of one number that was used at every place it is what each place adds.
    """
    terms: dict[Node, list[Node]] = {result: [cot]}
    found: dict[Node, Node] = {}
    for node in reversed(order([result])):
        if node.op == "const" or node not in terms:
            continue
        total = _total(b, node, terms[node], [])
        if node.op == "view":
            found[node] = total
            continue
        back = [(node.inputs[0], total)] if node.op == "expand" else _back(b, node, total)
        for operand, part in back:
            terms.setdefault(operand, []).append(part)
    return found


def _fitted(b: Builder, operand: Node, part: Node) -> Node:
    """Return a contribution in its operand's size: one number was used at every place."""
    return part if operand.size == part.size or operand.size > 1 else b.total(part)


def _wanted(results: Sequence[Node]) -> set[Node]:
    """Return the nodes whose derivative is wanted: not numbers, nor made of the input alone."""
    wanted: set[Node] = set()
    for node in order(results):
        if node.op == "stop":
            continue
        if node.op in ("state", "view", "affine") or any(i in wanted for i in node.inputs):
            wanted.add(node)
    return wanted


def _total(b: Builder, node: Node, terms: list[Node], products: list[tuple[Node, Weight]]) -> Node:
    total = b.affine(products) if products else None
    for term in terms:
        total = term if total is None else b.elementwise("add", total, term)
    assert total is not None
    return b.expand(total, node.size)


def _back(b: Builder, y: Node, g: Node) -> list[tuple[Node, Node]]:
    """Return what a node hands back to each of its inputs, from its own derivative `g`."""
    e = b.elementwise
    x = y.inputs
    if y.op in _OF_ONE:
        return [(x[0], _OF_ONE[y.op](b, g, x[0], y))]
    if y.op in ("stop", "round", "floor") or y.op in GIVEN:
        return []
    if y.op == "sum":
        return [(x[0], b.expand(g, x[0].size))]
    if y.op == "expand":
        return [(x[0], b.total(g))]
    if y.op == "collect":
        return [(x[0], _back_through_collect(b, y, g))]
    if y.op == "add":
        return [(x[0], g), (x[1], g)]
    if y.op == "sub":
        return [(x[0], g), (x[1], e("neg", g))]
    if y.op == "mul":
        return [(x[0], e("mul", g, x[1])), (x[1], e("mul", g, x[0]))]
    if y.op == "div":
        part = e("div", g, x[1])
        return [(x[0], part), (x[1], e("neg", e("mul", part, y)))]
    zero = b.const(0.0)
    if y.op == "select":
        yes, no = e("select", x[0], x[1], g, zero), e("select", x[0], x[1], zero, g)
        return [(x[2], yes), (x[3], no)]
    if y.op in ("maximum", "minimum"):  # a tie goes to both by halves, as in torch
        more, less = x if y.op == "maximum" else x[::-1]
        half = e("mul", g, b.const(0.5))
        first = e("select", less, more, g, e("select", more, less, zero, half))
        second = e("select", more, less, g, e("select", less, more, zero, half))
        return [(x[0], first), (x[1], second)]
    raise NotImplementedError(f"no way back through {y.op}")


def _back_through_collect(b: Builder, y: Node, g: Node) -> Node:
    (x,), (kind, starts, lists) = y.inputs, y.attr
    if kind != LARGEST:
        return b.collect(g, transposed(y))
    # shared by all that are the largest, as in torch; each feature stands in one list
    rows = [lists[starts[u] : starts[u + 1]] for u in range(y.size)]
    whose = {i: u for u, row in enumerate(rows) for i in row}

    def spread(node: Node) -> Node:
        return b.gather(node, [whose[i] for i in range(x.size)])

    zero, one = b.const(0.0), b.const(1.0)
    marks = b.elementwise("select", x, spread(y), zero, one)
    share = b.elementwise("div", g, b.collect(marks, rows))
    return b.elementwise("mul", spread(share), marks)


def _sign(b: Builder, g: Node, x: Node, y: Node) -> Node:
    zero = b.const(0.0)
    negative = b.elementwise("select", x, zero, b.elementwise("neg", g), zero)
    return b.elementwise("select", zero, x, g, negative)


def _by(op: str, factor: Callable[[Builder, Node, Node], Node]) -> Callable[..., Node]:
    return lambda b, g, x, y: b.elementwise(op, g, factor(b, x, y))


def _logistic_slope(b: Builder, x: Node, y: Node) -> Node:
    return b.elementwise("mul", y, b.elementwise("sub", b.const(1.0), y))


def _bell(b: Builder, x: Node, y: Node) -> Node:
    curve = b.elementwise("exp", b.elementwise("neg", b.elementwise("square", x)))
    return b.elementwise("mul", curve, b.const(1.1283791670955126))  # 2 / sqrt(pi)


# the derivative by the input x, from that by the result y
_OF_ONE: dict[str, Callable[[Builder, Node, Node, Node], Node]] = {
    "abs": _sign,
    "cos": _by("mul", lambda b, x, y: b.elementwise("neg", b.elementwise("sin", x))),
    "erf": _by("mul", _bell),
    "exp": _by("mul", lambda b, x, y: y),
    "log": _by("div", lambda b, x, y: x),
    "neg": lambda b, g, x, y: b.elementwise("neg", g),
    "reciprocal": lambda b, g, x, y: b.elementwise(
        "neg", b.elementwise("mul", g, b.elementwise("square", y))
    ),
    "relu": lambda b, g, x, y: b.elementwise("select", b.const(0.0), x, g, b.const(0.0)),
    "sigmoid": _by("mul", _logistic_slope),
    "sin": _by("mul", lambda b, x, y: b.elementwise("cos", x)),
    "softplus": _by("mul", lambda b, x, y: b.elementwise("sigmoid", x)),
    "sqrt": lambda b, g, x, y: b.elementwise("div", b.elementwise("mul", g, b.const(0.5)), y),
    "square": _by("mul", lambda b, x, y: b.elementwise("mul", b.const(2.0), x)),
    "tanh": _by(
        "mul", lambda b, x, y: b.elementwise("sub", b.const(1.0), b.elementwise("square", y))
    ),
}
