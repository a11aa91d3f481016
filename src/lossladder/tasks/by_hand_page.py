"""The calculation by hand as a page: every number, with its factors, beside that of autograd."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from lossladder.tasks import by_hand
from lossladder.tasks.by_hand import BIASES, INPUTS, ORDERS, RATE, START, TARGETS, Weights

Line = tuple[str, str, float]  # name, how it comes about, value
LENGTHS = (1, 10_000)  # updates
_KINDS = {"none": "frozen", "shared": "trained, one a layer", "unit": "trained, one a unit"}


class Autograd:
    """The same network in torch's tensors, with torch's gradients.

    Args:
        order: simultaneous or sequential.
        biases: which are trained: none, shared or unit.
    """

    def __init__(self, order: str, biases: str = "none") -> None:
        def tensor(values: object) -> Tensor:
            return torch.tensor(values, dtype=torch.float64)

        def start(of: by_hand.Pair) -> Tensor:
            shown = tensor(of[:1] if biases == "shared" else of)
            return shown.requires_grad_(biases != "none")

        self.order = order
        self.inputs, self.targets = tensor(INPUTS), tensor(TARGETS)
        self.hidden = tensor(START.hidden).requires_grad_()
        self.output = tensor(START.output).requires_grad_()
        self.biases = [start(START.hidden_biases), start(START.output_biases)]

    def forward(self) -> dict[str, Tensor]:
        """Every number on the way up."""
        net_h = self.hidden @ self.inputs + self.biases[0]
        out_h = net_h.sigmoid()
        net_o = self.output @ out_h + self.biases[1]
        out_o = net_o.sigmoid()
        errors = (self.targets - out_o) ** 2 / 2
        return {"net_h": net_h, "out_h": out_h, "net_o": net_o, "out_o": out_o, "E_o": errors}

    def update(self) -> dict[str, Tensor]:
        """One update; returns the gradients."""
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
        """Of both outputs."""
        return self.forward()["E_o"].sum().item()


def going_up() -> Iterator[Line]:
    """Every number from the inputs to the error."""
    up = by_hand.forward(START)
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
    """Every gradient with the factors of its chain rule."""
    up = by_hand.forward(START)
    through = START.output if order == "simultaneous" else by_hand.updated(START).output
    gradient = by_hand.backward(up, through)
    for unit, row in enumerate(gradient.output):
        out = up.out_o[unit]
        for place, value in enumerate(row):
            factors = out - TARGETS[unit], by_hand.slope(out), up.out_h[place]
            names = f"dE/dout_o{unit + 1} * dout_o{unit + 1}/dnet_o{unit + 1} * out_h{place + 1}"
            yield f"dE/dw{5 + 2 * unit + place}", f"{names} = {_product(factors)}", value
    for unit, row in enumerate(gradient.hidden):
        out = up.out_h[unit]
        comes_back = sum(gradient.output_biases[k] * through[k][unit] for k in (0, 1))
        for place, value in enumerate(row):
            factors = comes_back, by_hand.slope(out), INPUTS[place]
            names = f"dE/dout_h{unit + 1} * dout_h{unit + 1}/dnet_h{unit + 1} * i{place + 1}"
            yield f"dE/dw{1 + 2 * unit + place}", f"{names} = {_product(factors)}", value


def afterwards(order: str) -> Iterator[Line]:
    """The weights after one update, and the error they make."""
    weights = by_hand.updated(START, order)
    pairs = zip(_numbered(START), _numbered(weights), strict=True)
    for number, (before, after) in enumerate(pairs, start=1):
        yield f"w{number}+", f"{before:g} - {RATE:g} dE/dw{number}", after
    yield "E", "with the new weights", sum(by_hand.forward(weights).errors)


def autograds(order: str) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """By name what autograd makes of `going_up`, `going_down` and `afterwards`."""
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
    """Everything, line by line."""
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
    """The error after so many updates, by hand and by autograd."""
    ours = sum(by_hand.forward(by_hand.trained(updates, order, biases)).errors)
    network = Autograd(order, biases)
    for _ in range(updates):
        network.update()
    name = f"{order}, biases {_KINDS[biases]}"
    return f"  {name:<86}{ours:14.6e}{network.error():14.6e}"


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
    """w1 ... w8."""
    return (*weights.hidden[0], *weights.hidden[1], *weights.output[0], *weights.output[1])


def _product(factors: tuple[float, ...]) -> str:
    return " * ".join(f"{factor:.8g}" for factor in factors)
