"""The readout: outputs, the loss, and its derivatives by the outputs.

Of the cross entropy, with q_c the logits relative to class 0 (`weights.py`), p_c the softmax and w
the weight of a step in the loss:

    loss = w (log sum_c exp(q_c) - q_target)          dloss/dq_c = w (p_c - [c = target])

log sum_c exp(q_c) = m + log s with m = max_c q_c, so that s lies in [1, classes] and nothing
overflows, however small a probability. The logarithms are the costly part: the s of several steps
and sequences are multiplied and one logarithm is taken of the product, which stays far from the
largest number.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from lossladder.engines.fused.writer import Array, Numbers, Variable, Whole, Writer

CROSS_ENTROPY, HALF_SQUARED, SQUARED = 0, 1, 2  # losses
LINEAR, FACTORS = 0, 1  # rows of `surprise`


def factors_to_a_logarithm(outputs: int) -> int:
    """Return how many factors, each at most outputs + 1, stay below 2^120 when multiplied.

    >>> factors_to_a_logarithm(1), factors_to_a_logarithm(20)
    (120, 24)
    """
    return 120 // max(1, outputs.bit_length())


class _Surprise(NamedTuple):
    """What some sequences have paid so far: the linear part, and factors multiplied."""

    linear: Variable
    factors: Variable

    def add(self, weight: Numbers, linear: Numbers, factor: Numbers) -> None:
        """Write the addition of a step, where it is scored."""
        self.linear.add(weight * linear)
        # a factor of 1 where the weight is 0: its logarithm adds nothing
        factor = (weight * 0.0).below(weight, factor, 1.0)
        self.factors.set(self.factors.get() * factor)


class Readout:
    """Writes what lies between the cell's way there and its way back.

    Args:
        w: writes the code.
        rows: (steps + 1, rows, width).
        width: lanes in use; behind them zeros fill up a register.
        scale: weight of a step in the loss.
    """

    def __init__(self, w: Writer, rows: Array, width: Whole, scale: Numbers) -> None:
        self.w, self.rows, self.width, self.scale = w, rows, width, scale
        self.whole = width.up(w.register)
        lanes, lines = w["lanes"], w["lines"]
        self.first, self.hidden, self.outputs = w["codes"] + 1, w["hidden"], w["outputs"]
        self.logits = w.array("logits", w["fours"], lanes)
        self.targets, self.weights = w.array("targets", lanes), w.array("weights", lanes)
        self.values = w.array("values", self.outputs, lanes)
        self.surprise = w.array("surprise", lanes)
        self.out, self.out_sums = w.array("out", lines, 4), w.array("out_sums", lines)
        self.scored = w.array("scored", bytes_=1)

    def losses(self, total: Variable) -> None:
        """Write the losses of all steps, added to `total`, and the logits' derivatives."""
        w = self.w
        two = w["loss"].is_(CROSS_ENTROPY) & self.outputs.is_(1)
        with w.range(0, self.whole, step=w.register) as i:
            self.surprise.store((LINEAR, i), 0.0, w.register)
            self.surprise.store((FACTORS, i), 1.0, w.register)
        for taken, step, wide in ((two, self._two_classes, 2), (~two, self._many, 1)):
            with w.when(taken):
                w.spans(self.width, partial(self._steps, step), (wide * w.register, w.fewest))
        linear, logarithms = w.variable(), w.variable()
        with w.range(0, self.whole, step=w.register) as i:
            linear.add(self.surprise.load((LINEAR, i), w.register))
        # the factors of sequences side by side are multiplied as well
        several = w["together"] // w["steps"].smaller(w["together"]) * w.register
        with w.range(0, self.whole, step=several) as start:
            product = w.variable(start=1.0)
            with w.range(start, (start + several).smaller(self.whole), step=w.register) as i:
                product.set(product.get() * self.surprise.load((FACTORS, i), w.register))
            logarithms.add(product.get().of("log"))
        total.add(linear.get().total() + self.scale * logarithms.get().total())

    def _steps(self, step: Callable[..., None], i: Whole, width: int) -> None:
        """Write all steps of some sequences, whose surprise stays in registers meanwhile."""
        w, together = self.w, self.w["together"]
        surprise = _Surprise(w.variable(width), w.variable(width, start=1.0))
        with w.range(0, w["steps"], step=together) as first:
            end = first + together
            with w.range(first, end.smaller(w["steps"])) as t, w.when(~self.scored[t].is_(0)):
                step(t, i, width, surprise)
            with w.when(end < w["steps"]):
                surprise.linear.add(self.scale * surprise.factors.get().of("log"))
                surprise.factors.set(1.0)
        self.surprise.store((LINEAR, i), surprise.linear.get(), width)
        self.surprise.store((FACTORS, i), surprise.factors.get(), width)

    def _two_classes(self, t: Whole, i: Whole, width: int, surprise: _Surprise) -> None:
        """Write a step of two classes: the softmax of (0, q) is the logistic function of q."""
        w = self.w
        # two sums under way
        sums = [w.variable(width), w.variable(width)]
        sums[0].set(self.out[0, 0, 0])
        with w.range(0, self.hidden - 1, step=2) as unit:
            for k, total in enumerate(sums):
                row = self.rows.load((t + 1, self.first + unit + k, i), width)
                total.add(self.out[0, unit + (1 + k), 0] * row)
        with w.when((self.hidden % 2).is_(1)):
            row = self.rows.load((t + 1, self.first + self.hidden - 1, i), width)
            sums[0].add(self.out[0, self.hidden, 0] * row)
        q = sums[0].get() + sums[1].get()
        target, weight = self.targets.load((t, i), width), self.weights.load((t, i), width)
        # of -|q|, which cannot overflow: the two signs of q share the rest
        e = q.of("abs").of("neg").of("exp")
        p = q.below(0.0, e, 1.0).fast_ratio(e + 1.0)
        self.logits.store((t, 0, i), weight * (p - target), width)
        surprise.add(weight, q.of("relu") - target * q, e + 1.0)

    def _many(self, t: Whole, i: Whole, width: int, surprise: _Surprise) -> None:
        """Write a step of many classes, or of real targets."""
        w = self.w
        self._outputs(t, i, width)
        with w.when(w["loss"].is_(CROSS_ENTROPY)):
            self._many_classes(t, i, width, surprise)
        for loss in (HALF_SQUARED, SQUARED):
            with w.when(w["loss"].is_(loss)):
                self._squares(t, i, width, surprise, loss)

    def _outputs(self, t: Whole, i: Whole, width: int) -> None:
        """Write the outputs of a step, four at a time."""
        w = self.w
        with w.range(0, self.outputs, step=4) as c:
            four = Whole(w, w.b.lshr(c.value, w.whole(2).value))
            sums = [w.variable(width) for _ in range(4)]
            for k, total in enumerate(sums):
                total.set(self.out[four, 0, k])
            with w.range(self.hidden) as unit:
                row = self.rows.load((t + 1, self.first + unit, i), width)
                for k, total in enumerate(sums):
                    total.add(self.out[four, unit + 1, k] * row)
            for k, total in enumerate(sums):
                self.logits.store((t, c + k, i), total.get(), width)

    def _many_classes(self, t: Whole, i: Whole, width: int, surprise: _Surprise) -> None:
        """Write a step of many classes, by the softmax of (0, q_1, q_2, ...)."""
        w = self.w
        target, weight = self.targets.load((t, i), width), self.weights.load((t, i), width)
        most, picked = w.variable(width), w.variable(width)
        with w.range(self.outputs) as c:
            q = self.logits.load((t, c, i), width)
            most.set(q.larger(most.get()))
            picked.add(self._at_target(target, c, q))
        s = w.variable(width)
        s.set(most.get().of("neg").of("exp"))
        with w.range(self.outputs) as c:
            e = (self.logits.load((t, c, i), width) - most.get()).of("exp")
            s.add(e)
            self.logits.store((t, c, i), e, width)
        scale = weight.fast_ratio(s.get())
        with w.range(self.outputs) as c:
            slope = self.logits.load((t, c, i), width) * scale
            self.logits.store((t, c, i), slope - self._at_target(target, c, weight), width)
        surprise.add(weight, most.get() - picked.get(), s.get())

    def _at_target(self, target: Numbers, c: Whole, value: Numbers) -> Numbers:
        # lanes know no "equal": within a half of the target's number is the target
        off = (target - self.w.real(c + 1)).of("abs")
        return off.below(0.5, value, 0.0)

    def _squares(self, t: Whole, i: Whole, width: int, surprise: _Surprise, loss: int) -> None:
        """Write a step of real targets: half the squared distance, or all of it."""
        w = self.w
        weight, distance = self.weights.load((t, i), width), w.variable(width)
        with w.range(self.outputs) as c:
            q = self.logits.load((t, c, i), width)
            p = q.of("sigmoid") if loss == HALF_SQUARED else q
            off = p - self.values.load((t, c, i), width)
            if loss == HALF_SQUARED:
                distance.add(off * off * 0.5)
                slope = off * p * (1.0 - p)
            else:
                distance.add(off * off)
                slope = off * 2.0
            self.logits.store((t, c, i), weight * slope, width)
        surprise.linear.add(weight * distance.get())

    def add_products(self) -> None:
        """Write the readout's gradient: sums over steps and sequences of dloss/dq times 1 and h."""
        w, register = self.w, self.w.register
        with w.range(self.outputs) as c, w.range(0, self.hidden, step=4) as unit:
            bias, sums = w.variable(), [w.variable() for _ in range(4)]
            with (
                w.range(w["steps"]) as t,
                w.when(~self.scored[t].is_(0)),
                w.range(0, self.whole, step=register) as i,
            ):
                slope = self.logits.load((t, c, i), register)
                bias.add(slope)
                for k, total in enumerate(sums):
                    row = self.rows.load((t + 1, self.first + unit + k, i), register)
                    total.add(slope * row)
            # every four sums it anew, and one of them is enough
            with w.when(unit.is_(0)):
                self.out_sums.add((c, 0), bias.get().total())
            self.out_sums.add((c, unit + 1), w.totals([total.get() for total in sums]), 4)
