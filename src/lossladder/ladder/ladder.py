"""A ladder: the rungs of a task, highest loss first, and the questions a run asks of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lossladder.ladder.loss import CrossEntropy, Loss, Outputs
from lossladder.ladder.rung import Features, Rung

_SAME = 1e-9  # losses no further apart than this are one loss, computed in two ways
_SHOWN = 6  # rungs that a ladder shows of itself; echo with ten lags has 1024
# Standard errors that chance does not bridge: once in 370 measurements.
CHANCE = 3.0
# of some rungs, those whose predictors a network behaves most like; the nearest first
Nearest = Callable[[Sequence[Rung]], Sequence[Rung]]


class Standing(NamedTuple):
    """Where a network stands on a ladder, by its loss and by its behaviour.

    Args:
        where: on, between, above_ceiling or below_floor.
        on: the rung it stands on; several where neither loss nor behaviour tells them apart; none
            unless it is `on` one.
        knows: whether it knows what that rung knows.
        passed: the lowest rung it has passed in loss, several likewise; none above the ceiling.
        nearest: the rungs whose predictors it behaves most like, nearest first.
        share: part of what can be known that it has, (ceiling - loss) / (ceiling - floor); None
            where there is nothing to know.
    """

    where: str
    on: tuple[Rung, ...]
    knows: bool
    passed: tuple[Rung, ...]
    nearest: tuple[Rung, ...]
    share: float | None


class Ladder:
    """The rungs of a task, from its ceiling to its floor.

    The ceiling is the best constant: it knows only how often each target occurs, and neither inputs
    nor the step. The floor knows everything there is.

    Args:
        rungs: in any order; kept highest loss first.
        loss: what they are losses of; None: the cross entropy.
    Raises:
        ValueError: if there are no rungs, or one includes another that costs less or is not there.

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
        self._included = _included(self.rungs)
        self.tolerances = _tolerances(self.rungs, self.loss.close)
        # what counts as passed, once for all the points of a curve
        self.limits = tuple(rung.loss + self.tolerance(rung) for rung in self.rungs)

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

    def share(self, loss: float) -> float | None:
        """Return the part of what can be known that a loss shows; None: there is nothing to know.

        >>> from lossladder.tasks import Echo
        >>> round(Echo().ladder().share(0.4561), 2)
        0.99
        """
        span = self.ceiling.loss - self.floor.loss
        return (self.ceiling.loss - loss) / span if span > _SAME else None

    def tolerance(self, rung: Rung) -> float:
        """Return how far above a rung a loss still counts as its own.

        It is a hundredth of a nat, or a tenth of the way to the next higher loss where that is
        wider, but never more than half of the way, so that no loss is counted for a rung it is not
        nearest to. Of real targets it is `Loss.close`, whatever lies above: a tenth of the way
        would be far off in each output.
        """
        return self.tolerances[rung.name]

    def reached(self, loss: float) -> Rung | None:
        """Return the lowest rung that a loss has passed; None: above the ceiling.

        A loss says nothing of how a network came by it: see `standing`.
        """
        # from the floor up: whoever has passed a rung has passed all those above it
        for rung, limit in zip(reversed(self.rungs), reversed(self.limits), strict=True):
            if loss <= limit:
                return rung
        return None

    def includes(self, rung: Rung, other: Rung) -> bool:
        """Return whether who knows what a rung knows knows all that another one knows.

        >>> knows = dict(knows="", predictor=lambda inputs: inputs)
        >>> sign = Rung("sign", 1.0986, **knows)
        >>> point = Rung("one point", 0.6931, includes=(), **knows)
        >>> ladder = Ladder([sign, point])
        >>> ladder.includes(point, sign), ladder.includes(point, point)
        (False, True)
        """
        return other.name in self._included[rung.name]

    @cached_property
    def steps(self) -> tuple[tuple[Rung, Rung], ...]:
        """Each rung with those just above it, between which there is no other.

        In a ladder they follow one another; in a partial order there are several ways up.
        """
        place = {rung.name: number for number, rung in enumerate(self.rungs)}
        # sets as the bits of numbers: of ten lags there are 1024 rungs, and half a million pairs
        above = [
            sum(1 << place[name] for name in self._included[rung.name] - {rung.name})
            for rung in self.rungs
        ]
        found: list[tuple[Rung, Rung]] = []
        for rung, included in zip(self.rungs, above, strict=True):
            others = [n for n in range(len(self)) if included >> n & 1]
            beyond = 0
            for n in others:
                beyond |= above[n]
            found += [(rung, self.rungs[n]) for n in others if not beyond >> n & 1]
        return tuple(found)

    def standing(
        self,
        loss: float,
        standard_error: float,
        divergences: Mapping[str, float],
        nearest: Nearest,
    ) -> Standing:
        """Return where a network stands that has this loss and behaves in this way.

        It is on a rung if its loss is within the rung's tolerance, or within three standard errors
        where those are more, and its predictions are nearest to the rung's own. It knows what the
        rung knows if it is also no further from them than that: who knows this and no more is as
        far from the rung's predictor as from its loss, and who is further came by the loss in
        another way.

        Args:
            loss: of the network, per scored step.
            standard_error: of that; 0 where nothing was left to chance.
            divergences: of its predictions from those of each rung, by name.
            nearest: see `Nearest`; those it cannot tell apart come together.
        """
        noise = CHANCE * standard_error if standard_error < float("inf") else 0.0
        reached, alike = self.reached(loss), tuple(nearest(self.rungs))
        passed = () if reached is None else tuple(nearest(self._close(reached, standard_error)))
        within = {rung.name: max(self.tolerance(rung), noise) for rung in alike}
        on = [rung for rung in alike if abs(loss - rung.loss) <= within[rung.name]]
        if loss < self.floor.loss - max(noise, _SAME):
            where = "below_floor"
        elif on:
            where = "on"
        else:
            where = "above_ceiling" if reached is None else "between"
        close = self._close(on[0], standard_error) if where == "on" else ()
        on = tuple(rung for rung in on if rung in close)
        knows = bool(on) and all(divergences[rung.name] <= within[rung.name] for rung in on)
        return Standing(where, on, knows, passed, alike, self.share(loss))

    def _close(self, rung: Rung, standard_error: float) -> list[Rung]:
        """Return the rungs that a loss with this error cannot tell from this one, and itself."""
        near = max(2 * standard_error, _SAME)
        return [other for other in self.rungs if abs(other.loss - rung.loss) <= near]

    def divergences(
        self, inputs: Features, outputs: Outputs, scored: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "rungs batch"]:
        """Return how far predictions are from those of each rung, summed over scored steps.

        Args:
            inputs: what the predictions were made for.
            outputs: what a network put out, (batch, time, output).
            scored: which steps count.
        Returns:
            Kullback-Leibler divergence of each sequence, in nats; where targets are real, in the
            unit of the loss.
        """
        prediction = self.loss.prediction(outputs)
        counted, sequence = prediction[scored], scored.nonzero()[:, 0]
        distances = torch.empty(len(self), len(scored), dtype=torch.float64)
        for place, rung in enumerate(self.rungs):
            if rung.divergences is not None:
                ways = rung.divergences(inputs, prediction, scored)
            else:
                asked = (rung.predictor, *rung.twins)
                ways = torch.stack(
                    [self.loss.divergence(way(inputs)[scored], counted) for way in asked]
                )
            # a network knows one of them, in all sequences
            nearest = ways[ways.sum(dim=1).argmin()]
            distances[place] = nearest.new_zeros(len(scored)).index_add_(0, sequence, nearest)
        return distances


