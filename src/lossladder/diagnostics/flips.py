"""Flips: what a network uses, by changing one past input and looking at its prediction."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Generator, Tensor

from lossladder.diagnostics.score import outputs_of
from lossladder.ladder import Features, Probabilities
from lossladder.models import Network
from lossladder.tasks import StreamTask, Task

_SYMBOLS = 24_000  # looked at in all: some milliseconds of a small network
_MOST_SEQUENCES = 1024
_TRIES = 8  # draws of another symbol; of two equally likely ones, one in 256 stays as it is
_BEYOND = 4  # lags looked at behind the last that can matter
_EACH = 16  # lags are looked at one by one up to here; then at powers of two


@dataclass(frozen=True, slots=True)
class Use:
    """What one past input changes in a prediction, of a network and in truth.

    Args:
        lag: steps back from the prediction.
        variation: mean total variation between the predictions before and after the change; of real
            targets, the mean absolute difference of an output.
        variation_error: standard error of that.
        true_variation: the same of the exact law, for the same inputs; None where the law says
            nothing of sequences that the task does not draw.
        effect: mean change of the chance of a one (or of a real target) where the input is a one
            instead of a zero; None unless inputs are bits and targets are bits or real.
        effect_error: standard error of that.
        true_effect: the same of the exact law.
    """

    lag: int
    variation: float
    variation_error: float
    true_variation: float | None
    effect: float | None = None
    effect_error: float | None = None
    true_effect: float | None = None


@torch.no_grad()
def uses(network: Network, task: Task, generator: Generator) -> list[Use]:
    """Return what each past input changes in the predictions of a network, the latest first.

    In each of many sequences one input is changed: a bit is flipped, any other symbol or real
    number becomes another one that other sequences have there. The prediction is compared before
    and after, at each scored step from the change on, with what the exact law makes of the same
    change.

    Args:
        network: trained or not.
        task: draws the sequences, from their start.
        generator: source of all randomness.
    Returns:
        None for lags at which no input can be changed. A parity that is solved has an effect of 0
        and a variation of 1: each bit changes the answer, half of the time to a one.
    """
    # the state of a stream has been carried for ever, and is not that of its first steps
    warm_up = task.warm_up if isinstance(task, StreamTask) else 0
    steps = task.num_steps or warm_up + (task.reach or 0) + _BEYOND + 1
    lags = _lags(steps - 1 if task.reach is None else min(task.reach + _BEYOND, steps - 1))
    rows = max(64, min(_SYMBOLS // steps, _MOST_SEQUENCES))
    draw = task.draw(generator, rows, steps)
    scored = torch.ones(rows, steps, dtype=torch.bool) if draw.scored is None else draw.scored
    before = task.features(draw.inputs)
    bits = len(task.encoding) == 2 and not draw.inputs.is_floating_point()
    if bits:
        others = task.features(1 - draw.inputs.long())
    else:
        others, features = before.clone(), task.exchanged
        others[..., features] = _others(before[..., features], generator)
    # what is the same in all sequences cannot be changed, like the silence behind a first symbol
    changeable = (others != before).any(dim=-1).any(dim=0)
    changeable &= torch.arange(steps) >= warm_up
    chosen = _places(scored, changeable, lags, generator)
    changed = chosen >= 0
    if not changed.any():
        return []
    before, others, scored, chosen = (part[changed] for part in (before, others, scored, chosen))
    each = torch.arange(len(chosen))
    after = before.clone()
    after[each, chosen] = others[each, chosen]
    both = torch.cat([before, after])
    old, new = task.loss.prediction(outputs_of(network, both)).chunk(2)
    law = _law(task, both)
    real = draw.targets.is_floating_point()
    if not real:
        old, new = old.exp(), new.exp()
    to_one = None
    if bits and (real or task.output_size == 2):
        to_one = draw.inputs[changed][each, chosen] == 0
    found: list[Use] = []
    for lag in lags:
        at = chosen + lag
        inside = at < steps
        inside[inside.clone()] = scored[each[inside], at[inside]]
        if int(inside.sum()) < 2:
            continue
        row, at = each[inside], at[inside]
        truth = None if law is None else law[len(each) + row, at] - law[row, at]
        if truth is not None:
            # a change may make a sequence that never comes, of which there is no truth
            told = truth.isfinite().all(dim=-1)
            if int(told.sum()) < 2:
                truth = None
            else:
                row, at, truth = row[told], at[told], truth[told]
        moved = new[row, at] - old[row, at]
        # half, because what one class gains the others lose
        weight = 1 / moved.shape[1] if real else 0.5
        true_variation = None if truth is None else float(truth.abs().sum(dim=1).mean()) * weight
        numbers = [*_mean(moved.abs().sum(dim=1) * weight), true_variation]
        if to_one is not None:
            up = torch.where(to_one[row], 1.0, -1.0).double()
            numbers += _mean(up * moved[:, -1])
            numbers.append(None if truth is None else float((up * truth[:, -1]).mean()))
        found.append(Use(lag, *numbers))
    return found


def _lags(last: int) -> list[int]:
    """Return the lags to look at, up to the last.

    >>> _lags(3), _lags(49)[-4:]
    ([0, 1, 2, 3], [15, 16, 32, 49])
    """
    powers = [2**k for k in range(last.bit_length()) if _EACH < 2**k < last]
    return [*range(min(last, _EACH + 1)), *powers, last]


def _places(
    scored: Bool[Tensor, "batch time"],
    changeable: Bool[Tensor, " time"],
    lags: list[int],
    generator: Generator,
) -> Integer[Tensor, " batch"]:
    """Return which step of each sequence is changed, so that all lags come alike; -1: none."""
    rows, steps = scored.shape
    # the lags take turns: each row is to tell of its own
    own = torch.tensor(lags)[torch.arange(rows) % len(lags)]
    told = torch.arange(steps) + own[:, None]
    tells = scored.gather(1, told.clamp(max=steps - 1)) & (told < steps) & changeable
    # of the places that do, any
    order = torch.rand(rows, steps, generator=generator).masked_fill(~tells, -1.0)
    place = order.argmax(dim=1)
    return torch.where(tells.any(dim=1), place, -1)


def _others(inputs: Features, generator: Generator) -> Features:
    """Return inputs of other sequences, at each step one that differs if there is any."""
    others = inputs
    for _ in range(_TRIES):
        drawn = inputs[torch.randperm(len(inputs), generator=generator)]
        same = (others == inputs).all(dim=-1, keepdim=True)
        others = torch.where(same, drawn, others)
    return others


def _law(task: Task, inputs: Features) -> Probabilities | None:
    """Return the exact law, or None if the task has none of such inputs."""
    try:
        return task.probabilities(inputs)
    # a change may make a sequence that the task never draws, and its law need not take it
    except Exception:
        return None


def _mean(values: Float[Tensor, " rows"]) -> tuple[float, float]:
    """Return a mean and its standard error."""
    return float(values.mean()), float(values.std()) / len(values) ** 0.5
