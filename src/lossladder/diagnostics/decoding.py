"""Decoding: what a linear readout finds in the state of a network, beside two controls."""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor
from torch.nn import functional

from lossladder.diagnostics.knowledge import Known, knowledge
from lossladder.diagnostics.states import settled, trajectory
from lossladder.models import Network
from lossladder.tasks import Task

_ROWS, _STEPS = 256, 24  # sequences, and steps of a stream behind its warm-up
_SAMPLES = 6000  # states that a readout is fitted to, and as many that it is tried on
_RIDGE = 1e-6  # of the mean variance: a unit that never moves has no slope
_WEIGHT = 1e-4  # of squared weights of a readout of classes, whose states are of variance 1
_MOST_LAG = 32

Points = Float[Tensor, "samples floats"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """How well a linear readout of the state tells something, on sequences it was not fitted to.

    Args:
        name: what it tells.
        measure: R2, the share of variance that is told; or accuracy.
        value: of the network.
        untrained: of the same network with fresh parameters.
        shuffled: of the network, with the answers of other sequences.
        chance: of who knows nothing: 0, or the share of the commonest class.
    """

    name: str
    measure: str
    value: float
    untrained: float
    shuffled: float
    chance: float


@dataclass(frozen=True, slots=True)
class Memory:
    """How well the state tells each past input.

    Args:
        lags: steps back, from 0.
        r2: share of the variance of the input that is told, a mean over its dimensions, (lags,).
        untrained: of the same network with fresh parameters, (lags,).
        shuffled: of the network, with the inputs of other sequences, (lags,).
        dimensions: of an input: 1 of a bit, one fewer than there are of equally likely symbols.
        floats: numbers in a state.
        independent: whether inputs are, so that `total` is at most `floats`.
    """

    lags: list[int]
    r2: Float[Tensor, " lags"]
    untrained: Float[Tensor, " lags"]
    shuffled: Float[Tensor, " lags"]
    dimensions: int
    floats: int
    independent: bool

    @property
    def total(self) -> float:
        """Return the memory capacity: the sum over lags and dimensions."""
        return float(self.r2.sum()) * self.dimensions


@torch.no_grad()
def memory(network: Network, task: Task, generator: Generator) -> Memory:
    """Return how well a linear readout of the state tells the inputs of the last steps.

    R2 by lag, by least squares on held-out sequences. Where inputs are independent, what all lags
    have together is at most the number of floats in a state: the memory capacity.

    It misleads in three ways. What can be read need not be used: an untrained network tells many
    inputs, which is what `untrained` is for. What is not read by a line may be there all the same:
    a tanh unit bends it. And where inputs depend on each other, the input at one lag can be told
    from those at others, and the sum means nothing.

    Args:
        network: trained or not.
        task: draws the sequences.
        generator: source of all randomness.
    Source: Jaeger (2001), "Short term memory in echo state networks".
    """
    steps = task.num_steps or 10**9
    most = min(_MOST_LAG if task.reach is None else task.reach + 4, steps // 2)
    batch, first = settled(task, generator, _ROWS, most + _STEPS)
    first = max(first, most) if task.num_steps else first + most
    inputs = batch.inputs.double()
    whitened = _whitened(inputs)
    fresh = untrained(network, generator)
    states, others = (trajectory(each, batch.inputs).states[:, first:] for each in (network, fresh))
    turned = torch.randperm(len(inputs), generator=generator)
    found: list[list[float]] = []
    for lag in range(most + 1):
        past = whitened[:, first - lag : whitened.shape[1] - lag]
        cases = (states, past), (others, past), (states, past[turned])
        found.append([r_squared(*_split(*case)) for case in cases])
    r2, of_fresh, of_others = torch.tensor(found, dtype=torch.float64).T
    return Memory(
        lags=[*range(most + 1)],
        r2=r2,
        untrained=of_fresh,
        shuffled=of_others,
        dimensions=whitened.shape[2],
        floats=states.shape[2],
        independent=task.independent_inputs,
    )


@torch.no_grad()
def decode(network: Network, task: Task, generator: Generator) -> list[Decoded]:
    """Return how well linear readouts of the state tell what one would have to know.

    What that is depends on the task (`knowledge`): the belief over the hidden states of a source,
    the right coset of each subgroup in which a product lies, a running count, the inputs that are
    still to matter. Numbers are read by least squares and measured by R2, classes by a logistic
    regression and measured by accuracy, always on sequences that nothing was fitted to.

    It misleads in three ways. What can be read need not be used; `counterfactual` tells whether it
    is. A large state tells much by itself: what counts is the distance from `untrained`. And a line
    may part all elements of a group and not the cosets that are made of them, which are known all
    the same. (`shuffled` is at chance, unless the step alone tells something.)

    Args:
        network: trained or not.
        task: draws the sequences.
        generator: source of all randomness.
    Raises:
        UnfitError: if it is not known what one would have to know.
    Source: of the belief, Shai et al. (2024), "Transformers represent belief state geometry in
        their residual stream", arXiv:2405.15943; of controls, Hewitt and Liang (2019), "Designing
        and interpreting probes with control tasks".
    """
    batch, first = settled(task, generator, _ROWS, _STEPS)
    variables = knowledge(task, batch)
    fresh = untrained(network, generator)
    states, others = (trajectory(each, batch.inputs).states[:, first:] for each in (network, fresh))
    turned = torch.randperm(len(states), generator=generator)
    return [
        _decoded(variable, variable.values[:, first:], states, others, turned)
        for variable in variables
    ]


def _decoded(
    variable: Known,
    values: Tensor,
    states: Float[Tensor, "batch time floats"],
    others: Float[Tensor, "batch time floats"],
    turned: Integer[Tensor, " batch"],
) -> Decoded:
    read, measure, chance = r_squared, "R2", 0.0
    if not values.is_floating_point():
        read, measure = accuracy_of_line, "accuracy"
        chance = float(values.flatten().bincount().max() / values.numel())
    cases = (states, values), (others, values), (states, values[turned])
    value, of_fresh, of_others = (read(*_split(*case)) for case in cases)
    return Decoded(variable.name, measure, value, of_fresh, of_others, chance)


def untrained(network: Network, generator: Generator) -> Network:
    """Return a network of the same kind with fresh parameters."""
    fresh = copy.deepcopy(network).cpu()
    fresh.initialise(generator)
    return fresh


def fitted(points: Points, values: Float[Tensor, "samples values"]) -> Tensor:
    """Return the weights of the best linear readout, (floats + 1, values), its bias last."""
    ones = points.new_ones(len(points), 1)
    mean = points.mean(dim=0)
    x = torch.cat([points - mean, ones], dim=1)
    gram = x.T @ x
    # a unit that never moves has no slope, and least squares no single answer
    gram += _RIDGE * gram.diagonal()[:-1].mean().clamp(min=1e-12) * torch.eye(len(gram))
    weights = torch.linalg.solve(gram, x.T @ values)
    weights[-1] -= mean @ weights[:-1]
    return weights


def read(weights: Tensor, points: Points) -> Float[Tensor, "samples values"]:
    """Return what a linear readout says."""
    return points @ weights[:-1] + weights[-1]


def r_squared(points: Points, values: Tensor, new_points: Points, new_values: Tensor) -> float:
    """Return the share of the variance of new values that a line fitted to others tells."""
    away = new_values - read(fitted(points, values), new_points)
    spread = new_values - values.mean(dim=0)
    return 1.0 - float(away.square().sum() / spread.square().sum().clamp(min=1e-12))


def accuracy_of_line(
    points: Points,
    classes: Integer[Tensor, " samples"],
    new_points: Points,
    new_classes: Integer[Tensor, " new"],
) -> float:
    """Return the share of new classes that a logistic regression fitted to others tells."""
    mean, spread = points.mean(dim=0), points.std(dim=0).clamp(min=1e-6)
    x, new = (points - mean) / spread, (new_points - mean) / spread
    count = int(max(classes.max(), new_classes.max())) + 1
    with torch.enable_grad():
        weights = torch.zeros(x.shape[1] + 1, count, dtype=x.dtype, requires_grad=True)
        search = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            value = functional.cross_entropy(read(weights, x), classes)
            value = value + _WEIGHT * weights[:-1].square().sum()
            value.backward()
            return value

        search.step(loss)
    said = read(weights.detach(), new).argmax(dim=1)
    return float((said == new_classes).double().mean())


def _split(
    states: Float[Tensor, "batch time floats"], values: Tensor
) -> tuple[Points, Tensor, Points, Tensor]:
    """Return samples of the first half of the sequences, and of the second."""
    half = len(states) // 2
    # steps of one sequence are much alike: few of each tell as much
    stride = max(1, half * states.shape[1] // _SAMPLES)
    parts: list[Tensor] = []
    for rows in (slice(None, half), slice(half, None)):
        parts += [part[rows].flatten(0, 1)[::stride] for part in (states, values)]
    return parts[0], parts[1], parts[2], parts[3]


def _whitened(inputs: Float[Tensor, "batch time input"]) -> Float[Tensor, "batch time dimension"]:
    """Return inputs in as many coordinates as they have, of variance 1 and independent ones."""
    rows = inputs.flatten(0, 1)
    values, vectors = torch.linalg.eigh(rows.T.cov().reshape(rows.shape[1], -1))
    moves = values > 1e-6 * values.max()
    return (inputs - rows.mean(dim=0)) @ (vectors[:, moves] / values[moves].sqrt())
