"""A loss curve of bounded size, however long the run."""

from typing import Any, NamedTuple

# Updates in a point. A loss falls by factors: what matters is resolved on a logarithmic axis.
_FINEST, _COARSEST = 10, 200


class Point(NamedTuple):
    """The mean loss of some updates.

    Args:
        update: the last of them.
        loss: their mean.
        updates: how many there are.
    """

    update: int
    loss: float
    updates: int


class CurveBuilder:
    """Losses of single updates on their way to points, fine where the loss falls.

    A point holds a twentieth of the updates before it, but from 10 to 200. Where it ends depends on
    nothing else: the points are the same in whatever chunks the losses come.

    Args:
        made: updates before the first one added.

    >>> curve_builder = CurveBuilder()
    >>> curve_builder.add([1.0] * 15), curve_builder.rest()
    ([Point(update=10, loss=1.0, updates=10)], [Point(update=15, loss=1.0, updates=5)])
    """

    def __init__(self, made: int = 0) -> None:
        self.made = made  # updates in points already returned
        self._losses: list[float] = []

    def add(self, losses: list[float]) -> list[Point]:
        """Take in losses; return the points that are full now."""
        self._losses += losses
        points: list[Point] = []
        while len(self._losses) >= (size := max(_FINEST, min(self.made // 20, _COARSEST))):
            points.append(self._point(size))
        return points

    def rest(self) -> list[Point]:
        """Return what is left as a point of its own; none, if nothing is."""
        return [self._point(len(self._losses))] if self._losses else []

    def _point(self, size: int) -> Point:
        part, self._losses = self._losses[:size], self._losses[size:]
        self.made += size
        return Point(self.made, sum(part) / size, size)


class Curve:
    """A loss by update; when it is full, neighbouring points become their mean.

    Args:
        size: most points kept; even.

    >>> curve = Curve(size=2)
    >>> for update in (10, 20, 30): curve.add(update, loss=update / 10, updates=10)
    >>> curve.points()
    {'updates': [20, 30], 'loss': [1.5, 3.0]}
    """

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self._points: list[Point] = []

    def add(self, update: int, loss: float, updates: int) -> None:
        """Add the mean loss of the `updates` updates that end at `update`."""
        if len(self._points) == self.size:
            # halved, not thinned: no update is left out of the mean, and `result.json` stays small
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_merged(first, second) for first, second in pairs]
        self._points.append(Point(update, loss, updates))

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


def _merged(first: Point, second: Point) -> Point:
    # weighted: points hold more and more updates
    updates = first.updates + second.updates
    total = first.loss * first.updates + second.loss * second.updates
    return Point(second.update, total / updates, updates)
