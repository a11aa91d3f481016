"""A loss curve of bounded size, however long the run."""

from typing import Any


class Curve:
    """Losses by update; when it is full, neighbouring points become their mean.

    Args:
        size: most points kept; even.

    >>> curve = Curve(size=2)
    >>> for update in (10, 20, 30): curve.add(update, loss=update / 10, updates=10)
    >>> curve.points()
    {'updates': [20, 30], 'loss': [1.5, 3.0]}
    """

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self._points: list[tuple[int, float, int]] = []  # last update, mean loss, updates averaged

    def add(self, update: int, loss: float, updates: int) -> None:
        """Add the mean loss of the `updates` updates that end at `update`."""
        if len(self._points) == self.size:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_merged(first, second) for first, second in pairs]
        self._points.append((update, loss, updates))

    @property
    def latest(self) -> float:
        """The newest mean loss."""
        return self._points[-1][1]

    def points(self) -> dict[str, list[Any]]:
        """Updates and mean losses, in order."""
        return {
            "updates": [update for update, _, _ in self._points],
            "loss": [loss for _, loss, _ in self._points],
        }

    def state(self) -> list[list[float]]:
        """Everything a checkpoint needs."""
        return [list(point) for point in self._points]

    def restore(self, state: list[list[float]]) -> None:
        """The inverse of `state`."""
        self._points = [(int(update), loss, int(updates)) for update, loss, updates in state]


def _merged(
    first: tuple[int, float, int], second: tuple[int, float, int]
) -> tuple[int, float, int]:
    weight = first[2] + second[2]
    return second[0], (first[1] * first[2] + second[1] * second[2]) / weight, weight
