"""The working memory of a kernel, and the sizes it was laid out for.

A batch is taken in slabs of `width` sequences, so narrow that the states of a window stay near the
processor. Every array ends in the batch axis: its numbers are lanes. Hidden units are padded to a
multiple of four (`_4`), because sums are computed four at a time; the padding is zero and stays so.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lossladder.engines.fused.simd import REGISTER

RNN, LSTM, GRU = 0, 1, 2
GATES = {RNN: 1, LSTM: 4, GRU: 3}  # rows of torch's weights for each hidden unit
SLAB = 1200  # sequences times steps in a slab: the best of 300 to 5000 measured


class Sizes(NamedTuple):
    """What a kernel must know about a network and its windows."""

    cell: int
    inputs: int
    codes: int  # numbers that tell one input from another, see `codes.py`
    hidden: int
    classes: int
    biases: int  # bias vectors of the recurrent part: torch's layers have two
    steps: int
    batch: int


class Work(NamedTuple):
    """Working memory for one member at a time.

    Args:
        rows: what each step sees (steps + 1, 1 + codes + hidden_4, width): a row of ones, the codes
            of its input, the hidden units after the step before.
        gates: (steps, gates * hidden, width): the gates' values on the way forward, then, on the
            way back, the loss's derivative by what went into them.
        cells: the LSTM's memory cells (steps + 1, hidden, width).
        aside: LSTM: tanh of the cells; GRU: what the reset gate multiplies (steps, hidden, width).
        grad: the loss's derivative by the hidden units of one step (hidden_4, width).
        direct: the part of it that passes by the weights; for the LSTM, that of the cells.
        logits: relative to class 0 (steps, classes - 1, width); then the loss's derivative by them.
        targets: (steps, width).
        weights: of each step in the loss (steps, width): 0 where not scored.
        surprise: summed over steps (3, width): the linear part, the logarithms, factors to come.
        into: weights of four sums at a time, as the forward pass reads them (fours, rows, 4).
        back: the same weights as the backward pass reads them (hidden_4 / 4, gates * hidden, 4).
        out: the readout, relative to class 0 (fours, 1 + hidden_4, 4).
        out_back: the same, as the backward pass reads it (hidden_4 / 4, classes - 1, 4).
        sums: gradients of `into` (rows, gates * hidden).
        out_sums: gradients of `out` (classes - 1, 1 + hidden).
        gradient: of all parameters, laid out as they are.
        scored: steps at which any sequence is scored (steps).
    """

    rows: NDArray
    gates: NDArray
    cells: NDArray
    aside: NDArray
    grad: NDArray
    direct: NDArray
    logits: NDArray
    targets: NDArray
    weights: NDArray
    surprise: NDArray
    into: NDArray
    back: NDArray
    out: NDArray
    out_back: NDArray
    sums: NDArray
    out_sums: NDArray
    gradient: NDArray
    scored: NDArray


def parameter_count(sizes: Sizes) -> int:
    """Numbers that one member learns."""
    lines = GATES[sizes.cell] * sizes.hidden
    return lines * (sizes.inputs + sizes.hidden + sizes.biases) + sizes.classes * (sizes.hidden + 1)


def slab_width(sizes: Sizes) -> int:
    """Sequences computed side by side: a whole number of registers, no more than are needed."""
    most = max(2 * REGISTER, SLAB // sizes.steps)
    slabs = -(-sizes.batch // most)
    return _up(-(-sizes.batch // slabs), REGISTER)


def allocate(sizes: Sizes, dtype: DTypeLike) -> Work:
    """Working memory, all zero but for the row of ones."""
    steps, width = sizes.steps, slab_width(sizes)
    hidden, hidden_4 = sizes.hidden, _up(sizes.hidden, 4)
    columns = {RNN: hidden_4, LSTM: 4 * hidden, GRU: hidden_4 + 3 * hidden}[sizes.cell]
    fours = hidden_4 // 4 if sizes.cell == RNN else hidden
    first = 1 + sizes.codes
    rows = _up(first + hidden_4, 3)
    others = sizes.classes - 1
    memory = hidden if sizes.cell == LSTM else 0
    aside = 0 if sizes.cell == RNN else hidden
    work = Work(
        rows=aligned((steps + 1, rows, width), dtype),
        gates=aligned((steps, columns + 3, width), dtype),
        cells=aligned((steps + 1, memory, width), dtype),
        aside=aligned((steps, aside, width), dtype),
        grad=aligned((hidden_4, width), dtype),
        direct=aligned((hidden_4, width), dtype),
        logits=aligned((steps, _up(others, 4), width), dtype),
        targets=aligned((steps, width), dtype),
        weights=aligned((steps, width), dtype),
        surprise=aligned((3, width), dtype),
        into=aligned((fours, first + hidden, 4), dtype),
        back=aligned((hidden_4 // 4, GATES[sizes.cell] * hidden, 4), dtype),
        out=aligned((_up(others, 4) // 4, 1 + hidden_4, 4), dtype),
        out_back=aligned((hidden_4 // 4, others, 4), dtype),
        sums=aligned((rows, columns + 3), dtype),
        out_sums=aligned((others, 1 + hidden_4), dtype),
        gradient=aligned((parameter_count(sizes),), dtype),
        scored=np.ones(steps, np.bool_),
    )
    work.rows[:, 0] = 1
    return work


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Zeros that start on a cache line: a vector that straddles two costs two loads."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)
