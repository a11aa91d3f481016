"""Where streams start: every epoch, and more often where a schedule of restarts says so."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lossladder import checks


class Starts:
    """The updates before which all streams begin anew, and with them the state of a network.

    Streams that never end are learned from short ones first: nothing learns to track the product of
    letters over thousands of steps from the first update on, and nothing that has only seen short
    strings tracks it for long.

    Args:
        epoch: updates between two starts, at most.
        restarts: from this update on: the share of windows that begin a stream, evenly spread.
    Raises:
        ValueError: if an update is no whole number from 0 on, or a share is none from 0 to 1.

    >>> [update for update in range(40) if Starts(100, {0: 0.5, 8: 0.1}).begins(update)]
    [0, 2, 4, 6, 8, 18, 28, 38]
    """

    def __init__(self, epoch: int, restarts: Mapping[int, float] | None = None) -> None:
        self.epoch = epoch
        given = checks.mapping("restarts", restarts or {}, example="{0: 0.5, 800: 0.02}")
        shares = {
            checks.whole("restarts: update", update, at_least=0): checks.real(
                f"restarts: share from update {update} on", share, least=0.0, most=1.0
            )
            for update, share in given.items()
        }
        self._shares = dict(sorted(shares.items()))
        # known so far, up to an update
        self._known, self._until = np.zeros(0, dtype=np.int64), 0

    def begins(self, update: int) -> bool:
        """Return whether streams begin anew with this update."""
        return self.around(update)[0] == update

    def around(self, update: int) -> tuple[int, int]:
        """Return the start at or before an update, and the one after it."""
        starts = self._reaching(update + self.epoch)
        place = int(starts.searchsorted(update, side="right"))
        return int(starts[place - 1]), int(starts[place])

    def number(self, update: int) -> int:
        """Return how many starts there are before the one that an update follows."""
        return int(self._reaching(update).searchsorted(update, side="right")) - 1

    def _reaching(self, update: int) -> NDArray[np.int64]:
        """Return the starts up to this update, and maybe more."""
        if update >= self._until:
            # twice as far, so that a long run asks seldom
            self._until = 2 * update + 2
            updates = np.arange(self._until)
            found = updates % self.epoch == 0
            # each part is spread by itself, so that a longer run has the same starts
            for first, end in pairwise([*self._shares, self._until]):
                share = self._shares[first]
                part = np.arange(max(min(end, self._until) - first, 0))
                found[first:end] |= np.floor(part * share) > np.floor((part - 1) * share)
            self._known = np.flatnonzero(found)
        return self._known
