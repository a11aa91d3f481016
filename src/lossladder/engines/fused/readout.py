"""The readout: outputs, the loss, and its derivatives by the outputs.

Of the cross entropy, with q_c the logits relative to class 0 (`weights.py`), p_c the softmax and w
the weight of a step in the loss:

    loss = w (log sum_c exp(q_c) - q_target)          dloss/dq_c = w (p_c - [c = target])

log sum_c exp(q_c) = m + log s with m = max_c q_c, so that s lies in [1, classes] and nothing
overflows, however small a probability. The logarithms are the costly part: the s of several steps
are multiplied and one logarithm is taken of the product, which stays far from the largest number.
"""

from typing import Any

from lossladder.engines.fused.arithmetic import (
    compiled,
    exponential,
    logarithm,
    logistic,
    magnitude,
    reciprocal,
)
from lossladder.engines.fused.instructions import choose, larger
from lossladder.engines.fused.simd import NARROW, REGISTER, WIDE, load, same, store, total, zeros

CROSS_ENTROPY, HALF_SQUARED, SQUARED = 0, 1, 2  # losses
LINEAR, LOGARITHMS, FACTORS = 0, 1, 2  # rows of `surprise`
# steps to a logarithm: 8 factors of up to 32768 classes stay below 2^120
TOGETHER = 8


@compiled
def losses(sizes: Any, scale: float, work: Any, width: int) -> float:
    """Return the slab's share of the loss, nats; leave the logits' derivatives in `logits`."""
    first, hidden = 1 + sizes.codes, sizes.hidden
    out, rows, logits = work.out, work.rows, work.logits
    targets, weights, surprise = work.targets, work.weights, work.surprise
    surprise[LINEAR] = 0
    surprise[LOGARITHMS] = 0
    surprise[FACTORS] = 1
    waiting = 0
    for t in range(sizes.steps):
        if not work.scored[t]:
            continue
        if sizes.loss == CROSS_ENTROPY and sizes.outputs == 1:
            for i in range(0, width - REGISTER, 2 * REGISTER):
                _two_classes(
                    out, rows, logits, targets, weights, surprise, first, hidden, t, i, WIDE
                )
            if width % (2 * REGISTER):
                i = width - REGISTER
                _two_classes(
                    out, rows, logits, targets, weights, surprise, first, hidden, t, i, NARROW
                )
        else:
            for i in range(0, width, REGISTER):
                _logits(out, rows, logits, first, hidden, t, i)
                if sizes.loss == CROSS_ENTROPY:
                    _many_classes(logits, targets, weights, surprise, sizes.outputs, t, i)
                else:
                    _squares(
                        sizes.loss, logits, work.values, weights, surprise, sizes.outputs, t, i
                    )
        waiting += 1
        if waiting == TOGETHER:
            _take_logarithms(surprise, width)
            waiting = 0
    _take_logarithms(surprise, width)
    linear = logarithms = zeros(surprise, NARROW)
    for i in range(0, width, REGISTER):
        linear += load(surprise, (LINEAR, i), NARROW)
        logarithms += load(surprise, (LOGARITHMS, i), NARROW)
    return total(linear) + scale * total(logarithms)


@compiled
def _take_logarithms(surprise: Any, width: int) -> None:
    for i in range(0, width, REGISTER):
        more = logarithm(load(surprise, (FACTORS, i), NARROW))
        store(surprise, (LOGARITHMS, i), load(surprise, (LOGARITHMS, i), NARROW) + more)
    surprise[FACTORS] = 1


@compiled
def _count(surprise: Any, i: int, linear: Any, factor: Any, weight: Any, width: Any) -> None:
    """Add a step to the surprise, where it is scored."""
    store(surprise, (LINEAR, i), load(surprise, (LINEAR, i), width) + weight * linear)
    # a factor of 1 where the weight is 0: its logarithm adds nothing
    factor = choose(0.0 * weight, weight, factor, 0.0 * weight + 1.0)
    store(surprise, (FACTORS, i), load(surprise, (FACTORS, i), width) * factor)


