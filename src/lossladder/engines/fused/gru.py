"""The GRU as torch has it, forward and backward over a window.

    r, z = logistic(W x_t + b + U h_{t-1} + d)             their own W, b, U, d each
    m = U_n h_{t-1} + d_n     n = tanh(W_n x_t + b_n + r m)     h_t = (1 - z) n + z h_{t-1}

Backward, with dh = dL/dh_t as for every cell plus what passes by the weights (z dh a step later):

    before the squashing:  dn = dh (1 - z) (1 - n^2)       dz = dh (h_{t-1} - n) z (1 - z)
                           dr = dn m r (1 - r)             dm = dn r
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled, logistic, tanh
from lossladder.engines.fused.products import add_products, collect
from lossladder.engines.fused.simd import NARROW, REGISTER, WIDE, load, same, store


@compiled
def forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows`, `gates` (their values) and `aside` (m)."""
    first, hidden = 1 + sizes.codes, sizes.hidden
    into, rows, gates, aside = work.into, work.rows, work.gates, work.aside
    for t in range(sizes.steps):
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _step(into, rows, gates, aside, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            _step(into, rows, gates, aside, first, hidden, t, width - REGISTER, NARROW)


@compiled
def _step(
    into: Any,
    rows: Any,
    gates: Any,
    aside: Any,
    first: int,
    hidden: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    reset_at, update_at, _ = columns(hidden)
    for unit in range(hidden):
        weight = into[unit]
        s0, s1 = same(weight, (0, 0), width), same(weight, (0, 1), width)
        m, s3 = same(weight, (0, 2), width), same(weight, (0, 3), width)
        for k in range(1, first):
            v = load(rows, (t, k, i), width)
            s0 += weight[k, 0] * v
            s1 += weight[k, 1] * v
            s3 += weight[k, 3] * v
        for k in range(first, first + hidden):
            v = load(rows, (t, k, i), width)
            s0 += weight[k, 0] * v
            s1 += weight[k, 1] * v
            m += weight[k, 2] * v
        reset, update = logistic(s0), logistic(s1)
        new = tanh(s3 + reset * m)
        before = load(rows, (t, first + unit, i), width)
        store(gates, (t, unit, i), new)
        store(gates, (t, reset_at + unit, i), reset)
        store(gates, (t, update_at + unit, i), update)
        store(aside, (t, unit, i), m)
        store(rows, (t + 1, first + unit, i), new + update * (before - new))


@compiled
def backward(sizes: Any, work: Any, width: int) -> None:
    """From the logits' derivatives to those of `gates`, and on to the sums over this slab."""
    work.direct[:] = 0  # no later step passes anything to the last one
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, grad, logits = work.rows, work.gates, work.grad, work.logits
    out_back, back = work.out_back, work.back
    aside, direct, reset_at = work.aside, work.direct, columns(hidden)[0]
    for t in range(steps - 1, -1, -1):
        others = sizes.classes - 1 if work.scored[t] else 0
        later = 3 * hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            collect(grad, logits, gates, out_back, back, reset_at, others, later, t, i, WIDE)
            _step_back(grad, rows, gates, aside, direct, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            collect(grad, logits, gates, out_back, back, reset_at, others, later, t, i, NARROW)
            _step_back(grad, rows, gates, aside, direct, first, hidden, t, i, NARROW)
    add_products(work.sums, rows, gates, first, 0, hidden, steps, width)
    end = reset_at + 3 * hidden
    add_products(work.sums, rows, gates, first + hidden, reset_at, end, steps, width)


@compiled
def _step_back(
    grad: Any,
    rows: Any,
    gates: Any,
    aside: Any,
    direct: Any,
    first: int,
    hidden: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    reset_at, update_at, m_at = columns(hidden)
    for unit in range(hidden):
        dh = load(grad, (unit, i), width) + load(direct, (unit, i), width)
        new = load(gates, (t, unit, i), width)
        reset = load(gates, (t, reset_at + unit, i), width)
        update = load(gates, (t, update_at + unit, i), width)
        before = load(rows, (t, first + unit, i), width)
        dn = dh * (1.0 - update) * (1.0 - new * new)
        dm = dn * reset
        store(gates, (t, unit, i), dn)
        store(gates, (t, reset_at + unit, i), dm * load(aside, (t, unit, i), width) * (1.0 - reset))
        store(gates, (t, update_at + unit, i), dh * (before - new) * update * (1.0 - update))
        store(gates, (t, m_at + unit, i), dm)
        store(direct, (unit, i), dh * update)


@compiled
def columns(hidden: int) -> Any:
    """Where in `gates` r, z and m lie; n lies at 0, padded to fours because it is summed apart."""
    padded = (hidden + 3) // 4 * 4
    return padded, padded + hidden, padded + 2 * hidden
