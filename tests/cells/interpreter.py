"""The graph in NumPy, one operation at a time: what compiled code is held against."""

import math

import numpy as np

from lossladder.engines.fused.graph import Node, order, places
from lossladder.engines.fused.reverse import differentiate, differentiate_derived

erf = np.vectorize(math.erf)
FUNCTIONS = {
    "abs": np.abs,
    "cos": np.cos,
    "erf": erf,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "neg": np.negative,
    "reciprocal": lambda a: 1 / a,
    "relu": lambda a: np.maximum(a, 0),
    "round": np.rint,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "sin": np.sin,
    "softplus": lambda a: np.logaddexp(a, 0),
    "sqrt": np.sqrt,
    "square": np.square,
    "stop": lambda a: a,
    "tanh": np.tanh,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "select": lambda a, b, yes, no: np.where(a < b, yes, no),
}


def matrix(flat, weight):
    base, offset, shape, strides = weight
    return flat[base][places(shape, strides, offset)]


def collected(node, value):
    kind, starts, lists = node.attr
    rows = [value[..., list(lists[starts[u] : starts[u + 1]])] for u in range(node.size)]
    how = np.sum if kind == "sum" else np.max
    return np.stack([how(row, -1) for row in rows], -1)


def evaluate(outputs, values, flat):
    """Fill `values`, in which the leaves are, with all that outputs are made of."""
    for node in order(outputs):
        if node in values:
            continue
        given = [values[i] for i in node.inputs]
        if node.op == "const":
            values[node] = np.full((1,), node.attr)
        elif node.op == "view":
            values[node] = flat[node.attr[0]][list(node.attr[1])]
        elif node.op == "affine":
            weights, biases = node.attr
            rows = max(len(v) for v, i in zip(given, node.inputs, strict=True) if i.batched)
            wide = [np.broadcast_to(v, (rows, v.shape[-1])) for v in given]
            total = sum(v @ matrix(flat, w) for v, w in zip(wide, weights, strict=True))
            values[node] = total + sum(flat[base][list(picked)] for base, picked in biases)
        elif node.op == "part":
            values[node] = given[0][:, slice(*node.attr)]
        elif node.op in ("concat", "join"):
            values[node] = np.concatenate(given, -1)
        elif node.op == "sum":
            values[node] = given[0].sum(-1, keepdims=True)
        elif node.op == "expand":
            # of parameters: what each place adds to one number
            shape = (*given[0].shape[:-1], max(node.size, given[0].shape[-1]))
            values[node] = np.broadcast_to(given[0], shape)
        elif node.op == "collect":
            values[node] = collected(node, given[0])
        elif node.op == "matmul":
            n, k, m = node.attr
            values[node] = (given[0].reshape(n, k) @ given[1].reshape(k, m)).ravel()
        else:
            values[node] = FUNCTIONS[node.op](*given)
    return values


def numbers(graph):
    """Parameters by name, and what is derived from them."""
    flat = {n: t.detach().double().numpy().ravel() for n, t in graph.tensors.items()}
    for node in graph.derived:
        flat[node] = evaluate([node], {}, flat)[node]
    return flat


def step(graph, x, state, given):
    """One step there and back, of the network's own states.

    Returns: what the readout reads; the state after; the gradients of the sum of results times
    `given` (the read part first) by the state, a list of parts, and by parameters.
    """
    b, flat = graph.builder, numbers(graph)
    values: dict[Node, np.ndarray] = {b.given("input", graph.input_size): x}
    for part, pieces, cot in zip(graph.parts, graph.pieces, given, strict=True):
        for piece in pieces:
            at = slice(piece.attr[1], piece.attr[1] + piece.size)
            if part is not None:
                values[piece] = state[part][:, at]
            values[b.given("cot", piece.size, piece.attr)] = cot[:, at]
    pieces, results = graph.flat()
    back = differentiate(b, results, pieces)
    evaluate(results, values, flat)
    evaluate([*back.sums.values(), *back.direct.values(), *back.vectors.values()], values, flat)
    gradient = {base: np.zeros_like(v) for base, v in flat.items()}
    for affine, g in back.sums.items():
        for operand, (base, offset, shape, strides) in zip(
            affine.inputs, affine.attr[0], strict=True
        ):
            index = places(shape, strides, offset)
            wide = np.broadcast_to(values[operand], (len(x), operand.size))
            np.add.at(gradient[base], index, wide.T @ values[g])
        for base, picked in affine.attr[1]:
            np.add.at(gradient[base], list(picked), values[g].sum(0))
    for leaf, g in back.vectors.items():
        base, picked = leaf.attr
        value = np.broadcast_to(values[g], (len(x), g.size)).sum(0)
        np.add.at(gradient[base], list(picked), value)
    for node in reversed(graph.derived):
        derived_back(graph, node, flat, gradient)
    by_state = [np.zeros_like(part) for part in state]
    for part, own in zip(graph.parts, graph.pieces, strict=True):
        for piece in own if part is not None else ():
            at = slice(piece.attr[1], piece.attr[1] + piece.size)
            if piece in back.direct:
                by_state[part][:, at] += values[back.direct[piece]]
            for affine, weight in back.later.get(piece, []):
                by_state[part][:, at] += values[back.sums[affine]] @ matrix(flat, weight)
    after = [np.concatenate([values[r] for r in part], 1) for part in graph.results]
    return after, by_state, gradient


def derived_back(graph, node, flat, gradient):
    """Through what was computed from parameters alone."""
    b, cot = graph.builder, graph.builder.given("cot", node.size, ("derived", node))
    g = gradient[node]

    def add(view, value):
        if view.op == "view":
            base, picked = view.attr
            np.add.at(gradient[base], list(picked) * (len(value) // len(picked)), value)

    if node.op == "matmul":
        n, k, m = node.attr
        values = evaluate(node.inputs, {}, flat)
        left, right = (values[i] for i in node.inputs)
        add(node.inputs[0], (g.reshape(n, m) @ right.reshape(k, m).T).ravel())
        add(node.inputs[1], (left.reshape(n, k).T @ g.reshape(n, m)).ravel())
    elif node.op == "join":
        at = 0
        for part in node.inputs:
            add(part, g[at : at + part.size])
            at += part.size
    elif node.op == "collect":
        _, starts, lists = node.attr
        for u in range(node.size):
            for i in lists[starts[u] : starts[u + 1]]:
                one = np.zeros(node.inputs[0].size)
                one[i] = g[u]
                add(node.inputs[0], one)
    else:
        values = evaluate([node], {cot: g}, flat)
        for leaf, part in differentiate_derived(b, node, cot).items():
            evaluate([part], values, flat)
            add(leaf, values[part])
