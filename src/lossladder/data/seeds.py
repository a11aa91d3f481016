"""Randomness by purpose: each draw of a run depends on what it is for and where it stands."""

import numpy as np
from torch import Generator

_PURPOSES = ("weights", "training", "validation", "split", "shuffle", "measuring")


def seeded(purpose: str, seed: int, *place: int) -> Generator:
    """Return a generator that depends on the arguments, and on nothing else.

    Args:
        purpose: weights, training, validation, split, shuffle or measuring.
        seed: of the run, at least 0.
        place: where in the run the draw stands (epoch, block, update), each at least 0.

    >>> seeded("training", 0, 3).initial_seed() == seeded("training", 0, 4).initial_seed()
    False
    """
    # The 0 is part of what a seed means: without it every published number would change. It stood
    # for a network among several of one seed, and networks trained together have their own seeds.
    words = (_PURPOSES.index(purpose), seed, 0, *place)
    (state,) = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return Generator().manual_seed(int(state))
