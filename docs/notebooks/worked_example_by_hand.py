"""The worked example of back-propagation: every number by hand, each beside that of autograd.

python docs/notebooks/worked_example_by_hand.py      prints the calculation, line by line

    i1 ── w1, w3 ──► h1 ── w5, w7 ──► o1         b1 goes into h1 and h2,
    i2 ── w2, w4 ──► h2 ── w6, w8 ──► o2         b2 into o1 and o2

All units are sigmoids, and the loss is half the squared error. The article says that all gradients
use the original weights (`simultaneous`), and its updated weights do. Its errors after the first
and after the 10 000th update do not: they belong to a program that changes w5 ... w8 first and
sends the error back through the changed ones (`sequential`).

Source: Mazur (2015), "A Step by Step Backpropagation Example".
"""

from collections.abc import Iterable, Iterator
from itertools import product
from math import exp
from typing import NamedTuple

import torch
from torch import Tensor

from lossladder.tasks.worked_example import INPUTS, TARGETS

Pair = tuple[float, float]
Rows = tuple[Pair, Pair]  # one row a unit, one number for each unit below it
Line = tuple[str, str, float]  # name, how it comes about, value

RATE = 0.5
ORDERS = ("simultaneous", "sequential")
BIASES = ("none", "shared", "unit")  # which are trained: one for each layer, or one for each unit
LENGTHS = (1, 10_000)  # updates after which the page tells the error
_KINDS = {"none": "frozen", "shared": "trained, one a layer", "unit": "trained, one a unit"}


# --- by hand --------------------------------------------------------------------------------


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
    """The numbers that the network computes on its way up.

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
    """Return 1 / (1 + e^-net).

    >>> round(sigmoid(0.3775), 10)
    0.5932699921
    """
    return 1 / (1 + exp(-net))


def slope(out: float) -> float:
    """Return the slope of the sigmoid where its value is `out`."""
    return out * (1 - out)


def forward(weights: Weights) -> Pass:
    """Compute everything from the inputs to the errors.

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
    """Return the gradient of the error, sent back to the hidden units through these w5 ... w8.

    >>> gradient = backward(forward(START), through=START.output)
    >>> [round(value, 10) for value in (*gradient.output[0], *gradient.hidden[0])]
    [0.0821670406, 0.0826676278, 0.0004385677, 0.0008771355]
    """
    outputs = zip(up.out_o, TARGETS, strict=True)
    delta_o = _pair((out - target) * slope(out) for out, target in outputs)
    # a hidden unit has two ways to the error, one through each output: they are added up
    delta_h = _pair(
        sum(delta_o[k] * through[k][j] for k in (0, 1)) * slope(up.out_h[j]) for j in (0, 1)
    )
    return Weights(_products(delta_h, INPUTS), _products(delta_o, up.out_h), delta_h, delta_o)


