"""The tanh RNN: h_t = tanh(W x_t + U h_{t-1} + b), forward and backward over a window.

With a_t the sum inside the tanh and L the loss:

    dL/dh_t = V^T dL/dlogits_t + U^T dL/da_{t+1}
    dL/da_t = dL/dh_t (1 - h_t^2)                          because tanh' = 1 - tanh^2

and the gradients of W, U and b are the sums over steps of dL/da_t times x_t, h_{t-1} and 1.
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled, tanh
from lossladder.engines.fused.products import add_products, state_gradients
from lossladder.engines.fused.simd import NARROW, REGISTER, WIDE, load, same, store


@compiled
def forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows` with the hidden units of every step."""
    first = 1 + sizes.codes
    seen = first + sizes.hidden
    for t in range(sizes.steps):
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _step(work.into, work.rows, first, seen, t, i, WIDE)
        if width % (2 * REGISTER):
            _step(work.into, work.rows, first, seen, t, width - REGISTER, NARROW)


@compiled
def _step(into: Any, rows: Any, first: int, seen: int, t: int, i: int, width: Any) -> None:
    for four in range(into.shape[0]):
        weight = into[four]
        s0, s1 = same(weight, (0, 0), width), same(weight, (0, 1), width)
        s2, s3 = same(weight, (0, 2), width), same(weight, (0, 3), width)
        for k in range(1, seen):
            v = load(rows, (t, k, i), width)
            s0 += weight[k, 0] * v
            s1 += weight[k, 1] * v
            s2 += weight[k, 2] * v
            s3 += weight[k, 3] * v
        unit = first + 4 * four
        store(rows, (t + 1, unit, i), tanh(s0))
        store(rows, (t + 1, unit + 1, i), tanh(s1))
        store(rows, (t + 1, unit + 2, i), tanh(s2))
        store(rows, (t + 1, unit + 3, i), tanh(s3))


@compiled
def backward(sizes: Any, work: Any, width: int) -> None:
    """From the logits' derivatives to `gates`, and on to the sums over this slab."""
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, logits = work.rows, work.gates, work.logits
    out_back, back = work.out_back, work.back
    for t in range(steps - 1, -1, -1):
        others = sizes.classes - 1 if work.scored[t] else 0
        later = hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _step_back(rows, gates, logits, out_back, back, first, others, later, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            _step_back(rows, gates, logits, out_back, back, first, others, later, t, i, NARROW)
    add_products(work.sums, rows, gates, first + hidden, 0, hidden, steps, width)


@compiled
def _step_back(
    rows: Any,
    gates: Any,
    logits: Any,
    out_back: Any,
    back: Any,
    first: int,
    others: int,
    later: int,
    t: int,
    i: int,
    width: Any,
) -> None:
    for four in range(back.shape[0]):
        grads = state_gradients(logits, gates, out_back, back, four, 0, others, later, t, i, width)
        unit = 4 * four
        for grad in grads:
            h = load(rows, (t + 1, first + unit, i), width)
            store(gates, (t, unit, i), grad * (1.0 - h * h))
            unit += 1
