"""Clipping and the optimizers' updates, as torch makes them, in code.

Vectors are whole registers long: what lies behind the last parameter is zero, and may become
anything.
"""

import numpy as np
from numpy.typing import NDArray

from lossladder.engines.fused.layout import WHOLE
from lossladder.engines.fused.writer import Array, Whole, Writer

SGD, ADAGRAD, ADAM, ADAMW = 0, 1, 2, 3
COUNTING = ADAM, ADAMW  # whose rates depend on how many updates were made
# what an update needs that changes from update to update, and what does not
RATES = ("rate", "stride", "root", "kept")
KNOBS = ("first", "second", "eps", "decay", "new_mean", "new_square", "largest")


def knobs_of(knobs: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """Return what every update needs.

    Args:
        knobs: lr, momentum or beta1, beta2, eps, weight decay.
        largest: norm a gradient is clipped to.
    """
    _, first, second, eps, decay = knobs
    return np.array([first, second, eps, decay, 1 - first, 1 - second, largest])


def rates_of(
    rule: int, knobs: NDArray[np.float64], factors: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Return what each update needs of its own (updates, RATES), computed in float64.

    Args:
        rule: which optimizer.
        knobs: lr, momentum or beta1, beta2, eps, weight decay.
        factors: on the learning rate, one an update.
        steps: updates made before.
    """
    lr, first, second, _, decay = knobs
    rates = np.empty((factors.size, len(RATES)))
    rate, stride, root, kept = rates.T
    rate[:] = stride[:] = lr * factors
    root[:] = kept[:] = 1
    if rule in COUNTING:
        # both means start at zero: undo that bias
        step = steps + 1 + np.arange(factors.size)
        stride /= 1 - first**step
        root[:] = np.sqrt(1 - second**step)
    if rule == ADAMW:
        kept -= rate * decay
    return rates


def clip(w: Writer, gradient: Array, knobs: Array) -> None:
    """Write clipping: the gradient is shortened to `largest`, as clip_grad_norm_ of torch does."""
    register = w.register
    squares = w.variable()
    with w.range(0, w["learned"], step=register) as i:
        squares.add(gradient.load(i, register).of("square"))
    shorten = knobs[KNOBS.index("largest")] / (squares.get().total().of("sqrt") + 1e-6)
    # "not above 1" is true of NaN as well, which must reach the parameters
    one = w.spread(1.0)
    factor = one.below(shorten, one, shorten)
    with w.range(0, w["learned"], step=register) as i:
        gradient.store(i, gradient.load(i, register) * factor, register)


def update(w: Writer, window: Whole) -> None:
    """Write one step of an optimizer, whichever it is."""
    register, size = w.register, w["learned"].up(WHOLE)
    parameters, gradient = w.array("parameters"), w.array("gradient")
    memory, rates, knobs = w.array("memory", size), w.array("rates", len(RATES)), w.array("knobs")
    first, second, eps, decay, new_mean, new_square, _ = (knobs[k] for k in range(len(KNOBS)))
    rate, stride, root, kept = (rates[window, k] for k in range(len(RATES)))
    with w.when(w["rule"].is_(ADAMW)), w.range(0, size, step=register) as i:
        parameters.store(i, parameters.load(i, register) * kept, register)
    with w.when(~w["rule"].is_(ADAMW) & w["decays"].is_(1)), w.range(0, size, step=register) as i:
        gradient.add(i, parameters.load(i, register) * decay, register)
    with w.when(w["rule"].is_(SGD)), w.range(0, size, step=register) as i:
        momentum = memory.load((0, i), register) * first + gradient.load(i, register)
        memory.store((0, i), momentum, register)
        parameters.store(i, parameters.load(i, register) - momentum * rate, register)
    with w.when(w["rule"].is_(ADAGRAD)), w.range(0, size, step=register) as i:
        g = gradient.load(i, register)
        squares = memory.load((0, i), register) + g * g
        memory.store((0, i), squares, register)
        way = g * rate / (squares.of("sqrt") + eps)
        parameters.store(i, parameters.load(i, register) - way, register)
    adam = w["rule"].is_(ADAM) | w["rule"].is_(ADAMW)
    with w.when(adam), w.range(0, size, step=register) as i:
        g, mean = gradient.load(i, register), memory.load((0, i), register)
        mean = mean + (g - mean) * new_mean
        square = memory.load((1, i), register) * second + g * g * new_square
        memory.store((0, i), mean, register)
        memory.store((1, i), square, register)
        way = mean * stride / (square.of("sqrt") / root + eps)
        parameters.store(i, parameters.load(i, register) - way, register)
