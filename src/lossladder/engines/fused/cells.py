"""The three cells, forward and backward over a window, of which a kernel is compiled for one.

Each pass takes the same arguments: the sizes, the working memory (`workspace.py`) and how much of
its width is in use.
"""

from typing import Any

from numba.extending import overload

from lossladder.engines.fused.arithmetic import compiled, logistic, tanh
from lossladder.engines.fused.products import add_products, collect, state_gradients
from lossladder.engines.fused.simd import NARROW, REGISTER, WIDE, Constant, load, same, store
from lossladder.engines.fused.workspace import GRU, LSTM, RNN

# the cell is part of the kernel's type, so that the compiler sees the code of one cell only
CELLS = {cell: Constant(cell) for cell in (RNN, LSTM, GRU)}


def forward(cell: Any, sizes: Any, work: Any, width: int) -> None:
    """Compute the hidden units of every step of a window."""
    raise NotImplementedError("compiled code only")


def backward(cell: Any, sizes: Any, work: Any, width: int) -> None:
    """Compute the gradient of the recurrent weights, from the derivatives of the logits."""
    raise NotImplementedError("compiled code only")


def _by_cell(promise: Any, passes: dict[int, Any]) -> None:
    @overload(promise, strict=False, inline="always")
    def chosen(cell: Any, sizes: Any, work: Any, width: Any) -> Any:
        run = passes[cell.value]
        return lambda cell, sizes, work, width: run(sizes, work, width)


# --- rnn -------------------------------------------------------------------------------------
#
# The tanh RNN: h_t = tanh(W x_t + U h_{t-1} + b), forward and backward over a window.
#
# With a_t the sum inside the tanh and L the loss:
#
#     dL/dh_t = V^T dL/dlogits_t + U^T dL/da_{t+1}
#     dL/da_t = dL/dh_t (1 - h_t^2)                          because tanh' = 1 - tanh^2
#
# and the gradients of W, U and b are the sums over steps of dL/da_t times x_t, h_{t-1} and 1.


