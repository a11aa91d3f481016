"""Learning-rate schedules: the factor on the optimizer's own rate, by the number of updates made.

A schedule remembers nothing. What it says of an update depends on how many came before, so that
neither a cut into chunks nor the end of a session nor another engine changes anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from torch.optim import Optimizer

from lossladder import checks

Steps = Float64[ndarray, " updates"]  # counts of updates, or a number for each


class LearningRateSchedule(ABC):
    """A factor on the learning rate for each update.

    One of one's own says in `at` what it is, of many updates at once:

        class InverseRoot(LearningRateSchedule):
            def at(self, steps):
                return 1 / np.sqrt(1 + steps)

    Attributes:
        steps: updates it goes through; None: it has no length.
    """

    steps: int | None = None

    @abstractmethod
    def at(self, steps: Steps) -> Steps:
        """Return the factor on the rate of each update, given how many came before it."""

    def factors(self, first: int, count: int) -> Steps:
        """Return the factors of `count` updates, before the first of which `first` were made.

        >>> StepDecay(every=2, by=0.5).factors(first=1, count=4).tolist()
        [1.0, 0.5, 0.5, 0.25]
        """
        factors = np.empty(count)
        # one number for all is an answer, too
        factors[:] = self.at(np.arange(first, first + count, dtype=np.float64))
        return factors

    def factor(self, step: int) -> float:
        """Return the factor of the update before which `step` were made."""
        return float(self.factors(step, 1)[0])


class ConstantRate(LearningRateSchedule):
    """The optimizer's own rate, at every update."""

    def at(self, steps: Steps) -> Steps:
        """Return ones."""
        return np.ones_like(steps)


class Cosine(LearningRateSchedule):
    """Half a wave of a cosine, from the full rate down to `lowest`, where it then stays.

    Args:
        steps: updates until it is down.
        lowest: the last factor.
    Raises:
        ValueError: if steps is no whole number above 0, or lowest is not from 0 to 1.
    Source: Loshchilov and Hutter (2017), arXiv:1608.03983, without restarts.

    >>> Cosine(steps=4).factors(0, 6).round(2).tolist()
    [1.0, 0.85, 0.5, 0.15, 0.0, 0.0]
    """

    def __init__(self, steps: int | None = None, lowest: float = 0.0) -> None:
        self.steps = self._end = _length(steps)
        self.lowest = checks.chance("lowest", lowest)

    def at(self, steps: Steps) -> Steps:
        """Return lowest + (1 - lowest) (1 + cos(pi s / steps)) / 2."""
        return _half_wave(steps / self._end, self.lowest)


class WarmupCosine(LearningRateSchedule):
    """A straight line up to the full rate, and half a wave of a cosine down from it.

    Args:
        steps: updates until it is down, the warm-up among them.
        warmup_steps: updates on the way up, of which the last has the full rate.
        lowest: the last factor.
    Raises:
        ValueError: if steps or warmup_steps is no whole number, warmup_steps is not below steps,
            or lowest is not from 0 to 1.

    >>> WarmupCosine(steps=6, warmup_steps=2).factors(0, 7).round(2).tolist()
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15, 0.0]
    """

    def __init__(
        self, steps: int | None = None, warmup_steps: int = 100, lowest: float = 0.0
    ) -> None:
        self.steps = self._end = _length(steps)
        self.lowest = checks.chance("lowest", lowest)
        self.warmup_steps = checks.whole("warmup_steps", warmup_steps, at_least=0)
        if warmup_steps >= self._end:
            raise ValueError(
                f"warmup_steps={warmup_steps}: must be below the {self._end} updates of the whole "
                "schedule"
            )

    def at(self, steps: Steps) -> Steps:
        """Return (s + 1) / warmup_steps on the way up, and then what `Cosine` does."""
        # the very first update counts as well, which a line from zero would leave out
        up = (steps + 1) / max(self.warmup_steps, 1)
        down = (steps - self.warmup_steps) / (self._end - self.warmup_steps)
        return np.where(steps < self.warmup_steps, up, _half_wave(down, self.lowest))


class StepDecay(LearningRateSchedule):
    """A rate that is multiplied by a number at regular intervals.

    Args:
        every: updates between two steps.
        by: factor of each step.
    Raises:
        ValueError: if every is no whole number above 0, or by is not from 0 to 1.
    """

    def __init__(self, every: int = 1000, by: float = 0.5) -> None:
        self.every = checks.whole("every", every)
        self.by = checks.chance("by", by)

    def at(self, steps: Steps) -> Steps:
        """Return by to the power of the steps taken."""
        return self.by ** (steps // self.every)


def _length(steps: int | None) -> int:
    if steps is None:
        raise ValueError("steps=null: the run has no length of its own; give one, in updates")
    return checks.whole("steps", steps)


def _half_wave(way: Steps, lowest: float) -> Steps:
    """Return 1 at the start of the way, 0, and `lowest` from its end on, 1."""
    return lowest + (1 - lowest) * (1 + np.cos(np.pi * way.clip(0, 1))) / 2


@contextmanager
def own_rates(optimizer: Optimizer) -> Iterator[list[Any]]:
    """Yield the optimizer's own rates, one a group of parameters, and put them back at the end."""
    # so that a checkpoint holds the rate that was asked for, whatever the schedule makes of it
    rates = [group["lr"] for group in optimizer.param_groups]
    try:
        yield rates
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