@compiled
def _two_classes(
    out: Any,
    rows: Any,
    logits: Any,
    targets: Any,
    weights: Any,
    surprise: Any,
    first: int,
    hidden: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    """Add a step of two classes: the softmax of (0, q) is the logistic function of q."""
    q, q1 = same(out, (0, 0, 0), width), zeros(logits, width)
    # two sums under way
    for unit in range(0, hidden - 1, 2):
        q += out[0, 1 + unit, 0] * load(rows, (t + 1, first + unit, i), width)
        q1 += out[0, 2 + unit, 0] * load(rows, (t + 1, first + unit + 1, i), width)
    if hidden % 2:
        q += out[0, hidden, 0] * load(rows, (t + 1, first + hidden - 1, i), width)
    q += q1
    target = load(targets, (t, i), width)
    weight = load(weights, (t, i), width)
    # of -|q|, which cannot overflow: the two signs of q share the rest
    e = exponential(0.0 - magnitude(q))
    inverse = reciprocal(1.0 + e)
    p = choose(q, 0.0, e * inverse, inverse)
    store(logits, (t, 0, i), weight * (p - target))
    _count(surprise, i, larger(q, 0.0) - target * q, 1.0 + e, weight, width)


@compiled
def _many_classes(
    logits: Any, targets: Any, weights: Any, surprise: Any, others: int, t: int, i: int
) -> None:
    """Add a step of many classes, by the softmax of (0, q_1, q_2, ...)."""
    target = load(targets, (t, i), NARROW)
    weight = load(weights, (t, i), NARROW)
    nothing = zeros(logits, NARROW)
    most = picked = nothing
    for c in range(others):
        q = load(logits, (t, c, i), NARROW)
        most = larger(q, most)
        # lanes know no "equal": within a half of the target's number is the target
        picked = picked + choose(magnitude(target - (c + 1.0)), 0.5, q, nothing)
    s = exponential(nothing - most)
    for c in range(others):
        e = exponential(load(logits, (t, c, i), NARROW) - most)
        s += e
        store(logits, (t, c, i), e)
    scale = weight * reciprocal(s)
    for c in range(others):
        at_target = choose(magnitude(target - (c + 1.0)), 0.5, weight, nothing)
        store(logits, (t, c, i), load(logits, (t, c, i), NARROW) * scale - at_target)
    _count(surprise, i, most - picked, s, weight, NARROW)


@compiled
def _squares(
    loss: int, logits: Any, values: Any, weights: Any, surprise: Any, outputs: int, t: int, i: int
) -> None:
    """Add a step of real targets: half the squared distance of the logistic function, or all."""
    weight = load(weights, (t, i), NARROW)
    distance = zeros(logits, NARROW)
    for c in range(outputs):
        q, target = load(logits, (t, c, i), NARROW), load(values, (t, c, i), NARROW)
        p = logistic(q)
        p = p if loss == HALF_SQUARED else q
        off = p - target
        slope = off * p * (1.0 - p) if loss == HALF_SQUARED else 2.0 * off
        distance += 0.5 * off * off if loss == HALF_SQUARED else off * off
        store(logits, (t, c, i), weight * slope)
    store(surprise, (LINEAR, i), load(surprise, (LINEAR, i), NARROW) + weight * distance)


@compiled
def _logits(out: Any, rows: Any, logits: Any, first: int, hidden: int, t: int, i: int) -> None:
    for four in range(out.shape[0]):
        weight = out[four]
        s0, s1 = same(weight, (0, 0), NARROW), same(weight, (0, 1), NARROW)
        s2, s3 = same(weight, (0, 2), NARROW), same(weight, (0, 3), NARROW)
        for unit in range(hidden):
            v = load(rows, (t + 1, first + unit, i), NARROW)
            s0 += weight[1 + unit, 0] * v
            s1 += weight[1 + unit, 1] * v
            s2 += weight[1 + unit, 2] * v
            s3 += weight[1 + unit, 3] * v
        store(logits, (t, 4 * four, i), s0)
        store(logits, (t, 4 * four + 1, i), s1)
        store(logits, (t, 4 * four + 2, i), s2)
        store(logits, (t, 4 * four + 3, i), s3)


@compiled
def add_products(sizes: Any, work: Any, width: int) -> None:
    """Add to the readout's gradient, sums over steps and sequences of dloss/dq_c times 1 and h."""
    rows, sums, first = work.rows, work.out_sums, 1 + sizes.codes
    for c in range(sizes.outputs):
        for unit in range(0, sizes.hidden, 4):
            bias = s0 = s1 = s2 = s3 = zeros(rows, NARROW)
            for t in range(sizes.steps):
                if not work.scored[t]:
                    continue
                for i in range(0, width, REGISTER):
                    v = load(work.logits, (t, c, i), NARROW)
                    bias += v
                    s0 += v * load(rows, (t + 1, first + unit, i), NARROW)
                    s1 += v * load(rows, (t + 1, first + unit + 1, i), NARROW)
                    s2 += v * load(rows, (t + 1, first + unit + 2, i), NARROW)
                    s3 += v * load(rows, (t + 1, first + unit + 3, i), NARROW)
            # every four sums it anew, and one of them is enough
            if unit == 0:
                sums[c, 0] += total(bias)
            sums[c, unit + 1] += total(s0)
            sums[c, unit + 2] += total(s1)
            sums[c, unit + 3] += total(s2)
            sums[c, unit + 4] += total(s3)
