"""The score of a network: its loss without label noise, its mistakes, and whether it cheats."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from lossladder.ladder import CHANCE, Features, Ladder, Rung
from lossladder.models import Network
from lossladder.tasks import Batch, Draw, Task
from lossladder.tasks.task import mean_over_scored


@dataclass(frozen=True)
class Score:
    """One measurement of a network.

    Args:
        loss: expected loss under the exact probabilities of the targets, per scored step.
        standard_error: of the loss, from its spread over sequences; 0 where they are no sample.
        error: share of sequences with a mistake at a scored step; None where targets are random
            or real.
        mistakes: number of those sequences; None likewise.
        sequences: number of sequences scored.
        leak: standard errors by which the loss on drawn targets lies under that of the exact
            probabilities on the same targets; no honest predictor gets far above 0.
        outputs: what the network put out, float64.
    """

    loss: float
    standard_error: float
    error: float | None
    mistakes: int | None
    sequences: int
    leak: float
    outputs: Float[Tensor, "batch time output"] = field(repr=False, compare=False)

    @property
    def leaks(self) -> bool:
        """Return whether the network must have seen what it was to predict."""
        # luck alone gets an honest network there in one measurement of 30 000
        return self.leak > 4.0


@torch.no_grad()
def outputs_of(network: Network, inputs: Features) -> Float[Tensor, "batch time output"]:
    """Return what the network puts out, float64, on the CPU."""
    device, training = next(network.parameters()).device, network.training
    # what drops out in training does not when it counts
    network.eval()
    outputs, _ = network(inputs.to(device))
    network.train(training)
    return outputs.cpu().double()


def accuracy(network: Network, task: Task, draw: Draw) -> float:
    """Return the share of scored steps at which the likeliest class is the target."""
    right = outputs_of(network, task.features(draw.inputs)).argmax(dim=-1) == draw.targets
    return float(mean_over_scored(right.double(), draw.scored))


def score(network: Network, task: Task, batch: Batch, exhaustive: bool = False) -> Score:
    """Measure a network on sequences whose exact probabilities are known.

    Args:
        network: trained or not.
        task: that draws such sequences.
        batch: the sequences.
        exhaustive: True: they are all that there are to be measured on, and no sample.
    """
    return score_outputs(outputs_of(network, batch.inputs), task, batch, exhaustive)


def score_outputs(
    outputs: Float[Tensor, "batch time output"], task: Task, batch: Batch, exhaustive: bool = False
) -> Score:
    """Measure what a network put out; see `score`."""
    steps = batch.scored.sum(dim=1).double()
    expected = _by_sequence(task.expected_losses(outputs, batch.probabilities), batch)
    # a mean over steps, not over sequences, like the ladder's
    loss = float(expected.sum() / steps.sum())
    error, mistakes = None, None
    classes = not batch.targets.is_floating_point()
    # where targets are random the best predictor errs as well, and a count of errors says nothing
    if classes and bool((batch.probabilities[batch.scored].amax(dim=-1) == 1).all()):
        wrong = (outputs.argmax(dim=-1) != batch.targets) & batch.scored
        mistakes = int(wrong.any(dim=1).sum())
        error = mistakes / len(wrong)
    error_of_loss = 0.0 if exhaustive else float(_standard_error(expected - loss * steps, steps))
    return Score(
        loss=loss,
        standard_error=error_of_loss,
        error=error,
        mistakes=mistakes,
        sequences=len(expected),
        leak=_leak(outputs, task, batch, steps),
        outputs=outputs,
    )


class Behaviour:
    """How far predictions are from those of each rung of a ladder.

    Args:
        measured: the predictions.
        batch: what they were made for.
        ladder: whose rungs.
    """

    def __init__(self, measured: Score, batch: Batch, ladder: Ladder) -> None:
        self._rungs = ladder.rungs
        self._steps = batch.scored.sum(dim=1).double()
        self._by_rung = ladder.divergences(batch.inputs, measured.outputs, batch.scored)
        self._means = self._by_rung.sum(dim=1) / self._steps.sum()
        # what leaves nothing to chance in the loss leaves nothing to it here
        self._exhaustive = measured.standard_error == 0

    @property
    def divergences(self) -> dict[str, float]:
        """Mean divergence from each rung per scored step, by name, nearest first."""
        pairs = zip((rung.name for rung in self._rungs), self._means.tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: pair[1]))

    @property
    def from_floor(self) -> tuple[float, float]:
        """Mean divergence from the floor, which predicts with the exact law, and its error."""
        return float(self._means[-1]), float(self._errors(self._by_rung[-1:], self._means[-1:])[0])

    def nearest(self, rungs: Sequence[Rung]) -> list[Rung]:
        """Return which of some rungs the predictions are nearest to.

        Several come, the nearest first, where they are no further from it than three standard
        errors of that difference.
        """
        names = {rung.name for rung in rungs}
        places = [place for place, rung in enumerate(self._rungs) if rung.name in names]
        places.sort(key=lambda place: float(self._means[place]))
        away = self._by_rung[places] - self._by_rung[places[0]]
        means = away.sum(dim=1) / self._steps.sum()
        alike = means <= CHANCE * self._errors(away, means) + 1e-12
        return [
            self._rungs[place] for place, is_alike in zip(places, alike, strict=True) if is_alike
        ]

    def _errors(
        self, by_sequence: Float[Tensor, "some batch"], means: Float[Tensor, " some"]
    ) -> Float[Tensor, " some"]:
        if self._exhaustive:
            return torch.zeros_like(means)
        return _standard_error(by_sequence - means[:, None] * self._steps, self._steps)


def _leak(
    outputs: Float[Tensor, "batch time output"],
    task: Task,
    batch: Batch,
    steps: Float[Tensor, " batch"],
) -> float:
    """Return the mean advantage over the exact probabilities, in its standard errors.

    The expected advantage is minus a divergence, so that it is never above 0 for a predictor that
    sees only the inputs so far.
    """
    # an impossible target counts as 50 nats against the probabilities, and not as infinitely many
    exact = task.losses(task.loss.logits_for(batch.probabilities), batch.targets).clamp(max=50.0)
    advantage = _by_sequence(exact - task.losses(outputs, batch.targets), batch)
    mean = float(advantage.sum() / steps.sum())
    # a network on the floor differs from the probabilities by rounding only, which is no evidence
    return mean / max(float(_standard_error(advantage - mean * steps, steps)), 1e-5)


def _by_sequence(values: Float[Tensor, "batch time"], batch: Batch) -> Float[Tensor, " batch"]:
    # `where`, because a step that does not count may have an infinite value
    return torch.where(batch.scored, values, 0.0).sum(dim=1)


def _standard_error(
    deviations: Float[Tensor, "*some batch"], steps: Float[Tensor, " batch"]
) -> Float[Tensor, " *some"]:
    """Return the standard error of a mean over all scored steps.

    Args:
        deviations: summed deviation from the mean of each sequence: they are independent, and the
            steps of one are not.
        steps: scored steps of each sequence.
    """
    sequences = len(steps)
    # one sequence says nothing about the spread
    if sequences < 2:
        return deviations.new_full(deviations.shape[:-1], float("inf"))
    # sequences of many scored steps weigh more, so that deviations are summed, not averaged
    return deviations.std(dim=-1) / steps.mean() / sequences**0.5
