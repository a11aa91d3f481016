"""Snapshots: whose predictor a network is most like at each validation, and pictures of the way."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lossladder.data.datamodule import Data, seeded
from lossladder.diagnostics import (
    Behaviour,
    Score,
    UnfitError,
    decode,
    figures,
    horizon,
)
from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.runs.result import SnapshotsRecord
from lossladder.tensorboard.reference_lines import shown_rungs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 200  # kept: where there are more, of the older ones every second
# those that take less than a second of a small network; evaluate.py has all
_CHEAP = {"horizon": (horizon, figures.of_horizon), "decoding": (decode, figures.of_decoding)}


class Snapshots:
    """Divergences of a network from the predictors of a ladder, at each validation of a run.

    Args:
        ladder: whose rungs.
    """

    def __init__(self, ladder: Ladder) -> None:
        self.ladder = ladder
        self.rungs = shown_rungs(ladder.rungs)
        self.taken = 0
        self._points: list[tuple[int, float | None, str, list[float]]] = []

    def take(self, updates: int, measured: Score, data: Data) -> dict[str, float]:
        """Take one; return its numbers, each under its tag.

        Args:
            updates: made by now.
            measured: the network's score on the validation sequences.
            data: whose validation sequences they are.
        """
        found = Behaviour(measured, data.validated, self.ladder).divergences
        share = self.ladder.share(measured.loss)
        if len(self._points) == _MOST:
            self._points = self._points[1::2]
        kept = {rung.name: found[rung.name] for rung in self.rungs}
        self._points.append((updates, share, next(iter(found)), [*kept.values()]))
        self.taken += 1
        shares = {} if share is None else {"snapshot_share": share}
        return shares | {f"snapshot_divergence/{name}": away for name, away in kept.items()}

    @property
    def is_drawn(self) -> bool:
        """Whether pictures are drawn of the newest: of the 1st, 2nd, 4th, 8th ..."""
        # what is learnt is learnt early; TensorBoard shows ten of a tag, and files stay small
        return self.taken & (self.taken - 1) == 0

    def pictures(self, network: Network, data: Data) -> "Iterator[tuple[str, Figure]]":
        """Yield the name and the figure of each diagnostic that is cheap and fits the task."""
        yield "behaviour", figures.of_behaviour((self.record(), self.ladder.rungs), data.task)
        for name, (measure, draw) in _CHEAP.items():
            try:
                # the numbers that evaluate.py draws: its last picture is this one
                found = measure(network, data.task, seeded("measuring", data.validation_seed))
            except UnfitError:
                continue
            yield name, draw(found, data.task)

    def record(self) -> SnapshotsRecord:
        """Return all that were taken, as a result keeps them."""
        updates, shares, nearest, away = zip(*self._points, strict=True)
        names = [rung.name for rung in self.rungs]
        by_rung = dict(zip(names, map(list, zip(*away, strict=True)), strict=True))
        return SnapshotsRecord(list(updates), list(shares), list(nearest), by_rung)

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""
        return {"taken": self.taken, "points": [list(point) for point in self._points]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self.taken, self._points = state["taken"], [tuple(point) for point in state["points"]]
