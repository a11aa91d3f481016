"""Clipping and the optimizers' updates in compiled code, as torch makes them."""

import math
from typing import Any

from lossladder.engines.fused.arithmetic import compiled

SGD, ADAGRAD, ADAM, ADAMW = 0, 1, 2, 3


@compiled
def clip(gradient: Any, largest: float) -> None:
    """Shorten the gradient to `largest`, as clip_grad_norm_ of torch does; infinity: leave it."""
    if largest == math.inf:
        return
    squares = gradient.dtype.type(0)
    for g in gradient:
        squares += g * g
    shorten = largest / (math.sqrt(squares) + 1e-6)
    # "not above 1" is true of NaN as well, which must reach the parameters
    if not shorten > 1:
        for i in range(gradient.size):
            gradient[i] *= shorten


@compiled
def update(
    rule: int, parameters: Any, gradient: Any, memory: Any, step: int, rate: float, knobs: Any
) -> None:
    """Make one step of an optimizer, as torch's would.

    `memory` holds momentum; or the sum of squares; or the means of gradient and square. `knobs`
    are lr, momentum or beta1, beta2, eps and weight decay; `rate` is lr as it is scheduled. `step`
    counts the updates with this one.
    """
    number = gradient.dtype.type
    lr, first, second, eps = number(rate), number(knobs[1]), number(knobs[2]), number(knobs[3])
    if rule == ADAMW:
        kept = number(1 - rate * knobs[4])
        for i in range(gradient.size):
            parameters[i] *= kept
    elif knobs[4] != 0:
        decay = number(knobs[4])
        for i in range(gradient.size):
            gradient[i] += decay * parameters[i]
    if rule == SGD:
        momentum = memory[0]
        for i in range(gradient.size):
            momentum[i] = first * momentum[i] + gradient[i]
            parameters[i] -= lr * momentum[i]
    elif rule == ADAGRAD:
        squares = memory[0]
        for i in range(gradient.size):
            squares[i] += gradient[i] * gradient[i]
            parameters[i] -= lr * gradient[i] / (math.sqrt(squares[i]) + eps)
    else:
        mean, square = memory[0], memory[1]
        new_mean, new_square = number(1 - knobs[1]), number(1 - knobs[2])
        # both means start at zero: undo that bias, in float64, where 1 - 0.999 keeps its digits
        stride = number(rate / (1 - knobs[1] ** step))
        root = number(math.sqrt(1 - knobs[2] ** step))
        for i in range(gradient.size):
            g = gradient[i]
            mean[i] += (g - mean[i]) * new_mean
            square[i] = second * square[i] + new_square * g * g
            parameters[i] -= stride * mean[i] / (math.sqrt(square[i]) / root + eps)
