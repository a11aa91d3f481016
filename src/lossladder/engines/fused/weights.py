"""Between torch's parameters and the layouts that the kernels read and write.

A member's parameters are one flat vector: weight_ih (gates * hidden, inputs), weight_hh (gates *
hidden, hidden), bias_ih and, where there are two, bias_hh, then the readout's weight (classes,
hidden) and bias.

Two things are rewritten, so that less is computed:
* Inputs are `base + code @ directions` (`codes.py`), so what they add to a sum is
  x W^T + b = code @ (directions W^T) + (b + base W^T).
* Only differences between logits matter, so class 0 has logit 0 and the others are relative to it.
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.workspace import GRU, RNN


@compiled
def parts(vector: Any, sizes: Any) -> Any:
    """A flat vector as weight_ih, weight_hh, bias_ih, bias_hh, readout weight, readout bias."""
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
    """Where a line of torch's weights goes: (four, place in it of input's part, of state's)."""
    gate, unit = line // sizes.hidden, line % sizes.hidden
    if sizes.cell == RNN:
        return unit // 4, unit % 4, unit % 4  # four units at a time
    if sizes.cell == GRU and gate == 2:
        return unit, 3, 2  # the reset gate multiplies the state's part alone
    return unit, gate, gate  # the gates of a unit together


@compiled
def column(line: int, sizes: Any) -> Any:
    """Which columns of `gates` hold the derivatives for a line: (input's part, state's part)."""
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
    """The gradient of the parameters, from that of the weights laid out: `pack`'s chain rule."""
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
        readout_bias[0] -= slope  # probabilities sum to one: the gradients of the logits to zero
        for unit in range(sizes.hidden):
            slope = work.out_sums[other, 1 + unit]
            readout[other + 1, unit] = slope
            readout[0, unit] -= slope