def updated(weights: Weights, order: str = "simultaneous", biases: str = "none") -> Weights:
    """Return the weights after one update.

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
    """Return the weights after so many updates from the start."""
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


# --- by autograd ----------------------------------------------------------------------------


class Autograd:
    """The same network in torch's tensors, with torch's gradients.

    Args:
        order: simultaneous or sequential.
        biases: which are trained: none, shared or unit.
    """

    def __init__(self, order: str, biases: str = "none") -> None:
        def tensor(values: object) -> Tensor:
            return torch.tensor(values, dtype=torch.float64)

        def start(of: Pair) -> Tensor:
            shown = tensor(of[:1] if biases == "shared" else of)
            return shown.requires_grad_(biases != "none")

        self.order = order
        self.inputs, self.targets = tensor(INPUTS), tensor(TARGETS)
        self.hidden = tensor(START.hidden).requires_grad_()
        self.output = tensor(START.output).requires_grad_()
        self.biases = [start(START.hidden_biases), start(START.output_biases)]

    def forward(self) -> dict[str, Tensor]:
        """Compute every number on the way up, by name."""
        net_h = self.hidden @ self.inputs + self.biases[0]
        out_h = net_h.sigmoid()
        net_o = self.output @ out_h + self.biases[1]
        out_o = net_o.sigmoid()
        errors = (self.targets - out_o) ** 2 / 2
        return {"net_h": net_h, "out_h": out_h, "net_o": net_o, "out_o": out_o, "E_o": errors}

    def update(self) -> dict[str, Tensor]:
        """Make one update; return the gradients of both layers."""
        numbers = self.forward()
        error, net_o = numbers["E_o"].sum(), numbers["net_o"]
        above = [self.output, *([self.biases[1]] if self.biases[1].requires_grad else [])]
        below = [self.hidden, *([self.biases[0]] if self.biases[0].requires_grad else [])]
        delta_o, *for_above = torch.autograd.grad(error, [net_o, *above], retain_graph=True)
        if self.order == "simultaneous":
            for_below = torch.autograd.grad(error, below)
            self._step(above, for_above)
        else:  # the error goes back through what has been changed already
            self._step(above, for_above)
            for_below = torch.autograd.grad(delta_o @ (self.output @ numbers["out_h"]), below)
        self._step(below, for_below)
        return {"hidden": for_below[0], "output": for_above[0]}

    @staticmethod
    @torch.no_grad()
    def _step(parameters: list[Tensor], gradients: list[Tensor] | tuple[Tensor, ...]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            # a new number at the same place: what has been computed with the old one stays as it is
            parameter.data = parameter - RATE * gradient

    def error(self) -> float:
        """Return the error of both outputs together."""
        return self.forward()["E_o"].sum().item()


# --- the page: both, side by side -----------------------------------------------------------


def going_up() -> Iterator[Line]:
    """Yield every number from the inputs to the error."""
    up = forward(START)
    layers = ("h", START.hidden, INPUTS, "i"), ("o", START.output, up.out_h, "out_h")
    nets, outs = (up.net_h, up.net_o), (up.out_h, up.out_o)
    biases = START.hidden_biases, START.output_biases
    for place, (layer, rows, below, name) in enumerate(layers):
        for unit, row in enumerate(rows):
            number = 4 * place + 2 * unit + 1
            names = f"w{number} {name}1 + w{number + 1} {name}2 + b{place + 1}"
            sums = " + ".join(f"{w:g}*{x:.6g}" for w, x in zip(row, below, strict=True))
            net, out = nets[place][unit], outs[place][unit]
            yield f"net_{layer}{unit + 1}", f"{names} = {sums} + {biases[place][unit]:g}", net
            yield f"out_{layer}{unit + 1}", f"1 / (1 + e^-net_{layer}{unit + 1})", out
    for unit, error in enumerate(up.errors):
        name = f"{unit + 1}"
        yield f"E_o{name}", f"1/2 ({TARGETS[unit]:g} - {up.out_o[unit]:.8f})^2", error
    yield "E", "E_o1 + E_o2", sum(up.errors)


def going_down(order: str) -> Iterator[Line]:
    """Yield every gradient with the factors of its chain rule."""
    up = forward(START)
    through = START.output if order == "simultaneous" else updated(START).output
    gradient = backward(up, through)
    for unit, row in enumerate(gradient.output):
        out = up.out_o[unit]
        for place, value in enumerate(row):
            factors = out - TARGETS[unit], slope(out), up.out_h[place]
            names = f"dE/dout_o{unit + 1} * dout_o{unit + 1}/dnet_o{unit + 1} * out_h{place + 1}"
            yield f"dE/dw{5 + 2 * unit + place}", f"{names} = {_product(factors)}", value
    for unit, row in enumerate(gradient.hidden):
        out = up.out_h[unit]
        comes_back = sum(gradient.output_biases[k] * through[k][unit] for k in (0, 1))
        for place, value in enumerate(row):
            factors = comes_back, slope(out), INPUTS[place]
            names = f"dE/dout_h{unit + 1} * dout_h{unit + 1}/dnet_h{unit + 1} * i{place + 1}"
            yield f"dE/dw{1 + 2 * unit + place}", f"{names} = {_product(factors)}", value


def afterwards(order: str) -> Iterator[Line]:
    """Yield the weights after one update, and the error they make."""
    weights = updated(START, order)
    pairs = zip(_numbered(START), _numbered(weights), strict=True)
    for number, (before, after) in enumerate(pairs, start=1):
        yield f"w{number}+", f"{before:g} - {RATE:g} dE/dw{number}", after
    yield "E", "with the new weights", sum(forward(weights).errors)


def autograds(order: str) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return autograd's numbers for `going_up`, `going_down` and `afterwards`, by name."""
    network = Autograd(order)
    up = {
        f"{name}{unit}": value
        for name, pair in network.forward().items()
        for unit, value in enumerate(_numbers(pair), start=1)
    }
    up["E"] = network.error()
    slopes = network.update()
    gradients = _numbers(slopes["hidden"], slopes["output"])
    down = {f"dE/dw{number}": value for number, value in enumerate(gradients, start=1)}
    weights = _numbers(network.hidden, network.output)
    after = {f"w{number}+": value for number, value in enumerate(weights, start=1)}
    return up, down, {**after, "E": network.error()}


def page() -> str:
    """Return the whole calculation, line by line."""
    text = [
        f"inputs {INPUTS}, targets {TARGETS}, learning rate {RATE}; two sigmoids, two sigmoids\n",
        *_section("up", going_up(), autograds(ORDERS[0])[0]),
    ]
    for order in ORDERS:
        _, down, after = autograds(order)
        which = "the original" if order == "simultaneous" else "the already updated"
        text += _section(f"down, {order}: through {which} w5 ... w8", going_down(order), down)
        text += _section(f"after one update, {order}", afterwards(order), after)
    for updates in LENGTHS:
        text.append(_head(f"error after {updates:,} update{'s' * (updates > 1)}"))
        text += [_ending(updates, order, biases) for order, biases in product(ORDERS, BIASES)]
    return "\n".join(text)


def _ending(updates: int, order: str, biases: str) -> str:
    """Return the line of the error after so many updates, by hand and by autograd."""
    by_hand = sum(forward(trained(updates, order, biases)).errors)
    network = Autograd(order, biases)
    for _ in range(updates):
        network.update()
    name = f"{order}, biases {_KINDS[biases]}"
    return f"  {name:<86}{by_hand:14.6e}{network.error():14.6e}"


def _head(title: str) -> str:
    return f"{title:<88}{'by hand':>14}{'autograd':>14}"


def _section(title: str, lines: Iterator[Line], autograd: dict[str, float]) -> list[str]:
    rows = [_head(title)]
    for name, how, value in lines:
        rows.append(f"  {name:<8}{how:<78}{value:14.10f}{autograd[name]:14.10f}")
    return [*rows, ""]


def _numbers(*tensors: Tensor) -> list[float]:
    return [number.item() for tensor in tensors for number in tensor.flatten()]


def _numbered(weights: Weights) -> tuple[float, ...]:
    """Return w1 ... w8."""
    return (*weights.hidden[0], *weights.hidden[1], *weights.output[0], *weights.output[1])


def _product(factors: tuple[float, ...]) -> str:
    return " * ".join(f"{factor:.8g}" for factor in factors)


if __name__ == "__main__":
    print(page())
