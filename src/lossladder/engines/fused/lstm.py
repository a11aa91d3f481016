"""The LSTM, forward and backward over a window.

    i, f, o = logistic(...)   g = tanh(...)            each of W x_t + U h_{t-1} + b
    c_t = f c_{t-1} + i g     h_t = o tanh(c_t)

Backward, with dh = dL/dh_t as for every cell and dc carried from the step after:

    dc += dh o (1 - tanh(c_t)^2)
    before the squashing:  do = dh tanh(c_t) o (1 - o)     di = dc g i (1 - i)
                           df = dc c_{t-1} f (1 - f)       dg = dc i (1 - g^2)
    to the step before:    dc f
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled, logistic, tanh
from lossladder.engines.fused.products import add_products, collect
from lossladder.engines.fused.simd import NARROW, REGISTER, WIDE, load, same, store


@compiled
def forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows`, `cells`, `gates` (their values) and `aside` (tanh of the cells)."""
    first, hidden = 1 + sizes.codes, sizes.hidden
    into, rows, gates, cells, aside = work.into, work.rows, work.gates, work.cells, work.aside
    for t in range(sizes.steps):
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _step(into, rows, gates, cells, aside, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            _step(into, rows, gates, cells, aside, first, hidden, t, width - REGISTER, NARROW)


@compiled
def _step(
    into: Any,
    rows: Any,
    gates: Any,
    cells: Any,
    aside: Any,
    first: int,
    hidden: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    for unit in range(hidden):
        weight = into[unit]
        s0, s1 = same(weight, (0, 0), width), same(weight, (0, 1), width)
        s2, s3 = same(weight, (0, 2), width), same(weight, (0, 3), width)
        for k in range(1, first + hidden):
            v = load(rows, (t, k, i), width)
            s0 += weight[k, 0] * v
            s1 += weight[k, 1] * v
            s2 += weight[k, 2] * v
            s3 += weight[k, 3] * v
        let_in, forget, new, out = logistic(s0), logistic(s1), tanh(s2), logistic(s3)
        cell = forget * load(cells, (t, unit, i), width) + let_in * new
        squashed = tanh(cell)
        store(gates, (t, unit, i), let_in)
        store(gates, (t, hidden + unit, i), forget)
        store(gates, (t, 2 * hidden + unit, i), new)
        store(gates, (t, 3 * hidden + unit, i), out)
        store(cells, (t + 1, unit, i), cell)
        store(aside, (t, unit, i), squashed)
        store(rows, (t + 1, first + unit, i), out * squashed)


@compiled
def backward(sizes: Any, work: Any, width: int) -> None:
    """From the logits' derivatives to those of `gates`, and on to the sums over this slab."""
    work.direct[:] = 0  # no later step passes anything to the last one's cells
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, grad, logits = work.rows, work.gates, work.grad, work.logits
    out_back, back = work.out_back, work.back
    cells, aside, direct = work.cells, work.aside, work.direct
    for t in range(steps - 1, -1, -1):
        others = sizes.classes - 1 if work.scored[t] else 0
        later = 4 * hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            collect(grad, logits, gates, out_back, back, 0, others, later, t, i, WIDE)
            _step_back(grad, gates, cells, aside, direct, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            collect(grad, logits, gates, out_back, back, 0, others, later, t, i, NARROW)
            _step_back(grad, gates, cells, aside, direct, hidden, t, i, NARROW)
    add_products(work.sums, rows, gates, first + hidden, 0, 4 * hidden, steps, width)


@compiled
def _step_back(
    grad: Any,
    gates: Any,
    cells: Any,
    aside: Any,
    direct: Any,
    hidden: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    for unit in range(hidden):
        dh = load(grad, (unit, i), width)
        let_in = load(gates, (t, unit, i), width)
        forget = load(gates, (t, hidden + unit, i), width)
        new = load(gates, (t, 2 * hidden + unit, i), width)
        out = load(gates, (t, 3 * hidden + unit, i), width)
        squashed = load(aside, (t, unit, i), width)
        before = load(cells, (t, unit, i), width)
        dc = load(direct, (unit, i), width) + dh * out * (1.0 - squashed * squashed)
        store(gates, (t, unit, i), dc * new * let_in * (1.0 - let_in))
        store(gates, (t, hidden + unit, i), dc * before * forget * (1.0 - forget))
        store(gates, (t, 2 * hidden + unit, i), dc * let_in * (1.0 - new * new))
        store(gates, (t, 3 * hidden + unit, i), dh * squashed * out * (1.0 - out))
        store(direct, (unit, i), dc * forget)
