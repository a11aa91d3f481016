"""A ladder: the rungs of a task, highest loss first, and the questions a run asks of them."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from lossladder.ladder.loss import CrossEntropy, Loss, Outputs
from lossladder.ladder.rung import Features, Rung

_SAME = 1e-9  # losses no further apart than this are one loss, computed in two ways
_SHOWN = 6  # rungs that a ladder shows of itself; echo with ten lags has 1024


class Ladder:
    """The rungs of a task, from its ceiling to its floor.

    The ceiling knows only how often each target occurs, the floor knows everything there is.

    Args:
        rungs: in any order; kept highest loss first.
        loss: what they are losses of; None: the cross entropy.
    Raises:
        ValueError: if there are no rungs.

    >>> def halves(inputs): return torch.full((*inputs.shape[:2], 2), 0.5, dtype=torch.float64)
    >>> coin = Rung("none", 0.6931, "nothing", halves)
    >>> Ladder([Rung("all", 0.0, "everything", halves), coin])
    <Ladder in nats: none 0.6931 > all 0.0000>
    """

    def __init__(self, rungs: Sequence[Rung], loss: Loss | None = None) -> None:
        if not rungs:
            raise ValueError("rungs=(): a ladder has at least one rung")
        self.loss = loss or CrossEntropy()
        # the sort is stable: rungs of one loss stay in the order they were given in
        self.rungs = tuple(sorted(rungs, key=lambda rung: -rung.loss))

    def __iter__(self) -> Iterator[Rung]:
        return iter(self.rungs)

    def __len__(self) -> int:
        return len(self.rungs)

    def __getitem__(self, name: str) -> Rung:
        for rung in self.rungs:
            if rung.name == name:
                return rung
        raise ValueError(f"rung {name!r}: must be one of {', '.join(r.name for r in self.rungs)}")

    def __repr__(self) -> str:
        shown = [f"{rung.name} {rung.loss:.4f}" for rung in self.rungs[:_SHOWN]]
        if len(self) > _SHOWN:
            # the first ones and the floor say more than the middle
            shown[-2:] = ["…", f"{self.floor.name} {self.floor.loss:.4f}"]
        return f"<Ladder in {self.loss.unit}: {' > '.join(shown)}>"

    @property
    def ceiling(self) -> Rung:
        """Return the best that anyone does who knows only how often each target occurs."""
        return self.rungs[0]

    @property
    def floor(self) -> Rung:
        """Return the best that anyone does."""
        return self.rungs[-1]

    def above_floor(self, loss: float) -> float:
        """Return the distance of a loss from the floor, per scored step."""
        return loss - self.floor.loss

    def tolerance(self, rung: Rung) -> float:
        """Return how far above a rung a loss still stands on it.

        It is a hundredth of a nat, or a tenth of the way to the next higher loss where that is
        wider, but never more than half of the way, so that no loss stands on a rung it is not
        nearest to.
        """
        # a network that has learned a rung still hovers some thousandths of a nat above it
        higher = [other.loss for other in self.rungs if other.loss > rung.loss + _SAME]
        if not higher:
            return 0.01
        gap = min(higher) - rung.loss
        return min(max(0.01, gap / 10), gap / 2)

    def reached(self, loss: float) -> Rung | None:
        """Return the lowest rung that a loss stands on or has passed; None: above the ceiling."""
        # from the floor up: whoever stands on a rung has passed all those above it
        for rung in reversed(self.rungs):
            if loss <= rung.loss + self.tolerance(rung):
                return rung
        return None

    def below(self, loss: float) -> Rung | None:
        """Return the next rung to reach from a loss; None on the floor."""
        here = self.reached(loss)
        if here is None:
            return self.ceiling
        # rungs of one loss are reached together: the next one costs less
        return next((rung for rung in self.rungs if rung.loss < here.loss - _SAME), None)

    def passed(self, updates: Sequence[int], losses: Sequence[float]) -> dict[str, int]:
        """Return the rungs that a curve of losses reached, with the first update it did so at."""
        # a rung once reached stays passed, even if the loss rises above it again
        passed: dict[str, int] = {}
        for update, loss in zip(updates, losses, strict=True):
            for rung in self.rungs:
                if loss <= rung.loss + self.tolerance(rung):
                    passed.setdefault(rung.name, update)
        return passed

    def divergences(
        self, inputs: Features, outputs: Outputs, scored: Bool[Tensor, "batch time"]
    ) -> dict[str, float]:
        """Return how far predictions are from each rung's own, by name.

        Args:
            inputs: what the predictions were made for.
            outputs: what a network put out, (batch, time, output).
            scored: which steps count.
        Returns:
            Mean Kullback-Leibler divergence over the scored steps, in nats; where targets are real,
            in the unit of the loss.
        """
        prediction, steps = self.loss.prediction(outputs), int(scored.sum())
        distances: dict[str, float] = {}
        for rung in self.rungs:
            by_step = self.loss.divergence(rung.predictor(inputs), prediction)
            # steps that do not count may diverge without end, and inf * 0 is no number
            distances[rung.name] = float(torch.where(scored, by_step, 0.0).sum()) / steps
        return distances

    def nearest(
        self, inputs: Features, outputs: Outputs, scored: Bool[Tensor, "batch time"]
    ) -> Rung:
        """Return the rung whose predictor these predictions behave like; see `divergences`.

        A loss can stand between rungs, or on one by accident; behaviour cannot.
        """
        divergences = self.divergences(inputs, outputs, scored)
        return self[min(divergences, key=divergences.__getitem__)]
