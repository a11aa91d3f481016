"""The score of a network: its loss without label noise, its mistakes, and whether it cheats."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from lossladder.ladder import Features, Ladder
from lossladder.models import Network
from lossladder.tasks import Batch, Draw, Task
from lossladder.tasks.task import mean_over_scored


@dataclass(frozen=True)
class Score:
    """One measurement of a network.

    Args:
        loss: expected loss under the exact probabilities of the targets, per scored step.
        standard_error: of the loss, from its spread over sequences.
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
    device = next(network.parameters()).device
    outputs, _ = network(inputs.to(device))
    return outputs.cpu().double()


def accuracy(network: Network, task: Task, draw: Draw) -> float:
    """Return the share of scored steps at which the likeliest class is the target."""
    right = outputs_of(network, task.features(draw.inputs)).argmax(dim=-1) == draw.targets
    return float(mean_over_scored(right.double(), draw.scored))


def score(network: Network, task: Task, batch: Batch) -> Score:
    """Measure a network on sequences whose exact probabilities are known."""
    outputs = outputs_of(network, batch.inputs)
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
    return Score(
        loss=loss,
        standard_error=_standard_error(expected - loss * steps, steps),
        error=error,
        mistakes=mistakes,
        sequences=len(expected),
        leak=_leak(outputs, task, batch, steps),
        outputs=outputs,
    )


def behaviour(measured: Score, batch: Batch, ladder: Ladder) -> dict[str, float]:
    """Return how far the predictions measured are from each rung's own, in nats, nearest first."""
    divergences = ladder.divergences(batch.inputs, measured.outputs, batch.scored)
    return dict(sorted(divergences.items(), key=lambda item: item[1]))


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
    return mean / max(_standard_error(advantage - mean * steps, steps), 1e-5)


def _by_sequence(values: Float[Tensor, "batch time"], batch: Batch) -> Float[Tensor, " batch"]:
    # `where`, because a step that does not count may have an infinite value
    return torch.where(batch.scored, values, 0.0).sum(dim=1)


def _standard_error(deviations: Float[Tensor, " batch"], steps: Float[Tensor, " batch"]) -> float:
    """Return the standard error of a mean over all scored steps.

    Args:
        deviations: summed deviation from the mean of each sequence: they are independent, and the
            steps of one are not.
        steps: scored steps of each sequence.
    """
    sequences = len(steps)
    # one sequence says nothing about the spread
    if sequences < 2:
        return float("inf")
    # sequences of many scored steps weigh more, so that deviations are summed, not averaged
    return float(deviations.std() / steps.mean()) / sequences**0.5
