"""Back-propagation through two sigmoid layers in plain numbers, as one does it with a pencil.

    i1 ── w1, w3 ──► h1 ── w5, w7 ──► o1         b1 goes into h1 and h2,
    i2 ── w2, w4 ──► h2 ── w6, w8 ──► o2         b2 into o1 and o2

The article says that all gradients use the original weights (`simultaneous`), and its updated
weights do. Its errors after the first and after the 10 000th update do not: they belong to a
program that changes w5 ... w8 first and sends the error back through the changed ones
(`sequential`).
"""

from collections.abc import Iterable
from math import exp
from typing import NamedTuple

Pair = tuple[float, float]
Rows = tuple[Pair, Pair]  # one row a unit, one number for each unit below it

INPUTS: Pair = (0.05, 0.10)
TARGETS: Pair = (0.01, 0.99)
RATE = 0.5
ORDERS = ("simultaneous", "sequential")
BIASES = ("none", "shared", "unit")  # which are trained: one for each layer, or one for each unit


class Weights(NamedTuple):
    """The numbers of the network, or their gradients.

    Args:
        hidden: w1 w2, w3 w4.
        output: w5 w6, w7 w8.
        hidden_biases: of h1 and h2.
        output_biases: of o1 and o2.
    """

    hidden: Rows
    output: Rows
    hidden_biases: Pair
    output_biases: Pair


START = Weights(
    hidden=((0.15, 0.20), (0.25, 0.30)),
    output=((0.40, 0.45), (0.50, 0.55)),
    hidden_biases=(0.35, 0.35),
    output_biases=(0.60, 0.60),
)


class Pass(NamedTuple):
    """What the network computes on its way up.

    Args:
        net_h: what goes into h1 and h2.
        out_h: what comes out of them.
        net_o: what goes into o1 and o2.
        out_o: what comes out of them.
        errors: half the squared error of each output.
    """

    net_h: Pair
    out_h: Pair
    net_o: Pair
    out_o: Pair
    errors: Pair


def sigmoid(net: float) -> float:
    """1 / (1 + e^-net).

    >>> round(sigmoid(0.3775), 10)
    0.5932699921
    """
    return 1 / (1 + exp(-net))


def slope(out: float) -> float:
    """Of the sigmoid, where its value is `out`."""
    return out * (1 - out)


def forward(weights: Weights) -> Pass:
    """From the inputs to the errors.

    >>> round(sum(forward(START).errors), 10)
    0.2983711088
    """
    net_h = _nets(weights.hidden, INPUTS, weights.hidden_biases)
    out_h = _pair(sigmoid(net) for net in net_h)
    net_o = _nets(weights.output, out_h, weights.output_biases)
    out_o = _pair(sigmoid(net) for net in net_o)
    errors = _pair((t - o) ** 2 / 2 for t, o in zip(TARGETS, out_o, strict=True))
    return Pass(net_h, out_h, net_o, out_o, errors)


def backward(up: Pass, through: Rows) -> Weights:
    """The gradient of the error, which goes back to the hidden units through these w5 ... w8.

    >>> gradient = backward(forward(START), through=START.output)
    >>> [round(value, 10) for value in (*gradient.output[0], *gradient.hidden[0])]
    [0.0821670406, 0.0826676278, 0.0004385677, 0.0008771355]
    """
    outputs = zip(up.out_o, TARGETS, strict=True)
    delta_o = _pair((out - target) * slope(out) for out, target in outputs)
    delta_h = _pair(
        sum(delta_o[k] * through[k][j] for k in (0, 1)) * slope(up.out_h[j]) for j in (0, 1)
    )
    return Weights(_products(delta_h, INPUTS), _products(delta_o, up.out_h), delta_h, delta_o)


def updated(weights: Weights, order: str = "simultaneous", biases: str = "none") -> Weights:
    """The weights after one update.

    >>> round(sum(forward(updated(START)).errors), 10)
    0.2910277737
    >>> round(sum(forward(updated(START, order="sequential")).errors), 10)  # as published
    0.2910279239
    """
    up = forward(weights)
    output = _step(weights.output, backward(up, weights.output).output)
    gradient = backward(up, through=weights.output if order == "simultaneous" else output)
    return Weights(
        hidden=_step(weights.hidden, gradient.hidden),
        output=output,
        hidden_biases=_step_biases(weights.hidden_biases, gradient.hidden_biases, biases),
        output_biases=_step_biases(weights.output_biases, gradient.output_biases, biases),
    )


def trained(updates: int, order: str = "simultaneous", biases: str = "none") -> Weights:
    """The weights after so many updates from the start."""
    weights = START
    for _ in range(updates):
        weights = updated(weights, order, biases)
    return weights


def _nets(rows: Rows, below: Pair, biases: Pair) -> Pair:
    lines = zip(rows, biases, strict=True)
    return _pair(row[0] * below[0] + row[1] * below[1] + bias for row, bias in lines)


def _products(deltas: Pair, below: Pair) -> Rows:
    first, second = (_pair(delta * out for out in below) for delta in deltas)
    return first, second


def _step(rows: Rows, gradient: Rows) -> Rows:
    first, second = (
        _pair(w - RATE * g for w, g in zip(row, slopes, strict=True))
        for row, slopes in zip(rows, gradient, strict=True)
    )
    return first, second


def _step_biases(values: Pair, gradient: Pair, biases: str) -> Pair:
    if biases == "none":
        return values
    if biases == "shared":
        gradient = (sum(gradient), sum(gradient))
    return _pair(value - RATE * g for value, g in zip(values, gradient, strict=True))


def _pair(values: Iterable[float]) -> Pair:
    first, second = values
    return first, second
