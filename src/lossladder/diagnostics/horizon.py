"""Horizon: the loss of a network of which only the last k inputs are real."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from lossladder.diagnostics.states import (
    UnfitError,
    last_output,
    predicted,
    trajectory,
    warm_up,
)
from lossladder.ladder import entropy
from lossladder.models import Network
from lossladder.tasks import Delay, Source, Task
from lossladder.tasks.bit_sum import BitSum

_SYMBOLS = 200_000  # looked at for each k: some hundredths of a second of a small network
_MOST_ROWS = 2000
_DRAWS, _MOST_DRAWS = 32, 96  # pasts for each class, and in all
_LONGEST = 64  # steps before the last k; a long warm-up is for losses that fall for long
_POOL = 2048  # pasts there are to choose from: few would be one chance for all rows
_EACH = 16  # k is looked at one by one up to here; then at powers of two
_FEW = 8  # the same where all matter
_BEYOND = 4  # looked at behind the last that can matter
_UNSEEN = 0.25  # of a past in all, that leads to a class which none of those drawn leads to

Averages = Float[Tensor, "rows draws output"]
Law = Float[Tensor, "rows output"]


@dataclass(frozen=True, slots=True)
class Horizon:
    """The loss at the last step where inputs older than the last k are drawn anew.

    Args:
        known: k, ascending; the last: every input is real.
        loss: of the network, whose predictions are averaged over the pasts, (known,).
        error: standard errors of `loss` less `truth`, (known,).
        truth: exact loss of who knows the last k inputs, (known,); the staircase.
        sampled: the same from the exact law on these sequences and pasts, (known,); it differs from
            `truth` by chance alone, and tells whether the pasts are right.
        unit: of all of them, a step.
    """

    known: list[int]
    loss: Float[Tensor, " known"]
    error: Float[Tensor, " known"]
    truth: Float[Tensor, " known"]
    sampled: Float[Tensor, " known"]
    unit: str


@torch.no_grad()
def horizon(network: Network, task: Task, generator: Generator) -> Horizon:
    """Return the loss at the last step by how many of the last inputs are real.

    The older inputs are drawn anew, as likely as they are before the last k, and the network's
    predictions are averaged over these pasts: that is what it predicts from the last k inputs. Who
    has the exact law goes down the staircase of the ladder; who makes nothing of an input that far
    back stays on the step before it.

    It misleads in two ways. It is the loss of one step, the last: of short strings not that of
    their rungs, which are means over steps. And an average is never as sure as what it is made of:
    a network that is too sure of itself looks better at small k than it is. (A network that starts
    from zeros k steps back is in a state that it never was in; what it loses there says nothing of
    its memory.)

    Which sequences are drawn moves the loss of the network and that of the exact law alike: what
    is measured is their difference, and the exact loss is added to it.

    Args:
        network: trained or not.
        task: whose inputs are independent, or a source; of the first, `truth` is exact where its
            ladder has a rung for each window that is worth something.
        generator: source of all randomness.
    Raises:
        UnfitError: if it is not known what may have been before the last k inputs.
    """
    if not (task.independent_inputs or isinstance(task, Source)):
        raise UnfitError("an input depends on others, and what was before the last k is not known")
    ks = _known(task)
    draws = min(_DRAWS * task.output_size, _MOST_DRAWS)
    steps = task.num_steps or min(warm_up(task), _LONGEST) + ks[-1]
    pool = task.sample(generator, _POOL, steps)
    # what the law of the last step looks at before the last k
    tail = steps if task.reach is None else task.reach
    rows = max(64, min(_MOST_ROWS, _SYMBOLS // (draws * min(tail + ks[-1], steps))))
    real = task.sample(generator, rows, steps)
    law = real.probabilities[:, -1]
    states = trajectory(network, pool.inputs).states
    # of the last step: what it loses with the real past and without, and the exact law likewise
    own = trajectory(network, real.inputs).outputs[:, -1]
    lost = [_loss(task, _alone(predicted(task, own)), law)]
    least = [_loss(task, _alone(law), law)]
    for k in reversed(ks):
        past = torch.randint(len(states), (rows, draws), generator=generator).flatten()
        window = real.inputs[:, steps - k :].repeat_interleave(draws, dim=0)
        before = pool.inputs[past, max(steps - k - tail, 0) : steps - k]
        laws = task.probabilities(torch.cat([before, window], dim=1))
        weights = _weights(task, laws, window).view(rows, draws, 1)
        outputs = last_output(network, window, states[past, steps - k - 1])
        # a past after which the window cannot come has a weight of 0, and no law
        both = predicted(task, outputs), laws[:, -1].nan_to_num()
        mine, exact = (part.view(rows, draws, -1) for part in both)
        lost.append(_loss(task, mine, law, weights))
        least.append(_loss(task, exact, law, weights))
    loss, sampled = torch.stack(lost[::-1]), torch.stack(least[::-1])
    truth = _staircase(task, [*ks, steps])
    above = loss - sampled
    return Horizon(
        known=[*ks, steps],
        loss=truth + above.mean(dim=1),
        error=above.std(dim=1) / rows**0.5,
        truth=truth,
        sampled=sampled.mean(dim=1),
        unit=task.loss.unit,
    )


def _known(task: Task) -> list[int]:
    """Return the numbers of inputs to look at, but for all of them."""
    most = _EACH if task.reach is None else task.reach + 1 + _BEYOND
    each = _EACH if task.reach is not None or task.num_steps is not None else _FEW
    if task.num_steps is not None:
        most = task.num_steps - 1
    powers = [2**j for j in range(most.bit_length()) if 2**j > each]
    return sorted({*range(1, min(most, each) + 1), *powers, most})


def _weights(
    task: Task,
    laws: Float[Tensor, "pairs all output"],
    window: Float[Tensor, "pairs known input"],
) -> Float[Tensor, " pairs"]:
    """Return how likely a window is after each past, up to a factor for all of them."""
    if task.independent_inputs:
        return torch.ones(len(window), dtype=torch.float64)
    # of a source, the law of each step is that of the next input
    steps = window.shape[1]
    of_inputs = laws[:, -steps - 1 : -1] * window.double()
    return of_inputs.sum(dim=-1).nan_to_num().prod(dim=1)


def _loss(
    task: Task,
    predictions: Averages,
    law: Law,
    weights: Float[Tensor, "rows draws 1"] | None = None,
) -> Float[Tensor, " rows"]:
    """Return the expected loss of predictions that are averaged over pasts.

    An average of R predictions costs about c / R more than that of all pasts. Half of them cost
    2 c / R more: twice the one less the other has no such term.
    """

    def of(part: slice) -> Tensor:
        average = predictions[:, part].mean(dim=1)
        if weights is not None:
            total = weights[:, part].sum(dim=1)
            weighted = (predictions[:, part] * weights[:, part]).sum(dim=1) / total
            # where no past fits a window, nothing is known of it
            average = torch.where(total > 0, weighted, average)
            if task.loss.unit == "nats":
                # a class that none of so few pasts leads to may have a chance all the same
                average = average.clamp(min=_UNSEEN / len(predictions[0, part]))
        return task.expected_losses(task.loss.logits_for(average), law)

    draws = predictions.shape[1]
    if draws == 1:
        return of(slice(None))
    halves = of(slice(None, draws // 2)), of(slice(draws // 2, None))
    return 2 * of(slice(None)) - (halves[0] + halves[1]) / 2


def _alone(prediction: Law) -> Averages:
    return prediction[:, None]


def _staircase(task: Task, known: list[int]) -> Float[Tensor, " known"]:
    """Return the exact loss of who knows the last k inputs, at the last step."""
    ladder = task.ladder()
    floor = ladder.floor.loss if ladder.floor.by_step is None else ladder.floor.by_step[-1]
    if isinstance(task, Source):
        # of which every window has its loss, whether it is a rung or not
        losses = task.source.window_losses
        exact = [losses[k] if k < len(losses) else floor for k in known]
    elif isinstance(task, BitSum):
        exact = [float(entropy(task.unseen(task.length, k)[-1])) for k in known]
    elif isinstance(task, Delay):
        exact = [float(sum(lag >= k for lag in task.lags)) for k in known]
    else:
        reaches = [(rung.loss, rung.reach) for rung in ladder if rung.reach is not None]
        exact = [min(loss for loss, reach in reaches if reach < k) for k in known]
    return torch.tensor([*exact[:-1], floor], dtype=torch.float64)