@compiled
def _rnn_forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows` with the hidden units of every step."""
    first = 1 + sizes.codes
    seen = first + sizes.hidden
    for t in range(sizes.steps):
        # two registers at a time; where their number is odd, the last one alone
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _rnn_step(work.into, work.rows, first, seen, t, i, WIDE)
        if width % (2 * REGISTER):
            _rnn_step(work.into, work.rows, first, seen, t, width - REGISTER, NARROW)


@compiled
def _rnn_step(into: Any, rows: Any, first: int, seen: int, t: int, i: int, width: Any) -> None:
    for four in range(into.shape[0]):
        weight = into[four]
        # the sums start from the constants: row 0 is all ones, and need not be loaded
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
def _rnn_backward(sizes: Any, work: Any, width: int) -> None:
    """Fill `gates` with its derivatives from the logits', and add to the sums over this slab."""
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, logits = work.rows, work.gates, work.logits
    out_back, back = work.out_back, work.back
    for t in range(steps - 1, -1, -1):
        # 0 makes a loop of no turns: nothing comes from an unscored step, nor to the last one
        others = sizes.classes - 1 if work.scored[t] else 0
        later = hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _rnn_step_back(rows, gates, logits, out_back, back, first, others, later, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            _rnn_step_back(rows, gates, logits, out_back, back, first, others, later, t, i, NARROW)
    add_products(work.sums, rows, gates, first + hidden, 0, hidden, steps, width)


@compiled
def _rnn_step_back(
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


# --- lstm ------------------------------------------------------------------------------------
#
# The LSTM, forward and backward over a window.
#
#     i, f, o = logistic(...)   g = tanh(...)            each of W x_t + U h_{t-1} + b
#     c_t = f c_{t-1} + i g     h_t = o tanh(c_t)
#
# Backward, with dh = dL/dh_t as for every cell and dc carried from the step after:
#
#     dc += dh o (1 - tanh(c_t)^2)
#     before the squashing:  do = dh tanh(c_t) o (1 - o)     di = dc g i (1 - i)
#                            df = dc c_{t-1} f (1 - f)       dg = dc i (1 - g^2)
#     to the step before:    dc f


@compiled
def _lstm_forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows`, `cells`, `gates` (their values) and `aside` (tanh of the cells)."""
    first, hidden = 1 + sizes.codes, sizes.hidden
    into, rows, gates, cells, aside = work.into, work.rows, work.gates, work.cells, work.aside
    for t in range(sizes.steps):
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _lstm_step(into, rows, gates, cells, aside, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            _lstm_step(into, rows, gates, cells, aside, first, hidden, t, width - REGISTER, NARROW)


@compiled
def _lstm_step(
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
def _lstm_backward(sizes: Any, work: Any, width: int) -> None:
    """Fill `gates` with its derivatives from the logits', and add to the sums over this slab."""
    # no later step passes anything to the last one's cells
    work.direct[:] = 0
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, grad, logits = work.rows, work.gates, work.grad, work.logits
    out_back, back = work.out_back, work.back
    cells, aside, direct = work.cells, work.aside, work.direct
    for t in range(steps - 1, -1, -1):
        others = sizes.classes - 1 if work.scored[t] else 0
        later = 4 * hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            collect(grad, logits, gates, out_back, back, 0, others, later, t, i, WIDE)
            _lstm_step_back(grad, gates, cells, aside, direct, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            collect(grad, logits, gates, out_back, back, 0, others, later, t, i, NARROW)
            _lstm_step_back(grad, gates, cells, aside, direct, hidden, t, i, NARROW)
    add_products(work.sums, rows, gates, first + hidden, 0, 4 * hidden, steps, width)


@compiled
def _lstm_step_back(
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


# --- gru -------------------------------------------------------------------------------------
#
# The GRU as torch has it, forward and backward over a window.
#
#     r, z = logistic(W x_t + b + U h_{t-1} + d)             their own W, b, U, d each
#     m = U_n h_{t-1} + d_n     n = tanh(W_n x_t + b_n + r m)     h_t = (1 - z) n + z h_{t-1}
#
# Backward, with dh = dL/dh_t as for every cell plus what passes by the weights (z dh a step later):
#
#     before the squashing:  dn = dh (1 - z) (1 - n^2)       dz = dh (h_{t-1} - n) z (1 - z)
#                            dr = dn m r (1 - r)             dm = dn r


@compiled
def _gru_forward(sizes: Any, work: Any, width: int) -> None:
    """Fill `rows`, `gates` (their values) and `aside` (m)."""
    first, hidden = 1 + sizes.codes, sizes.hidden
    into, rows, gates, aside = work.into, work.rows, work.gates, work.aside
    for t in range(sizes.steps):
        for i in range(0, width - REGISTER, 2 * REGISTER):
            _gru_step(into, rows, gates, aside, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            _gru_step(into, rows, gates, aside, first, hidden, t, width - REGISTER, NARROW)


@compiled
def _gru_step(
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
    reset_at, update_at, _ = _gru_columns(hidden)
    for unit in range(hidden):
        weight = into[unit]
        s0, s1 = same(weight, (0, 0), width), same(weight, (0, 1), width)
        # m apart from s3, because the reset gate multiplies what the state says and not the input
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
def _gru_backward(sizes: Any, work: Any, width: int) -> None:
    """Fill `gates` with its derivatives from the logits', and add to the sums over this slab."""
    # no later step passes anything to the last one
    work.direct[:] = 0
    steps, hidden, first = sizes.steps, sizes.hidden, 1 + sizes.codes
    rows, gates, grad, logits = work.rows, work.gates, work.grad, work.logits
    out_back, back = work.out_back, work.back
    aside, direct, reset_at = work.aside, work.direct, _gru_columns(hidden)[0]
    for t in range(steps - 1, -1, -1):
        others = sizes.classes - 1 if work.scored[t] else 0
        later = 3 * hidden if t + 1 < steps else 0
        for i in range(0, width - REGISTER, 2 * REGISTER):
            collect(grad, logits, gates, out_back, back, reset_at, others, later, t, i, WIDE)
            _gru_step_back(grad, rows, gates, aside, direct, first, hidden, t, i, WIDE)
        if width % (2 * REGISTER):
            i = width - REGISTER
            collect(grad, logits, gates, out_back, back, reset_at, others, later, t, i, NARROW)
            _gru_step_back(grad, rows, gates, aside, direct, first, hidden, t, i, NARROW)
    # n's derivative belongs to the input's weights, m's to the state's, those of r and z to both
    add_products(work.sums, rows, gates, first, 0, hidden, steps, width)
    end = reset_at + 3 * hidden
    add_products(work.sums, rows, gates, first + hidden, reset_at, end, steps, width)


@compiled
def _gru_step_back(
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
    reset_at, update_at, m_at = _gru_columns(hidden)
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
def _gru_columns(hidden: int) -> Any:
    """Return where in `gates` r, z and m lie; n lies at 0."""
    # n is padded to fours because its products are summed apart
    padded = (hidden + 3) // 4 * 4
    return padded, padded + hidden, padded + 2 * hidden


_by_cell(forward, {RNN: _rnn_forward, LSTM: _lstm_forward, GRU: _gru_forward})
_by_cell(backward, {RNN: _rnn_backward, LSTM: _lstm_backward, GRU: _gru_backward})
