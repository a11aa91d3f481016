"""A loss curve of bounded size, however long the run, and when it passed the rungs of a ladder."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.ladder import Ladder

# Updates in a point. A loss falls by factors: what matters is resolved on a logarithmic axis.
_FINEST, _COARSEST = 10, 200


class Point(NamedTuple):
    """The mean loss of as many `updates`, of which `update` is the last."""

    update: int
    loss: float
    updates: int


class Curve:
    """A loss by update; when it is full, neighbouring points become their mean.

    Losses of single updates become points that are fine where the loss falls: a point holds a
    twentieth of the updates before it, but from 10 to 200. Where it ends depends on nothing else:
    the points are the same in whatever chunks the losses come.

    Args:
        size: most points kept; even.

    >>> curve = Curve(size=2)
    >>> curve.extend([1.0] * 15), curve.end()
    ([Point(update=10, loss=1.0, updates=10)], [Point(update=15, loss=1.0, updates=5)])
    >>> curve.add(Point(update=30, loss=2.0, updates=15))
    >>> curve.points()
    {'updates': [15, 30], 'loss': [1.0, 2.0]}
    """

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self._points: list[Point] = []
        # of updates that no point holds yet
        self._losses: list[float] = []

    def extend(self, losses: list[float]) -> list[Point]:
        """Add the losses of single updates; return the points that are complete now."""
        self._losses += losses
        complete: list[Point] = []
        while len(self._losses) >= (size := max(_FINEST, min(self._last // 20, _COARSEST))):
            complete.append(self._take(size))
        return complete

    def end(self) -> list[Point]:
        """Make a point of what is left and return it; return none if nothing is."""
        return [self._take(len(self._losses))] if self._losses else []

    def add(self, point: Point) -> None:
        """Add a point behind the others."""
        if len(self._points) == self.size:
            # halved, not thinned: no update is left out of the mean, and `result.json` stays small
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_merged(first, second) for first, second in pairs]
        self._points.append(point)

    def points(self) -> dict[str, list[Any]]:
        """Return updates and mean losses, in order."""
        return {
            "updates": [point.update for point in self._points],
            "loss": [point.loss for point in self._points],
        }

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs, a point that has just begun included."""
        # by columns: a thousand small lists would take ten times as long to copy and to write
        columns = [list(column) for column in zip(*self._points, strict=True)]
        return {"points": columns, "losses": [*self._losses]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        columns = zip(*state["points"], strict=True)
        self._points = [Point(int(update), loss, int(n)) for update, loss, n in columns]
        self._losses = [*state["losses"]]

    @property
    def _last(self) -> int:
        return self._points[-1].update if self._points else 0

    def _take(self, size: int) -> Point:
        """Make a point of the first `size` losses that are left."""
        part, self._losses = self._losses[:size], self._losses[size:]
        point = Point(self._last + size, sum(part) / size, size)
        self.add(point)
        return point


class Passed:
    """When a curve of losses passed each rung of a ladder.

    A rung is passed with the first of two consecutive points at or under its loss and tolerance:
    one alone may be there by chance. Once passed it stays so, even if the loss rises again.

    Args:
        ladder: whose rungs.
        tolerances: of each; None: those of the ladder.

    >>> from lossladder.tasks import Echo
    >>> passed = Passed(Echo().ladder())
    >>> for update, loss in ((10, 0.66), (20, 0.52), (30, 0.64), (40, 0.61), (50, 0.62)):
    ...     passed.add(update, loss)
    >>> passed.at
    {'none': 10, 'lag 8': 40}
    """

    def __init__(self, ladder: Ladder, tolerances: Mapping[str, float] | None = None) -> None:
        self._names = [rung.name for rung in ladder]
        # a rung of the first steps of a stream only, such as to know the step, has its own
        tolerances = {**ladder.tolerances, **(tolerances or {})}
        self._limits = np.array([rung.loss + tolerances[rung.name] for rung in ladder])
        self.at: dict[str, int] = {}
        # of the newest point: its update, and which rungs it was under
        self._update = 0
        self._under = np.zeros(len(ladder), dtype=bool)

    def add(self, update: int, loss: float, more: NDArray[np.float64] | float = 0.0) -> None:
        """Take in a point.

        Args:
            update: last of the point.
            loss: mean over its updates.
            more: what the rungs cost over these updates above their losses, (rungs,).
        """
        under = loss <= self._limits + more
        for place in np.flatnonzero(under & self._under):
            self.at.setdefault(self._names[place], self._update)
        self._update, self._under = update, under

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        return {"at": {**self.at}, "update": self._update, "under": self._under.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self.at, self._update = dict(state["at"]), state["update"]
        self._under = np.array(state["under"], dtype=bool)


def _merged(first: Point, second: Point) -> Point:
    updates = first.updates + second.updates
    total = first.loss * first.updates + second.loss * second.updates
    return Point(second.update, total / updates, updates)
