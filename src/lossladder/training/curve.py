"""A loss curve of bounded size, however long the run."""

from typing import Any, NamedTuple

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

    def state(self) -> list[list[float]]:
        """Return everything a checkpoint needs."""
        return [list(point) for point in self._points]

    def restore(self, state: list[list[float]]) -> None:
        """Take up what `state` returned."""
        self._points = [Point(int(update), loss, int(updates)) for update, loss, updates in state]
        self._losses = []

    @property
    def _last(self) -> int:
        return self._points[-1].update if self._points else 0

    def _take(self, size: int) -> Point:
        """Make a point of the first `size` losses that are left."""
        part, self._losses = self._losses[:size], self._losses[size:]
        point = Point(self._last + size, sum(part) / size, size)
        self.add(point)
        return point


def _merged(first: Point, second: Point) -> Point:
    updates = first.updates + second.updates
    total = first.loss * first.updates + second.loss * second.updates
    return Point(second.update, total / updates, updates)
