"""The sums of products that training consists of.

    forward     sum_k  w[j, k] row[k]         four j at once
    backward    sum_j  w[j, k] grad[j]        four k at once
    gradient    sum_{t, i}  row[t, k, i] grad[t, j, i]     three k by four j at once

Taking several sums at once is what makes them fast: each load then serves several multiplications,
and several additions are under way while one waits for the one before.
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.simd import NARROW, REGISTER, load, store, total, zeros


@compiled
def state_gradients(
    logits: Any,
    gates: Any,
    out_back: Any,
    back: Any,
    four: int,
    skip: int,
    others: int,
    lines: int,
    t: int,
    i: int,
    width: Any,
) -> Any:
    """Return dL/dh of the four units numbered `four`; for the arrays see `Work`.

        dL/dh_k = sum_c out[c, k] dlogit_c + sum_j weight_hh[j, k] dgate_j

    over the `others` logits of step t (classes - 1, or 0 where it is not scored), and the `lines`
    columns of `gates` a step later (0 at the last step), without the first `skip` of them, into
    which no state went.
    """
    s0 = s1 = s2 = s3 = zeros(logits, width)
    for c in range(others):
        v = load(logits, (t, c, i), width)
        s0 += out_back[four, c, 0] * v
        s1 += out_back[four, c, 1] * v
        s2 += out_back[four, c, 2] * v
        s3 += out_back[four, c, 3] * v
    for j in range(lines):
        v = load(gates, (t + 1, skip + j, i), width)
        s0 += back[four, j, 0] * v
        s1 += back[four, j, 1] * v
        s2 += back[four, j, 2] * v
        s3 += back[four, j, 3] * v
    return s0, s1, s2, s3


@compiled
def collect(
    grad: Any,
    logits: Any,
    gates: Any,
    out_back: Any,
    back: Any,
    skip: int,
    others: int,
    lines: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    """Store `state_gradients` of all units in `grad`."""
    for four in range(back.shape[0]):
        unit = 4 * four
        for s in state_gradients(
            logits, gates, out_back, back, four, skip, others, lines, t, i, width
        ):
            store(grad, (unit, i), s)
            unit += 1


@compiled
def add_products(
    sums: Any,
    rows: Any,
    gates: Any,
    row_to: int,
    from_column: int,
    to_column: int,
    steps: int,
    width: int,
) -> None:
    """Add to sums[k, j] the sum over steps and sequences of rows[k] times gates[j]."""
    # three by four: with 12 sums under way, 7 loads serve 12 multiplications
    for j in range(from_column, to_column, 4):
        for k in range(0, row_to, 3):
            a0 = a1 = a2 = a3 = zeros(rows, NARROW)
            b0 = b1 = b2 = b3 = zeros(rows, NARROW)
            c0 = c1 = c2 = c3 = zeros(rows, NARROW)
            for t in range(steps):
                for i in range(0, width, REGISTER):
                    a = load(rows, (t, k, i), NARROW)
                    b = load(rows, (t, k + 1, i), NARROW)
                    c = load(rows, (t, k + 2, i), NARROW)
                    g = load(gates, (t, j, i), NARROW)
                    a0 += a * g
                    b0 += b * g
                    c0 += c * g
                    g = load(gates, (t, j + 1, i), NARROW)
                    a1 += a * g
                    b1 += b * g
                    c1 += c * g
                    g = load(gates, (t, j + 2, i), NARROW)
                    a2 += a * g
                    b2 += b * g
                    c2 += c * g
                    g = load(gates, (t, j + 3, i), NARROW)
                    a3 += a * g
                    b3 += b * g
                    c3 += c * g
            sums[k, j] += total(a0)
            sums[k, j + 1] += total(a1)
            sums[k, j + 2] += total(a2)
            sums[k, j + 3] += total(a3)
            sums[k + 1, j] += total(b0)
            sums[k + 1, j + 1] += total(b1)
            sums[k + 1, j + 2] += total(b2)
            sums[k + 1, j + 3] += total(b3)
            sums[k + 2, j] += total(c0)
            sums[k + 2, j + 1] += total(c1)
            sums[k + 2, j + 2] += total(c2)
            sums[k + 2, j + 3] += total(c3)
