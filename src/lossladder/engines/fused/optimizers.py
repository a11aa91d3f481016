"""One update of a flat vector of parameters, exactly as torch.optim does it."""

import math
from typing import Any

from lossladder.engines.fused.arithmetic import compiled

SGD, ADAGRAD, ADAM = 0, 1, 2


@compiled
def clip(gradient: Any, largest: float) -> None:
    """Shorten the gradient to `largest`, as torch.nn.utils.clip_grad_norm_; infinity: leave it."""
    if largest == math.inf:
        return
    squares = gradient.dtype.type(0)
    for g in gradient:
        squares += g * g
    shorten = largest / (math.sqrt(squares) + 1e-6)
    if not shorten > 1:  # also for NaN, which must reach the parameters
        for i in range(gradient.size):
            gradient[i] *= shorten


@compiled
def update(rule: int, parameters: Any, gradient: Any, memory: Any, step: int, knobs: Any) -> None:
    """One step.

    Args:
        rule: SGD, ADAGRAD or ADAM.
        parameters: changed in place.
        gradient: of the loss by them.
        memory: the optimizer's own vectors (2, parameters): momentum; sum of squares; both means.
        step: updates so far, this one included.
        knobs: lr, momentum or beta1, beta2, eps.
    """
    number = gradient.dtype.type
    lr, first, second, eps = number(knobs[0]), number(knobs[1]), number(knobs[2]), number(knobs[3])
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
        stride = number(knobs[0] / (1 - knobs[1] ** step))  # both means start at zero:
        root = number(math.sqrt(1 - knobs[2] ** step))  # undo that bias
        for i in range(gradient.size):
            g = gradient[i]
            mean[i] += (g - mean[i]) * new_mean
            square[i] = second * square[i] + new_square * g * g
            parameters[i] -= stride * mean[i] / (math.sqrt(square[i]) / root + eps)
