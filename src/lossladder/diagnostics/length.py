"""Length: the loss of a network on sequences longer than those it was trained on."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from lossladder import checks
from lossladder.diagnostics.score import outputs_of
from lossladder.diagnostics.states import UnfitError, best_and_constant
from lossladder.models import Network
from lossladder.tasks import Batch, Count, Task

_DOUBLINGS = 6  # up to 64 times the length
_SYMBOLS = 400_000  # looked at in all: some tenths of a second of a small network
_ROWS = 16, 256  # sequences of a length: at least, and at most
_KEPT = 0.9  # of what can be known
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class LengthCurve:
    """Losses in the second half of sequences of growing length.

    Args:
        lengths: in time steps: the trained one, twice that, and so on.
        loss: expected loss of the network under the exact law, per scored step, (lengths,).
        error: standard errors of `loss` less `floor`, (lengths,).
        floor: of the exact law on the same sequences, (lengths,).
        ceiling: of the best constant on them, (lengths,).
        carried: True: later steps of the same streams, whose state is carried. False: other
            sequences, which start anew.
        unit: of all losses.
    """

    lengths: list[int]
    loss: Float[Tensor, " lengths"]
    error: Float[Tensor, " lengths"]
    floor: Float[Tensor, " lengths"]
    ceiling: Float[Tensor, " lengths"]
    carried: bool
    unit: str

    @property
    def share(self) -> Float[Tensor, " lengths"]:
        """Return the part of what can be known that the network has at each length.

        No number where nothing can be known, as where a lag is longer than the sequence.
        """
        known = self.ceiling - self.floor
        return torch.where(known > _SAME, (self.ceiling - self.loss) / known, torch.nan)

    @property
    def kept(self) -> tuple[int, int] | None:
        """Return the lengths from which on, and up to which, 90 % of what can be known are kept.

        None: they never are.

        Lengths before the first that has them do not count: where the state is carried for ever in
        training, the first steps of a stream are the unfamiliar ones.
        """
        found = None
        for length, kept in zip(self.lengths, (self.share >= _KEPT).tolist(), strict=True):
            if kept:
                found = (found[0] if found else length), length
            elif found is not None:
                break
        return found

    @property
    def span(self) -> str:
        """Return `kept` in words."""
        if self.kept is None:
            return "never"
        first, last = self.kept
        return (
            f"up to {last} steps" if first == self.lengths[0] else f"from {first} to {last} steps"
        )


@torch.no_grad()
def length_curve(network: Network, task: Task, trained: int, generator: Generator) -> LengthCurve:
    """Return the losses of a network at 1, 2, 4, ... 64 times its trained length.

    The loss at a length n is the mean over the scored steps in the second half of n steps, from the
    start of a sequence. Streams are gone through once, with the state carried: each length is a
    later part of the same streams, and the last one is what endless streams come to.

    It misleads where the loss is a mean over rare catastrophes: a network that errs once in a
    thousand steps, and never recovers, looks perfect at a hundred. Nor does the curve say why it
    rises. And where sequences of training restart within a window, no length is *the* trained one.

    Args:
        network: trained or not.
        task: of streams, or one whose sequences can be of any length.
        trained: steps of a sequence in training; of streams, of a window.
        generator: source of all randomness.
    Raises:
        UnfitError: if the task has no longer sequences.
    """
    trained = checks.whole("trained", trained)
    if isinstance(task, Count):
        raise UnfitError("counts of longer strings have no classes")
    lengths = [trained * 2**doubling for doubling in range(_DOUBLINGS + 1)]
    least, most = _ROWS
    rows = max(least, min(most, _SYMBOLS // lengths[-1]))
    try:
        # asked of the shortest that differs, before time is spent on the longest
        task.sample(generator, 1, lengths[1])
        samples = [task.sample(generator, rows, n) for n in lengths[-1 if task.streams else 0 :]]
    except ValueError as error:
        raise UnfitError(f"its sequences have no other length: {error}") from error
    if task.streams:
        samples *= len(lengths)
        outputs = [outputs_of(network, samples[0].inputs)] * len(lengths)
    else:
        outputs = [outputs_of(network, sample.inputs) for sample in samples]
    found: list[tuple[float, float, float, float]] = []
    for n, batch, out in zip(lengths, samples, outputs, strict=True):
        steps = torch.arange(batch.scored.shape[1])
        counted = batch.scored & (steps >= n // 2) & (steps < n)
        if not counted.any():
            raise UnfitError("no step in the second half of its sequences is scored")
        found.append(_losses(task, batch, out, counted))
    loss, error, floor, ceiling = torch.tensor(found, dtype=torch.float64).T
    return LengthCurve(lengths, loss, error, floor, ceiling, task.streams, task.loss.unit)


def _losses(
    task: Task,
    batch: Batch,
    outputs: Float[Tensor, "batch time output"],
    counted: Bool[Tensor, "batch time"],
) -> tuple[float, float, float, float]:
    """Return the loss of a network, its error, that of the exact law, and of the best constant."""
    losses = task.expected_losses(outputs, batch.probabilities)
    exact, constant = best_and_constant(task, batch.probabilities, counted)
    above = torch.where(counted, losses - exact, 0.0).sum(dim=1)
    error = float(above.std()) / float(counted.sum(dim=1).double().mean()) / len(above) ** 0.5
    mean, least, most = (float(each[counted].mean()) for each in (losses, exact, constant))
    return mean, error, least, most
