"""Automaton: the finite machine that a network's states come down to, if they do."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from numpy.typing import NDArray
from torch import Generator, Tensor

from lossladder.diagnostics.states import (
    Trajectory,
    UnfitError,
    flat,
    last_output,
    predicted,
    trajectory,
)
from lossladder.ladder import Probabilities
from lossladder.models import Network
from lossladder.tasks import Task
from lossladder.tasks.bit_sum import BitSum
from lossladder.tasks.lagged_bits import LaggedBits

_ROWS, _STEPS = 128, 40  # sequences, and steps of a stream from its start
_ROUNDS, _STARTS = 30, 3  # of k-means
_CLUSTERS = (2, 4, 8, 16, 32, 64)  # tried one after another
_CLOSE = 0.005  # mean total variation from the network, at which no more clusters are tried
_ALIKE = 0.2  # total variation between clusters that may be one
_MOST_SYMBOLS = 32

Whole = NDArray[np.int64]
Chances = NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """A machine that reads symbols, moves between states, and predicts from its state.

    Args:
        transitions: next state, (states, symbols).
        outputs: chances of the classes in each state, once it is entered, (states, classes).
        start: the state before the first symbol.
    """

    transitions: Whole
    outputs: Chances
    start: int

    def __len__(self) -> int:
        return len(self.outputs)

    def run(self, symbols: Whole) -> Chances:
        """Return what it predicts after each symbol, (batch, time, classes).

        >>> parity = Machine(np.array([[0, 1], [1, 0]]), np.eye(2), start=0)
        >>> parity.run(np.array([[1, 0, 1]]))[0, :, 1].tolist()
        [1.0, 1.0, 0.0]
        """
        now, visited = np.full(len(symbols), self.start), np.empty(symbols.shape, dtype=np.int64)
        for step in range(symbols.shape[1]):
            now = visited[:, step] = self.transitions[now, symbols[:, step]]
        return self.outputs[visited]


@dataclass(frozen=True)
class Automaton:
    """The machine found in a network, and how far it is to be trusted.

    Args:
        machine: the least one.
        clusters: of the network's states, before those that behave alike became one.
        variation: mean total variation between its predictions and the network's, on new sequences.
        loss, network_loss: expected loss under the exact law on them, nats a scored step.
        accuracy, network_accuracy: share of scored steps at which what is likeliest by the exact
            law is said to be.
        minimal: states of the least machine with the loss of the floor; None: not known.
    """

    machine: Machine
    clusters: int
    variation: float
    loss: float
    network_loss: float
    accuracy: float
    network_accuracy: float
    minimal: int | None


@torch.no_grad()
def automaton(network: Network, task: Task, generator: Generator) -> Automaton:
    """Return the least machine that predicts what a network predicts, from the start on.

    The states of the network are put into clusters (k-means) by what it predicts in them and after
    each symbol that may come next. A cluster predicts what the network
    does on average over its states, and moves where most of them move. Clusters that predict much
    the same, whatever symbols follow, become one (partition refinement). Twice as many clusters are
    tried until the machine's predictions are close to the network's; failing that, the closest
    machine is returned, and `variation` tells how little it is worth.

    It misleads in three ways. A network that counts, or holds real numbers, is no finite machine,
    and any that is found in it is one of short strings. A machine may be right on likely strings
    and wrong on rare ones. And states whose predictions differ by less than a fifth become one,
    unless what follows tells them apart.

    Args:
        network: trained or not.
        task: of symbols and classes.
        generator: source of all randomness.
    Raises:
        UnfitError: if inputs are no symbols, targets no classes, or not every step is scored.
    Source: Giles et al. (1992), "Learning and extracting finite state automata with second-order
        recurrent neural networks"; Moore (1956) for the refinement.
    """
    if task.has_real_inputs or task.loss.unit != "nats" or len(task.encoding) > _MOST_SYMBOLS:
        raise UnfitError(f"a machine reads up to {_MOST_SYMBOLS} symbols, and predicts classes")
    steps = task.num_steps or _STEPS
    batch, new = (task.sample(generator, _ROWS, steps) for _ in range(2))
    seen, tried = trajectory(network, batch.inputs), trajectory(network, new.inputs)
    symbols, new_symbols = _symbols(task, batch.inputs), _symbols(task, new.inputs)
    says, new_says = (predicted(task, each.outputs).numpy() for each in (seen, tried))
    if not bool(new.scored.all()):
        raise UnfitError("what is predicted at steps that are not scored means nothing")
    points = _behaviour(network, task, seen)
    best: tuple[float, int, Machine] | None = None
    for count in _CLUSTERS:
        clusters = k_means(points, count, generator).numpy()
        machine = _machine(clusters, symbols, says, len(task.encoding))
        apart = np.abs(machine.run(new_symbols) - new_says).sum(axis=-1).mean() / 2
        if best is None or apart < best[0] - _CLOSE / 5:
            best = float(apart), count, machine
        if apart <= _CLOSE:
            break
    assert best is not None
    variation, count, machine = best
    law, found = new.probabilities, torch.as_tensor(machine.run(new_symbols))
    both = found.clamp(min=1e-9), torch.as_tensor(new_says).clamp(min=1e-30)
    losses = [float(task.expected_losses(each.log(), law).mean()) for each in both]
    right = [float(_likeliest(law, each).double().mean()) for each in both]
    return Automaton(machine, count, variation, *losses, *right, minimal=_minimal(task))


def _behaviour(network: Network, task: Task, seen: Trajectory) -> Float[Tensor, "points chances"]:
    """Return what is predicted in each state, the first one first, and after each next symbol.

    States far apart may behave alike, and these do not tell of it.
    """
    states = torch.cat([flat(network.initial_state(1)).cpu(), seen.states.flatten(0, 1)])
    after = [
        predicted(task, last_output(network, symbol.expand(len(states), 1, -1), states))
        for symbol in task.encoding
    ]
    later = torch.cat(after, dim=1)
    now = predicted(task, seen.outputs.flatten(0, 1))
    # before the first symbol nothing is predicted: as where it goes on most likely
    like = torch.cdist(later[:1], later[1:]).argmin(dim=1)
    return torch.cat([torch.cat([now[like], now]), later], dim=1)


def _likeliest(law: Probabilities, said: Probabilities) -> Bool[Tensor, "batch time"]:
    """Return whether what is said to be likeliest is so, or as likely as what is."""
    chosen = law.gather(-1, said.argmax(dim=-1, keepdim=True))[..., 0]
    return chosen >= law.amax(dim=-1) - 1e-9


def k_means(
    points: Float[Tensor, "points floats"], count: int, generator: Generator
) -> Integer[Tensor, " points"]:
    """Return which of `count` clusters each point is in, by Lloyd's rounds from spread starts.

    Source: Lloyd (1982); Arthur and Vassilvitskii (2007) for the starts.
    """
    best, least = torch.zeros(len(points), dtype=torch.long), float("inf")
    for _ in range(_STARTS):
        chosen = torch.randint(len(points), (1,), generator=generator)
        for _ in range(count - 1):
            # the next one far from those there are, by the square of the distance
            away = torch.cdist(points, points[chosen]).amin(dim=1).square() + 1e-12
            chosen = torch.cat([chosen, away.multinomial(1, generator=generator)])
        centres = points[chosen]
        distances = torch.cdist(points, centres)
        for _ in range(_ROUNDS):
            nearest = distances.argmin(dim=1)
            sums = torch.zeros_like(centres).index_add(0, nearest, points)
            sizes = nearest.bincount(minlength=count)[:, None]
            # a centre that nothing is near to stays where it is
            moved = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
            if torch.equal(moved, centres):
                break
            centres, distances = moved, torch.cdist(points, moved)
        total = float(distances.amin(dim=1).square().sum())
        if total < least:
            best, least = distances.argmin(dim=1), total
    return best


def _machine(clusters: Whole, symbols: Whole, says: Chances, alphabet: int) -> Machine:
    """Return the least machine of the clusters that the states before and after each symbol are in.

    Args:
        clusters: of the first state, then of the state after each symbol, (1 + batch * time,).
        symbols: (batch, time).
        says: what the network predicts, (batch, time, classes).
        alphabet: number of symbols.
    """
    start, after = int(clusters[0]), clusters[1:].reshape(symbols.shape)
    before = np.concatenate([np.full((len(after), 1), start), after[:, :-1]], axis=1)
    count = int(clusters.max()) + 1
    votes = np.zeros((count, alphabet, count), dtype=np.int64)
    np.add.at(votes, (before, symbols, after), 1)
    # a symbol that never came in a state leads back to the start
    moves = np.where(votes.any(axis=2), votes.argmax(axis=2), start)
    sizes = np.bincount(after.flatten(), minlength=count)
    outputs = np.zeros((count, says.shape[-1]))
    np.add.at(outputs, after, says)
    outputs /= np.maximum(sizes, 1)[:, None]
    kinds = _kinds(outputs)
    if sizes[start]:
        return _merged(moves, outputs, sizes, kinds, start)
    # nothing is predicted in a state that is never entered: it may be one with any other
    ways = [np.where(np.arange(count) == start, kind, kinds) for kind in np.unique(kinds)]
    return min((_merged(moves, outputs, sizes, way, start) for way in ways), key=len)


def _kinds(outputs: Chances) -> Whole:
    """Return a number for each row, the same for rows that predict much the same."""
    kinds, first = np.empty(len(outputs), dtype=np.int64), list[int]()
    for place, row in enumerate(outputs):
        away = [np.abs(row - outputs[other]).sum() / 2 for other in first]
        if not away or min(away) > _ALIKE:
            first.append(place)
            away.append(0.0)
        kinds[place] = int(np.argmin(away))
    return kinds


def refined(transitions: Whole, kinds: Whole) -> Whole:
    """Return the class of each state: states that no string of symbols tells apart share one.

    States of different kinds are told apart; so are two whose next states are, whatever the symbol.

    >>> refined(np.array([[1, 2], [0, 3], [3, 0], [2, 1]]), np.array([0, 0, 1, 1])).tolist()
    [0, 0, 1, 1]
    >>> refined(np.array([[1], [2], [3], [0]]), np.array([0, 0, 1, 1])).tolist()
    [0, 1, 3, 2]
    """
    while True:
        marks = np.concatenate([kinds[:, None], kinds[transitions]], axis=1)
        finer = np.unique(marks, axis=0, return_inverse=True)[1].reshape(-1)
        if len(np.unique(finer)) == len(np.unique(kinds)):
            return finer
        kinds = finer


def _merged(moves: Whole, outputs: Chances, sizes: Whole, kinds: Whole, start: int) -> Machine:
    """Return the machine of the classes of states that can be reached."""
    # those that cannot be reached must not tell others apart
    reached = [start]
    for state in reached:
        reached += [s for s in dict.fromkeys(moves[state].tolist()) if s not in reached]
    place = {state: number for number, state in enumerate(reached)}
    inside = np.array([[place[s] for s in moves[state].tolist()] for state in reached])
    of = refined(inside, kinds[reached])
    count = int(of.max()) + 1
    weights, said = np.zeros(count), np.zeros((count, outputs.shape[1]))
    np.add.at(weights, of, sizes[reached])
    np.add.at(said, of, outputs[reached] * sizes[reached][:, None])
    transitions = np.empty((count, moves.shape[1]), dtype=np.int64)
    transitions[of] = of[inside]
    even = np.full(outputs.shape[1], 1 / outputs.shape[1])
    said = np.where(weights[:, None] > 0, said / np.maximum(weights, 1)[:, None], even)
    return Machine(transitions, said, int(of[0]))


def _symbols(task: Task, inputs: Float[Tensor, "batch time input"]) -> Whole:
    """Return which symbol each input is the encoding of."""
    return torch.cdist(inputs, task.encoding.to(inputs)).argmin(dim=-1).numpy()


def _minimal(task: Task) -> int | None:
    """Return the states of the least machine that loses no more than the floor."""
    if isinstance(task, BitSum):
        return task.least_states
    if isinstance(task, LaggedBits):
        return 2**task.longest_lag
    marks, floor = task.memory(), task.ladder().floor.loss
    solving = [m.states for m in marks if m.states is not None and m.loss <= floor + 1e-9]
    return solving[0] if solving else None
