"""Counterfactual: a state is moved to hold another belief; does the prediction follow?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from lossladder.diagnostics.decoding import fitted, read
from lossladder.diagnostics.knowledge import belief
from lossladder.diagnostics.states import (
    UnfitError,
    last_output,
    predicted,
    settled,
    trajectory,
    warm_up,
)
from lossladder.models import Network
from lossladder.tasks import Task

_ROWS, _STEPS = 2000, 16  # sequences, and steps of a stream behind its warm-up
_SYMBOLS = 400_000
_LEAST = 1e-6  # a change of the law that is none


@dataclass(frozen=True)
class Counterfactual:
    """Predictions after the state was moved, beside what they would have to be.

    Args:
        belief: what was moved, in words.
        change: of the network's predictions by the move, (changes,).
        true_change: of the exact law by the same change of belief, (changes,).
        error: mean total variation between the predictions of the moved network and the exact law
            of the belief it was moved to; of real targets, the mean absolute difference.
        unmoved: the same without the move.
        elsewhere: the same after a move as far in a random direction.
        real: the same of the network where it came by the belief itself, and not by a move.
    """

    belief: str
    change: Float[Tensor, " changes"]
    true_change: Float[Tensor, " changes"]
    error: float
    unmoved: float
    elsewhere: float
    real: float

    @property
    def slope(self) -> float:
        """Return how far the prediction follows: 1 wholly, 0 not at all."""
        # through the origin: a belief that stays leaves the law as it is
        return float(self.change @ self.true_change / self.true_change.square().sum())

    @property
    def correlation(self) -> float:
        """Return the correlation of both changes; 0 where the network's predictions never move."""
        if float(self.change.std()) < 1e-12:
            return 0.0
        return float(torch.stack([self.change, self.true_change]).corrcoef()[0, 1])


@torch.no_grad()
def counterfactual(network: Network, task: Task, generator: Generator) -> Counterfactual:
    """Return how predictions follow when the state is moved from one belief to another.

    On half of the sequences two lines are fitted, by least squares: how the belief is read from the
    state, and how the state moves, on average, with the belief. In each of the others the state
    before the last step is moved along the second until the first reads what it reads in another
    sequence, and the last input is that of the other one. A network that predicts from this belief
    predicts now what the exact law says of the other sequence. What a readout finds in a state need
    not be used; what makes the prediction follow is.

    It misleads in two ways. A state may hold a belief in a curve and not along a line: then it is
    moved to where it never is, and the prediction follows in part, although the belief is used. And
    a move that carries along what merely goes with the belief is credited to the belief.

    Args:
        network: trained or not.
        task: draws the sequences.
        generator: source of all randomness.
    Raises:
        UnfitError: if it is not known what one has to know, or nothing can change.
    Source: of moving a state and watching the prediction, Giulianelli et al. (2018), "Under the
        hood: using diagnostic classifiers to investigate and improve how language models track
        agreement information", arXiv:1808.08079.
    """
    length = task.num_steps or warm_up(task) + _STEPS
    if length < 2:
        raise UnfitError("of a single step nothing is remembered")
    rows = max(200, min(_ROWS, _SYMBOLS // length)) // 2 * 2
    batch, _ = settled(task, generator, rows, _STEPS)
    variable = belief(task, batch)
    half, inputs = rows // 2, batch.inputs
    seen = trajectory(network, inputs)
    before, known = seen.states[:, -2], variable.values[:, -2]
    readout = fitted(before[:half], known[:half])
    direction = fitted(known[:half], before[:half])[:-1]
    # what is read changes by this for each change of belief that the state is moved by
    heard = torch.linalg.pinv(direction @ readout[:-1], rtol=1e-3)
    mine = slice(half, None)
    other = torch.arange(half, rows).roll(1)
    states, last = before[mine], inputs[other, -1:]
    step = (read(readout, before[other]) - read(readout, states)) @ heard @ direction
    # as far, and anywhere
    stray = torch.randn(step.shape, generator=generator, dtype=step.dtype)
    stray *= step.norm(dim=1, keepdim=True) / stray.norm(dim=1, keepdim=True)
    moved, still, astray = (
        predicted(task, last_output(network, last, states + by)) for by in (step, 0 * step, stray)
    )
    law = batch.probabilities[other, -1]
    law_before = task.probabilities(torch.cat([inputs[mine, :-1], last], dim=1))[:, -1]
    # an input may come after one belief that cannot come after another, and has no law there
    told = law_before.isfinite().all(dim=1)
    true_change = (law - law_before)[told]
    changes = true_change.abs() > _LEAST
    if not changes.any():
        raise UnfitError("no belief of one sequence changes the law of another")
    classes = task.loss.unit == "nats"

    def away(prediction: Tensor) -> float:
        apart = (prediction - law).abs()
        return float(apart.sum(dim=1).mean() / 2 if classes else apart.mean())

    return Counterfactual(
        belief=variable.name,
        change=(moved - still)[told][changes],
        true_change=true_change[changes],
        error=away(moved),
        unmoved=away(still),
        elsewhere=away(astray),
        real=away(predicted(task, seen.outputs[other, -1])),
    )
