"""Echo: bits whose chance is raised or lowered by past ones at fixed lags."""

from collections.abc import Mapping
from itertools import product

import numpy as np

from lossladder import checks
from lossladder.tasks.lagged_bits import MOST_LAGS, LaggedBits

# those of the notebook, with one echo that raises the chance and one that lowers it
NOTEBOOK_EFFECTS = {3: 0.5, 8: -0.25}


class Echo(LaggedBits):
    """The task to predict bits whose chance is raised or lowered by ones at fixed lags.

        input    1   0   0   1   1   0   1
        chance  .5  .5  .5  1.  .5  .5  1.        effects={3: +0.5}

    A chance that effects push outside [0, 1] is clipped, as comparing it with a random number does.

    Args:
        effects: lag in time steps -> change in the chance of a one; None: {3: 0.5, 8: -0.25}.
        base: chance of a one when no past one applies.
        chance_of_one: chance of a one in the input.
    Raises:
        ValueError: if a lag is no whole number, a chance is none, or there are more than ten lags.
    Source: R2RT (2016), "Recurrent Neural Networks in Tensorflow I".

    >>> Echo()
    Echo(effects={3: 0.5, 8: -0.25}, base=0.5, chance_of_one=0.5)
    >>> for rung in Echo().ladder(): print(f"{rung.name:12} {rung.loss:.12f}")
    none         0.661563238158
    lag 8        0.627741162589
    lag 3        0.519166699707
    lags 3 and 8 0.454454367449
    """

    def __init__(
        self,
        effects: Mapping[int, float] | None = None,
        base: float = 0.5,
        chance_of_one: float = 0.5,
    ) -> None:
        effects = NOTEBOOK_EFFECTS if effects is None else effects
        effects = checks.mapping("effects", effects, example="{3: 0.5}")
        checked = {
            checks.whole("effects: lag", lag, at_least=0): checks.real(
                f"effects: effect at lag {lag}", effect
            )
            for lag, effect in effects.items()
        }
        self.effects = dict(sorted(checked.items()))
        lags = tuple(self.effects)
        if len(lags) > MOST_LAGS:
            raise ValueError(
                f"effects: {len(lags)} lags make 2**{len(lags)} rungs; at most {MOST_LAGS} lags"
            )
        self.base = checks.chance("base", base)
        changes = tuple(self.effects.values())
        sums = [
            self.base + sum(change for change, x in zip(changes, history, strict=True) if x)
            for history in product((0, 1), repeat=len(lags))
        ]
        chances = np.clip(np.array(sums, dtype=np.float64), 0, 1)
        super().__init__(lags, chances, chance_of_one)