def worth_something(rungs: Sequence[Rung], floor: Rung) -> list[Rung]:
    """Return the rungs that cost less than all those they include, and more than the floor.

    The first one, the ceiling, stays; none includes one that is left out any more.

    Args:
        rungs: each behind those that it includes by name.
        floor: who knows everything.
    """
    kept = [*rungs[:1]]
    for rung in rungs[1:]:
        above = [other for other in kept if other.name in (rung.includes or ())]
        if floor.loss + _SAME < rung.loss < min(other.loss for other in above) - _SAME:
            kept.append(replace(rung, includes=tuple(other.name for other in above)))
    return kept


def _included(rungs: Sequence[Rung]) -> dict[str, set[str]]:
    """Return the names of the rungs that each one includes, itself among them, by name."""
    found: dict[str, set[str]] = {}
    known = {rung.name: rung for rung in rungs}
    for rung in rungs:
        found[rung.name] = {rung.name}
        if rung.includes is None:
            found[rung.name] |= {other.name for other in rungs if other.loss > rung.loss + _SAME}
        for name in rung.includes or ():
            if name not in known or known[name].loss < rung.loss - _SAME:
                costs = "is none of the ladder" if name not in known else "costs less"
                raise ValueError(f"rung {rung.name!r}: includes {name!r}, which {costs}")
            # what is included includes others in its turn
            found[rung.name] |= found.get(name, set()) | {name}
    return found


def _tolerances(rungs: Sequence[Rung], close: float) -> dict[str, float]:
    """Return the tolerance of each rung, by name; see `Ladder.tolerance`."""
    found: dict[str, float] = {}
    higher, last = float("inf"), float("inf")
    for rung in rungs:
        # rungs of one loss have the same higher one
        if last > rung.loss + _SAME:
            higher, last = last, rung.loss
        gap = higher - rung.loss
        wide = max(close, gap / 10) if close == CrossEntropy.close else close
        found[rung.name] = min(wide, gap / 2) if gap < float("inf") else close
    return found
