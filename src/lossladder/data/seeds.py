"""Randomness by purpose: each draw of a run depends on what it is for and where it stands."""

import numpy as np
from torch import Generator

_PURPOSES = ("weights", "training", "validation", "split", "shuffle", "measuring")


def seeded(purpose: str, *numbers: int) -> Generator:
    """A generator that depends on the purpose and the numbers, and on nothing else.

    Args:
        purpose: weights, training, validation, split, shuffle or measuring.
        numbers: seed, member, step and the like, each at least 0.

    >>> seeded("weights", 0).initial_seed() == seeded("weights", 0).initial_seed()
    True
    >>> seeded("weights", 0).initial_seed() == seeded("weights", 1).initial_seed()
    False
    """
    sequence = np.random.SeedSequence((_PURPOSES.index(purpose), *numbers))
    (state,) = sequence.generate_state(1, np.uint64)
    return Generator().manual_seed(int(state))
