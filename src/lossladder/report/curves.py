"""Loss curves of runs, thinned to what a picture can show, and those of a setting put together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 160  # points of a curve at most


class Curve(NamedTuple):
    """One run's training loss.

    Args:
        updates: (points,)
        losses: (points,), nats per scored step.
    """

    updates: NDArray[np.float64]
    losses: NDArray[np.float32]


class Line(NamedTuple):
    """Runs of one setting.

    Args:
        label: what sets them apart from the other lines.
        updates: (points,)
        losses: (runs, points), nats per scored step; no number where a run has ended.
    """

    label: str
    updates: NDArray[np.float64]
    losses: NDArray[np.floating]

    def quartiles(self) -> NDArray[np.floating]:
        """First quartile, median and third quartile over runs: (3, points)."""
        whole = not np.isnan(self.losses).any()  # nanquantile is a hundred times slower
        quantile = np.quantile if whole else np.nanquantile
        return np.asarray(quantile(self.losses, (0.25, 0.5, 0.75), axis=0))


def binned(updates: Sequence[float], losses: Sequence[float]) -> Curve:
    """Means over equal parts of the logarithmic axis, each at its last update.

    Late parts hold many points, which would be drawn over one another as a thick band of noise.
    """
    made, loss = np.array(updates, dtype=np.float64), np.array(losses, dtype=np.float64)
    edges = np.geomspace(made[0], made[-1], BINS + 1)[1:-1]
    _, starts = np.unique(np.searchsorted(edges, made), return_index=True)
    counts = np.diff(np.append(starts, len(made)))
    means = np.add.reduceat(loss, starts) / counts
    return Curve(made[starts + counts - 1], means.astype(np.float32))


def together(label: str, curves: Sequence[Curve]) -> Line:
    """Curves on common points, which go as far as more than half of the curves do.

    Beyond that, a median would tell of those that happened to go on.
    """
    by_end = sorted(curves, key=lambda curve: curve.updates[-1])
    points = by_end[(len(curves) - 1) // 2].updates
    return Line(label, points, np.stack([_at(points, curve) for curve in curves]))


def _at(updates: NDArray[np.float64], curve: Curve) -> NDArray[np.float32]:
    if np.array_equal(updates, curve.updates):
        return curve.losses
    between = np.interp(updates, curve.updates, curve.losses, right=np.nan)
    return between.astype(np.float32)
