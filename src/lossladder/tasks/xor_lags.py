"""XOR of lags: whether two bits differ that came some steps ago."""

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import Any, cast

import numpy as np

from lossladder import checks
from lossladder.tasks.lagged_bits import MOST_LAGS, LaggedBits, Lags

_SAME = 1e-12


class XorLags(LaggedBits):
    """The task to say whether the ones among the inputs at some lags are odd.

        input   1  0  1  1  0  0  1
        target  .  .  .  0  0  1  1        lags=[1, 3]: of each step, one back and three back

    Fair bits make it a plateau: one of them alone says nothing, so that there is no rung between
    guessing and knowing them all. Where a one is less likely than a zero, a bit alone tells
    something, and each subset of the lags is a rung of its own.

    Args:
        lags: in time steps, two of them or more.
        chance_of_one: chance of a one in the input.
        noise: chance that a target is flipped.
    Raises:
        ValueError: if a lag is no whole number, or there twice, there are fewer than two or more
            than ten, or a chance is none; if noise is above one half.
    Source: Bertschinger and Natschläger (2004), "Real-time computation at the edge of chaos in
        recurrent neural networks"; of successive bits, Elman (1990), "Finding structure in time".

    >>> XorLags()
    XorLags(lags=(1, 3), chance_of_one=0.3, noise=0.1)
    >>> for rung in XorLags().ladder(): print(f"{rung.loss:.9f} {rung.name}")
    0.684932663 none
    0.641035478 lag 1
    0.641035478 lag 3
    0.325082973 lags 1 and 3
    >>> [rung.name for rung in XorLags(chance_of_one=0.5).ladder()]
    ['none', 'lags 1 and 3']
    """

    def __init__(
        self, lags: Sequence[int] = (1, 3), chance_of_one: float = 0.3, noise: float = 0.1
    ) -> None:
        given = _checked(lags)
        self.noise = checks.real("noise", noise, least=0.0, most=0.5)
        histories = product((0, 1), repeat=len(given))
        odd = np.array([sum(history) % 2 for history in histories])
        chances = np.where(odd == 1, 1 - self.noise, self.noise)
        super().__init__(given, chances, chance_of_one)

    @cached_property
    def known(self) -> dict[Lags, str]:
        """The subsets of the lags that are worth more than each with a lag less."""
        every, loss = super().known, self.loss_knowing

        def worth_it(known: Lags) -> bool:
            less = [tuple(lag for lag in known if lag != one) for one in known]
            return all(loss(known) < loss(lags) - _SAME for lags in less)

        return {known: name for known, name in every.items() if worth_it(known)}


def _checked(lags: Any) -> list[int]:
    """Return lags in ascending order, if that is what they are."""
    if not isinstance(lags, list | tuple):
        raise ValueError(f"lags={lags!r}: must be a list like [1, 3]")
    given = [checks.whole("lags: lag", lag, at_least=0) for lag in cast("list[Any]", lags)]
    if len(given) != len(set(given)) or not 2 <= len(given) <= MOST_LAGS:
        raise ValueError(f"lags={list(given)}: must be from 2 to {MOST_LAGS} different lags")
    return sorted(given)
