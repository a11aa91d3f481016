"""Finite-state sources, and what a predictor loses that keeps few states or few bits of them.

A source moves between states and emits a symbol with every move; nobody sees the states. What is
*known* of it is a window of its last symbols, or all of them. What is *kept* of it is the second
axis: a machine of M states reads the symbols and predicts from its state alone, and the best of
all such machines has an exact loss, which no predictor of M states can go below, however trained.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]  # (states,) or (symbols,)
Transitions = NDArray[np.float64]  # (symbols, states, states)
Beliefs = NDArray[np.float64]  # (words, states): P(word, state), or P(state | word)

_WORDS = 2**16  # enumerated at most
_LONGEST = 64  # of them
_MACHINES = 70_000  # likewise, before those are left out that are others under another name
_ENTRIES = 4_000_000  # of matrices held at once
_WORK = 2e9  # multiplications of machines that read strings
_SQUARINGS = 40  # of a chain's matrix, until it has forgotten where it began
_SAME = 1e-12


class HiddenMarkov:
    """A hidden Markov source of symbols, from its stationary start.

    Args:
        transitions: transitions[x][s][t] is the chance that in state s it emits x and moves to t.
    Raises:
        ValueError: if the numbers are no chances, the rows of a state do not sum to 1, or states
            do not all reach one another: what such a source does for ever depends on its start.

    >>> golden_mean = HiddenMarkov([[[0.5, 0.0], [1.0, 0.0]], [[0.0, 0.5], [0.0, 0.0]]])
    >>> [round(float(loss), 9) for loss in golden_mean.window_losses[:3]]
    [0.636514168, 0.46209812, 0.46209812]
    >>> rate, error = golden_mean.entropy_rate
    >>> round(rate, 9), error
    (0.46209812, 0.0)
    """

    def __init__(self, transitions: Sequence[Sequence[Sequence[float]]] | Transitions) -> None:
        try:
            self.transitions = np.array(transitions, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError("transitions: must be numbers, a square matrix a symbol") from None
        shape = self.transitions.shape
        if len(shape) != 3 or shape[1] != shape[2] or min(shape) < 1 or shape[0] < 2:
            raise ValueError(
                f"transitions: have shape {shape}; must be (symbols, states, states), with two "
                "symbols or more"
            )
        self.symbols, self.states, _ = shape
        if not np.isfinite(self.transitions).all() or (self.transitions < 0).any():
            raise ValueError("transitions: must be chances, from 0 to 1")
        for state, total in enumerate(self.transitions.sum(axis=(0, 2))):
            if abs(total - 1) > 1e-9:
                raise ValueError(
                    f"transitions: the rows of state {state} sum to {total:.6g} over all symbols; "
                    "must sum to 1"
                )
        if not self._is_irreducible:
            raise ValueError(
                "transitions: some states never reach some others, so that what it does for ever "
                "depends on where it starts; leave out the states that are left for good"
            )
        # of each symbol, in each state
        self.emissions = self.transitions.sum(axis=2).T

    @property
    def _is_irreducible(self) -> bool:
        reach = (self.transitions.sum(axis=0) > 0) | np.eye(self.states, dtype=bool)
        for _ in range(self.states.bit_length()):
            reach = (reach.astype(int) @ reach.astype(int)) > 0
        return bool(reach.all())

    @cached_property
    def stationary(self) -> Vector:
        """The chance of each state, at any time."""
        moves = self.transitions.sum(axis=0)
        # pi (P - 1) = 0, and they sum to 1
        equations = np.vstack([moves.T - np.eye(self.states), np.ones(self.states)])
        wanted = np.zeros(self.states + 1)
        wanted[-1] = 1
        return np.linalg.lstsq(equations, wanted, rcond=None)[0].clip(0)

    @property
    def is_unifilar(self) -> bool:
        """Whether a state that is known once stays known: a symbol leads to one state only."""
        return bool(((self.transitions > 0).sum(axis=2) <= 1).all())

    def step(self, beliefs: Beliefs, symbols: NDArray[np.integer]) -> Beliefs:
        """Return the chances of the states of each row after its symbol; NaN if it cannot come."""
        after = np.einsum("rs,rst->rt", beliefs, self.transitions[symbols])
        total = after.sum(axis=1, keepdims=True)
        return np.divide(after, total, out=np.full_like(after, np.nan), where=total > 0)

    # --- knowledge: the last symbols ----------------------------------------------------------

    @cached_property
    def window_losses(self) -> list[float]:
        """The loss of the best predictor that sees the last k symbols, k = 0, 1, 2, ...

        It is h(k + 1) = H(X_(k+1) | X_1 ... X_k), by enumeration of words.
        """
        return self._conditional(self.stationary[None])

    @cached_property
    def entropy_rate(self) -> tuple[float, float]:
        """The loss of the best predictor that sees everything, and how far off it may be.

        Where a state once known stays known, it is the entropy of a symbol given the state. Else it
        lies between what is left without knowing where the source began, which falls, and with it,
        which rises; both come near their limit at a steady rate, which tells where it is.
        """
        if self.is_unifilar:
            return float(self.stationary @ _entropies(self.emissions)), 0.0
        above = self.window_losses
        found = [self._conditional(start[None]) for start in np.eye(self.states)]
        below = [float(self.stationary @ losses) for losses in zip(*found, strict=False)]
        # from some starts fewer words can be told apart than from others
        seen = min(len(above), len(below))
        high, low = above[seen - 1], below[seen - 1]
        rate = min(max(_limit(above[:seen]), low), high)
        return rate, max(high - rate, rate - low)

    def _conditional(self, start: Beliefs) -> list[float]:
        """Return the entropy of a symbol given all before it, symbol by symbol."""
        # P(word, state) of all words of a length, in the order of their symbols as digits
        joint, losses = start, list[float]()
        while len(losses) < _LONGEST and len(joint) <= _WORDS:
            chances = joint.sum(axis=1)
            given = np.divide(joint, chances[:, None], where=chances[:, None] > 0, out=0 * joint)
            losses.append(float(chances @ _entropies(given @ self.emissions)))
            joint = np.einsum("ws,xst->wxt", joint, self.transitions).reshape(-1, self.states)
            joint = joint[joint.sum(axis=1) > 0]
        return losses

    def laws(self, known: int) -> NDArray[np.float64]:
        """Return the law of the next symbol given each word of the last `known`, (words, symbols).

        A word is the number whose digits are its symbols, the oldest first. One that never comes
        has the law of none.
        """
        joint = self.stationary[None]
        for _ in range(known):
            joint = np.einsum("ws,xst->wxt", joint, self.transitions).reshape(-1, self.states)
        chances = joint.sum(axis=1, keepdims=True)
        blind = np.broadcast_to(self.stationary, joint.shape)
        given = np.where(chances > 0, joint / np.where(chances > 0, chances, 1), blind)
        return given @ self.emissions

    # --- memory: states -----------------------------------------------------------------------

    @property
    def most_states(self) -> int:
        """The most states of machines that are few enough to try them all."""
        return _most_states(self.symbols)

    def machine_losses(self, most: int | None = None, start: Vector | None = None) -> list[float]:
        """Return the loss of the best deterministic machine of 1, 2, ... states, for ever.

        A machine reads each symbol and moves to a state that depends on that and on its state; it
        predicts the next symbol from its state alone. All are tried, up to renaming of states.

        Args:
            most: number of states; None: as many as can be tried.
            start: chance of each state of the source when a machine starts; None: `stationary`.
                Where the source has a period, who knows its start knows more for ever.
        Raises:
            ValueError: if that are too many to try.

        >>> even = HiddenMarkov([[[0.5, 0.0], [0.0, 0.0]], [[0.0, 0.5], [1.0, 0.0]]])
        >>> [round(loss, 6) for loss in even.machine_losses(2)]
        [0.636514, 0.462098]
        """
        most = self.most_states if most is None else most
        if most > self.most_states:
            raise ValueError(
                f"states={most}: machines of so many states that read {self.symbols} symbols are "
                f"too many to try; at most {self.most_states}"
            )
        begin = self.stationary if start is None else start
        return _best_losses(
            self.symbols,
            most,
            lambda states: (states * self.states) ** 2,
            lambda machines: self._losses_of(machines, begin),
        )

    def _losses_of(self, machines: NDArray[np.int64], begin: Vector) -> Vector:
        """Return what each machine loses for ever, (machines,); machines[m, q, x] is its move."""
        count, states, _ = machines.shape
        size = states * self.states
        # of machine and source together: state (q, s) to (q', s')
        moves = np.eye(states)[machines]  # (machines, q, x, q')
        chain = np.einsum("mqxr,xst->mqsrt", moves, self.transitions).reshape(count, size, size)
        # that rests every other time, so that no period is left
        chain = (np.eye(size) + chain) / 2
        for _ in range(_SQUARINGS):
            chain = chain @ chain
            chain /= chain.sum(axis=2, keepdims=True)
        start = np.zeros((states, self.states))
        start[0] = begin
        joint = (start.reshape(-1) @ chain).reshape(count, states, self.states)
        chances = joint.sum(axis=2)
        given = np.divide(
            joint, chances[..., None], where=chances[..., None] > _SAME, out=0 * joint
        )
        return (chances * _entropies(given @ self.emissions)).sum(axis=1)


class Strings:
    """Strings of a source with hidden states, of which something is asked at some of their steps.

    Args:
        moves: moves[t][x][s][r] is the chance that step t, in state s, has symbol x and goes to r;
            how many states there are may differ from step to step.
        start: chance of each state before the first step.
        asked: asked[t][s][y] is the chance that it is asked after step t, if the state is s then,
            and that y is right.

    >>> flip = np.array([[[0.5, 0.0], [0.0, 0.5]], [[0.0, 0.5], [0.5, 0.0]]])  # zero; one
    >>> parity_of_3 = Strings([flip] * 3, np.eye(2)[0], [np.zeros((2, 2))] * 2 + [np.eye(2)])
    >>> [round(loss, 6) for loss in parity_of_3.machine_losses()[:2]]
    [0.693147, 0.0]
    """

    def __init__(
        self, moves: Sequence[Transitions], start: Vector, asked: Sequence[Beliefs]
    ) -> None:
        self.moves, self.start, self.asked = moves, start, asked

    def machine_losses(self) -> list[float]:
        """Return the mean loss of the best deterministic machine of 1, 2, ... states.

        It reads each symbol, and says what is right by its state alone: it knows no step that it
        has not counted. All are tried, up to renaming of states, as far as a second allows.
        """
        symbols, a_state = len(self.moves[0]), sum(moves.size for moves in self.moves)
        # the same machine has a name for each order of its states but the first
        most = _most_states(
            symbols,
            lambda states: states ** (symbols * states + 1) / math.factorial(states - 1) * a_state,
        )
        largest = max(moves.size for moves in self.moves)
        return _best_losses(symbols, most, lambda states: states * largest, self._losses_of)

    def _losses_of(self, machines: NDArray[np.int64]) -> Vector:
        count, states, symbols = machines.shape
        into = np.eye(states)[machines].reshape(count, -1, states).swapaxes(1, 2)  # (m, q', qx)
        joint = np.zeros((count, states, len(self.start)))
        joint[:, 0] = self.start
        said = np.zeros((count, states, self.asked[0].shape[1]))
        for moves, asked in zip(self.moves, self.asked, strict=True):
            after = np.tensordot(joint, moves, axes=(2, 1))  # (machines, q, x, state)
            joint = into @ after.reshape(count, states * symbols, -1)
            said += joint @ asked
        chances = said.sum(axis=2)
        given = np.divide(said, chances[..., None], where=chances[..., None] > _SAME, out=0 * said)
        # how often it is asked at all, which is the same for each machine
        return (chances * _entropies(given)).sum(axis=1) / chances.sum(axis=1)


def _most_states(symbols: int, work: Callable[[int], float] = lambda states: 0.0) -> int:
    """Return the most states of machines that are few, and little work, enough to try them all."""
    most = 1
    while (most + 1) ** (symbols * (most + 1)) <= _MACHINES and work(most + 1) <= _WORK:
        most += 1
    return most


def _best_losses(
    symbols: int,
    most: int,
    entries: Callable[[int], int],
    losses_of: Callable[[NDArray[np.int64]], Vector],
) -> list[float]:
    """Return the least loss of all machines of 1 ... `most` states.

    Args:
        symbols: that they read.
        most: number of states.
        entries: of matrices that a machine of so many states takes.
        losses_of: machines[m, q, x], the move of each -> loss of each.
    """
    best = float("inf")
    losses: list[float] = []
    for states in range(1, most + 1):
        machines = _machines(states, symbols)
        at_once = max(1, _ENTRIES // entries(states))
        for first in range(0, len(machines), at_once):
            best = min(best, float(losses_of(machines[first : first + at_once]).min()))
        losses.append(best)
    return losses


@cache
def _machines(states: int, symbols: int) -> NDArray[np.int64]:
    """Return all machines that reach all their states from the first, each under one name.

    States are numbered as they are first met, row by row.

    >>> [len(_machines(states, 2)) for states in (1, 2, 3, 4)]
    [1, 12, 216, 5248]
    """

    def rows(place: int, met: int, moves: list[int]) -> Iterator[list[int]]:
        if place == states * symbols:
            yield list(moves)
            return
        # before its own row begins, a state must have been met
        state, symbol = divmod(place, symbols)
        if symbol == 0 and state >= met:
            return
        for target in range(min(met + 1, states)):
            yield from rows(place + 1, max(met, target + 1), [*moves, target])

    found = [moves for moves in rows(0, 1, []) if max(moves) == states - 1]
    return np.array(found, dtype=np.int64).reshape(-1, states, symbols)


# --- memory: bits -----------------------------------------------------------------------------


def copy_bound(length: int, symbols: int, bits: float) -> float:
    """Return the least mean loss of recalling a string of which so many bits are kept, nats.

    Of K independent, even symbols out of V, b bits tell at most b ln 2 nats: the mean over the K
    that are recalled is at least ln V - b ln 2 / K.

    >>> [round(copy_bound(10, 8, bits), 4) for bits in (0, 12, 24, 30, 40)]
    [2.0794, 1.2477, 0.4159, 0.0, 0.0]
    """
    return max(math.log(symbols) - bits * math.log(2) / length, 0.0)


def some_bits(most: float) -> list[int]:
    """Return a few numbers of bits, up to those that are enough to keep everything.

    >>> some_bits(16), some_bits(4.8)
    ([4, 8, 12, 16], [2, 3, 4, 5])
    """
    return sorted({math.ceil(most * quarter / 4 - _SAME) for quarter in (1, 2, 3, 4)})


def recall_bound(pairs: int, values: int, bits: float) -> float:
    """Return the least loss of one random query among pairs of which so many bits are kept, nats.

    The values of n pairs are independent and even, and which is asked for is not known while they
    are read: it is `copy_bound`, because what all answers together can say is b bits.

    >>> round(recall_bound(4, 16, 8), 6)
    1.386294
    """
    return copy_bound(pairs, values, bits)


def _entropies(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of each law along the last axis, nats."""
    logs = np.log(np.where(chances > 0, chances, 1.0))
    return -(chances * logs).sum(axis=-1)


def _limit(values: Sequence[float]) -> float:
    """Return where a sequence goes that comes nearer at a steady rate (Aitken)."""
    if len(values) < 3:
        return values[-1]
    before, at, last = values[-3:]
    bend = (last - at) - (at - before)
    return last if abs(bend) < _SAME else last - (last - at) ** 2 / bend
