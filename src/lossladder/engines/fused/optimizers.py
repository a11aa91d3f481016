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
        parameters: changed in place (parameters).
        gradient: of the loss by them, already clipped (parameters).
        memory: the optimizer's own vectors (2, parameters): momentum; sum of squares; both means.
        step: updates so far, this one included.
        knobs: lr, momentum or beta1, beta2, eps.
    """
    lr, first, second, eps = knobs[0], knobs[1], knobs[2], knobs[3]
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
        stride = lr / (1 - first**step)  # both means start at zero: undo that bias
        root = gradient.dtype.type(math.sqrt(1 - second**step))
        stride_ = gradient.dtype.type(stride)
        for i in range(gradient.size):
            g = gradient[i]
            mean[i] += (g - mean[i]) * (1 - first)
            square[i] = second * square[i] + (1 - second) * g * g
            parameters[i] -= stride_ * mean[i] / (math.sqrt(square[i]) / root + eps)
