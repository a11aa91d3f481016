"""Triviality: how well the best of many networks does that nobody trained."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from lossladder.diagnostics.score import score
from lossladder.diagnostics.states import best_and_constant
from lossladder.models import Network
from lossladder.tasks import Task

_ROWS, _STEPS = 32, 50  # sequences, and steps of a stream behind as many


@dataclass(frozen=True, slots=True)
class Triviality:
    """Losses of networks with random weights, and of a trained one, on the same sequences.

    Args:
        losses: of the random ones, lowest first, (draws,).
        network: of the trained one.
        ceiling: of the best constant.
        floor: of the exact law.
        unit: of all losses, a scored step.
    """

    losses: Float[Tensor, " draws"]
    network: float
    ceiling: float
    floor: float
    unit: str


@torch.no_grad()
def triviality(network: Network, task: Task, generator: Generator, draws: int = 100) -> Triviality:
    """Return the losses of networks with random weights beside that of the network.

    Weights are drawn as they are before training. Where the best of a few hundred draws does as
    well as a trained network, the task asks for nothing that had to be learnt.

    It misleads one way only: that no draw solves a task does not say that it is hard to learn, only
    that guessing does not. More draws find better ones, slowly.

    Args:
        network: trained.
        task: draws the sequences.
        generator: source of all randomness.
        draws: number of random networks.
    Source: Hochreiter and Schmidhuber (1996), "Bridging long time lags by weight guessing and
        'Long Short Term Memory'".
    """
    # of a long warm-up a part will do, for all alike
    first = 0 if task.num_steps else _STEPS
    batch = task.sample(generator, _ROWS, task.num_steps or first + _STEPS)
    scored = batch.scored & (torch.arange(batch.scored.shape[1]) >= first)
    batch = batch._replace(scored=scored)
    guess, losses = copy.deepcopy(network).cpu(), list[float]()
    for _ in range(draws):
        guess.initialise(generator)
        losses.append(score(guess, task, batch).loss)
    exact, constant = best_and_constant(task, batch.probabilities, scored)
    floor, ceiling = (float(each[scored].mean()) for each in (exact, constant))
    trained = score(network, task, batch).loss
    return Triviality(torch.tensor(losses).sort().values, trained, ceiling, floor, task.loss.unit)
