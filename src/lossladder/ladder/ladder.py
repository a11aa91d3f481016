"""A ladder: the rungs of a task, highest loss first, and the questions a run asks of them."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossladder.ladder.loss import CrossEntropy, Loss
from lossladder.ladder.rung import Rung


class Ladder:
    """Rungs from the ceiling (knows only how often each target occurs) to the floor (knows all).

    Args:
        rungs: in any order; kept highest loss first.
        loss: what they are losses of; None: the cross entropy.
    Raises:
        ValueError: if there are no rungs.
    """

    def __init__(self, rungs: Sequence[Rung], loss: Loss | None = None) -> None:
        if not rungs:
            raise ValueError("rungs=(): a ladder has at least one rung")
        self.loss = loss or CrossEntropy()
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

    @property
    def ceiling(self) -> Rung:
        """The best anyone does who knows only how often each target occurs."""
        return self.rungs[0]

    @property
    def floor(self) -> Rung:
        """The best anyone does."""
        return self.rungs[-1]

    def above_floor(self, loss: float) -> float:
        """Distance of a loss from the floor, nats per scored step."""
        return loss - self.floor.loss

    def tolerance(self, rung: Rung) -> float:
        """How far above a rung a loss still stands on it, in nats.

        A hundredth of a nat, or a tenth of the way to the next higher loss where that is wider, but
        never more than half of the way, so that no loss stands on a rung it is not nearest to.
        """
        higher = [other.loss for other in self.rungs if other.loss > rung.loss + 1e-9]
        if not higher:
            return 0.01
        gap = min(higher) - rung.loss
        return min(max(0.01, gap / 10), gap / 2)

    def reached(self, loss: float) -> Rung | None:
        """The lowest rung a loss stands on or has passed; None if it is still above the ceiling."""
        for rung in reversed(self.rungs):
            if loss <= rung.loss + self.tolerance(rung):
                return rung
        return None

    def below(self, loss: float) -> Rung | None:
        """The next rung to reach from a loss; None on the floor."""
        here = self.reached(loss)
        if here is None:
            return self.ceiling
        return next((rung for rung in self.rungs if rung.loss < here.loss - 1e-9), None)

    def passed(self, updates: Sequence[int], losses: Sequence[float]) -> dict[str, int]:
        """Rungs a curve of losses reached, each with the first update at which it did."""
        passed: dict[str, int] = {}
        for update, loss in zip(updates, losses, strict=True):
            for rung in self.rungs:
                if loss <= rung.loss + self.tolerance(rung):
                    passed.setdefault(rung.name, update)
        return passed

    def divergences(
        self,
        inputs: Float[Tensor, "batch time input"],
        outputs: Float[Tensor, "batch time output"],
        scored: Bool[Tensor, "batch time"],
    ) -> dict[str, float]:
        """How far predictions are from each rung's own: mean KL over the scored steps, in nats."""
        said, steps = self.loss.prediction(outputs), int(scored.sum())
        distances: dict[str, float] = {}
        for rung in self.rungs:
            by_step = self.loss.divergence(rung.predictor(inputs), said)
            distances[rung.name] = float(torch.where(scored, by_step, 0.0).sum()) / steps
        return distances

    def nearest(
        self,
        inputs: Float[Tensor, "batch time input"],
        outputs: Float[Tensor, "batch time output"],
        scored: Bool[Tensor, "batch time"],
    ) -> Rung:
        """The rung whose predictor these predictions behave like.

        A loss can stand between rungs, or on one by accident; behaviour cannot.
        """
        divergences = self.divergences(inputs, outputs, scored)
        return self[min(divergences, key=divergences.__getitem__)]
