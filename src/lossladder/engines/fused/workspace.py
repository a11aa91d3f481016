"""The working memory of a kernel, and the sizes it was laid out for.

A batch is taken in slabs of `width` sequences, so narrow that the states of a window stay near the
processor. Every array ends in the batch axis: its numbers are lanes. Hidden units are padded to a
multiple of four (`_4`), because sums are computed four at a time; the padding is zero and stays so.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.simd import REGISTER

RNN, LSTM, GRU = 0, 1, 2
GATES = {RNN: 1, LSTM: 4, GRU: 3}  # rows of torch's weights for each hidden unit
# sequences times steps in a slab: the best of 300 to 5000 measured
SLAB = 1200


class Sizes(NamedTuple):
    """What a kernel must know about a network and its windows."""

    cell: int
    inputs: int
    codes: int  # numbers that tell one input from another; see `torch_interop.Codes`
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
    """Return how many numbers one member learns."""
    lines = GATES[sizes.cell] * sizes.hidden
    return lines * (sizes.inputs + sizes.hidden + sizes.biases) + sizes.classes * (sizes.hidden + 1)


def slab_width(sizes: Sizes) -> int:
    """Return how many sequences are computed side by side: whole registers, no more than needed."""
    # slabs of one width, so that the last is not a narrow rest
    most = max(2 * REGISTER, SLAB // sizes.steps)
    slabs = -(-sizes.batch // most)
    return _up(-(-sizes.batch // slabs), REGISTER)


def allocate(sizes: Sizes, dtype: DTypeLike) -> Work:
    """Return working memory, all zero but for the row of ones."""
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
    """Return zeros that start on a cache line."""
    # a vector that straddles two lines costs two loads
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


# --- weights ------------------------------------------------------------------------------------
#
# Between torch's parameters and the layouts that the kernels read and write.
#
# A member's parameters are one flat vector: weight_ih (gates * hidden, inputs), weight_hh (gates *
# hidden, hidden), bias_ih and, where there are two, bias_hh, then the readout's weight (classes,
# hidden) and bias.
#
# Two things are rewritten, so that less is computed:
# * Inputs are `base + code @ directions` (`torch_interop.py`), so what they add to a sum is
#   x W^T + b = code @ (directions W^T) + (b + base W^T).
# * Only differences between logits matter: class 0 has logit 0, the others are relative to it.


@compiled
def parts(vector: Any, sizes: Any) -> Any:
    """Cut a vector into weight_ih, weight_hh, bias_ih, bias_hh, readout weight and bias."""
    hidden, inputs, classes = sizes.hidden, sizes.inputs, sizes.classes
    lines = hidden * (1 if sizes.cell == RNN else 3 if sizes.cell == GRU else 4)
    a = lines * inputs
    b = a + lines * hidden
    c = b + lines * min(sizes.biases, 1)
    d = c + lines * (sizes.biases - min(sizes.biases, 1))
    e = d + classes * hidden
    return (
        vector[:a].reshape(lines, inputs),
        vector[a:b].reshape(lines, hidden),
        vector[b:c],
        vector[c:d],
        vector[d:e].reshape(classes, hidden),
        vector[e : e + classes],
    )


@compiled
def place(line: int, sizes: Any) -> Any:
    """Return where a line of torch's weights goes: (four, place in it of input's part, state's)."""
    gate, unit = line // sizes.hidden, line % sizes.hidden
    if sizes.cell == RNN:
        return unit // 4, unit % 4, unit % 4  # four units at a time
    # the reset gate multiplies the state's part alone
    if sizes.cell == GRU and gate == 2:
        return unit, 3, 2
    return unit, gate, gate  # the gates of a unit together


@compiled
def column(line: int, sizes: Any) -> Any:
    """Return which columns of `gates` hold a line's derivatives: (input's part, state's part)."""
    if sizes.cell != GRU:
        return line, line
    # The GRU's columns: n's input part, padded to fours; r; z; n's state part.
    of_state = (sizes.hidden + 3) // 4 * 4 + line
    return (of_state if line < 2 * sizes.hidden else line - 2 * sizes.hidden), of_state


@compiled
def pack(parameters: Any, base: Any, directions: Any, sizes: Any, work: Any) -> None:
    """Lay the weights out for the kernels."""
    weight_ih, weight_hh, bias_ih, bias_hh, readout, readout_bias = parts(parameters, sizes)
    first = 1 + sizes.codes
    for line in range(weight_hh.shape[0]):
        four, of_input, of_state = place(line, sizes)
        into = work.into[four]
        # the n of a GRU has two constants, of which the state's is only added to below
        if of_input != of_state:
            into[0, of_state] = 0
        constant = weight_hh.dtype.type(0)
        if sizes.biases > 0:
            constant += bias_ih[line]
        for i in range(sizes.inputs):
            constant += base[i] * weight_ih[line, i]
        into[0, of_input] = constant
        if sizes.biases > 1:
            into[0, of_state] += bias_hh[line]
        for code in range(sizes.codes):
            along = weight_hh.dtype.type(0)
            for i in range(sizes.inputs):
                along += directions[code, i] * weight_ih[line, i]
            into[1 + code, of_input] = along
        for unit in range(sizes.hidden):
            into[first + unit, of_state] = weight_hh[line, unit]
            work.back[unit // 4, line, unit % 4] = weight_hh[line, unit]
    for other in range(sizes.classes - 1):
        out = work.out[other // 4]
        out[0, other % 4] = readout_bias[other + 1] - readout_bias[0]
        for unit in range(sizes.hidden):
            weight = readout[other + 1, unit] - readout[0, unit]
            out[1 + unit, other % 4] = weight
            work.out_back[unit // 4, other, unit % 4] = weight


@compiled
def unpack(gradient: Any, base: Any, directions: Any, sizes: Any, work: Any) -> None:
    """Fill the gradient of the parameters from that of the weights: the chain rule of `pack`."""
    weight_ih, weight_hh, bias_ih, bias_hh, readout, readout_bias = parts(gradient, sizes)
    first = 1 + sizes.codes
    for line in range(weight_hh.shape[0]):
        of_input, of_state = column(line, sizes)
        constant = work.sums[0, of_input]
        for i in range(sizes.inputs):
            slope = base[i] * constant
            for code in range(sizes.codes):
                slope += directions[code, i] * work.sums[1 + code, of_input]
            weight_ih[line, i] = slope
        if sizes.biases > 0:
            bias_ih[line] = constant
        if sizes.biases > 1:
            bias_hh[line] = work.sums[0, of_state]
        for unit in range(sizes.hidden):
            weight_hh[line, unit] = work.sums[first + unit, of_state]
    readout[0] = 0
    readout_bias[0] = 0
    for other in range(sizes.classes - 1):
        slope = work.out_sums[other, 0]
        readout_bias[other + 1] = slope
        # probabilities sum to one, and so the gradients of the logits to zero
        readout_bias[0] -= slope
        for unit in range(sizes.hidden):
            slope = work.out_sums[other, 1 + unit]
            readout[other + 1, unit] = slope
            readout[0, unit] -= slope
