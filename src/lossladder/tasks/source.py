"""Source: the next symbol of a hidden Markov source, which may be given by numbers alone."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Features, Ladder, Mark, Probabilities, Rung, best_machines
from lossladder.ladder.machines import HiddenMarkov, Transitions
from lossladder.tasks.task import Draw, StreamTask

_TABLE = 2**14  # words of a window that are looked up at most
_SETTLED = 1e-7  # nats that a window may cost above the whole past
_LONGEST = 500  # steps that a belief is given to settle


class Source(StreamTask):
    """The task to predict the next symbol of a source that moves between hidden states.

        input   1 0 1 1 0 1 1 1          process=golden_mean: no two zeros in a row
        target  0 1 1 0 1 1 1 1

    Who knows the last k symbols has the k-th rung, and who knows all of them has the floor, which
    is the entropy rate of the source. Beside them stands what the best machines of M states lose
    (`memory`), all of which are tried.

    Args:
        process: golden_mean, even, rrxor, z1r, mess3, ring, random or markov; not looked at where
            there are transitions.
        transitions: transitions[x][s][t] is the chance that in state s the source emits x and moves
            to t; null: those of the process.
        symbols: of random and markov.
        states: of ring and random; of markov, the number of symbols that the next one depends on.
        process_seed: of random and markov, whose chances are drawn, evenly among all laws.
    Raises:
        ValueError: if the transitions are no law, or not of a source that returns to every state.
    Source: Crutchfield and Young (1989); Shai et al. (2024), "Transformers represent belief state
        geometry in their residual stream".

    >>> for rung in Source("even").ladder(): print(f"{rung.loss:.6f} {rung.name}")
    0.636514 none
    0.605939 last 1
    0.549306 last 2
    0.534019 last 3
    0.498058 last 5
    0.472999 last 8
    0.464346 last 13
    0.462098 all
    >>> [mark.label for mark in Source("even").memory()]
    ['1 state: 0.6365', '2 states: 0.4621']
    """

    shape = "many_to_many"
    reach = None

    def __init__(
        self,
        process: str = "golden_mean",
        transitions: Sequence[Sequence[Sequence[float]]] | None = None,
        symbols: int = 2,
        states: int = 3,
        process_seed: int = 0,
    ) -> None:
        self.process = checks.one_of("process", process, tuple(_PROCESSES))
        self.symbols = checks.whole("symbols", symbols, 2, 16)
        self.states = checks.whole("states", states, 2, 16)
        self.process_seed = checks.whole("process_seed", process_seed, 0)
        self.transitions = transitions
        made = transitions or _PROCESSES[process](self.symbols, self.states, self.process_seed)
        self.source = HiddenMarkov(made)
        self.output_size = self.source.symbols
        self.encoding = torch.eye(self.output_size)

    @property
    def warm_up(self) -> int:
        """See `StreamTask.warm_up`: until the start of what was seen does not matter."""
        # both are kept by the source
        losses, floor = self.source.window_losses, self.source.entropy_rate[0]
        settled = next((k for k, loss in enumerate(losses) if loss - floor < _SETTLED), None)
        return _LONGEST if settled is None else max(50, 4 * settled)

    # --- sampling ---------------------------------------------------------------------------

    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Integer[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw symbols, each the target of the one before; see `StreamTask.draw`."""
        # a target is the next input: a piece knows the state behind its last target, and that one
        count = num_steps + (past is None)
        uniform = torch.rand(count, batch_size, generator=generator, dtype=torch.float64).numpy()
        if past is None:
            first = torch.rand(batch_size, generator=generator, dtype=torch.float64).numpy()
            state = self.source.stationary.cumsum().searchsorted(first * (1 - 1e-12), side="right")
        else:
            state = past[:, 0].numpy()
        emitted = np.empty(uniform.shape, dtype=np.uint8)
        for step, chance in enumerate(uniform):
            # the outcomes of a state are pairs of a symbol and a next state
            outcome = (chance[:, None] >= self._cumulated[state]).sum(axis=1)
            emitted[step], state = np.divmod(outcome, self.source.states)
        drawn = torch.as_tensor(emitted)
        if past is not None:
            drawn = torch.cat([past[None, :, 1].to(torch.uint8), drawn])
        after = torch.stack([torch.as_tensor(state), drawn[-1].long()], dim=1)
        return Draw(drawn[:-1].T, drawn[1:].T, None, after)

    @cached_property
    def _cumulated(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The chances of the outcomes of each state, summed up, but for the last that there is."""
        chances = self.source.transitions.transpose(1, 0, 2).reshape(self.source.states, -1)
        summed = chances.cumsum(axis=1)
        # rounding must not make an outcome that has no chance
        last = chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)
        summed[np.arange(chances.shape[1]) >= last[:, None]] = 2.0
        return summed

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each next symbol given those so far, float64."""
        symbols = inputs.argmax(dim=-1).cpu().numpy()
        beliefs = np.broadcast_to(self.source.stationary, (len(symbols), self.source.states))
        laws = np.empty((*symbols.shape, self.output_size))
        for step in range(symbols.shape[1]):
            beliefs = self.source.step(beliefs, symbols[:, step])
            laws[:, step] = beliefs @ self.source.emissions
        return torch.as_tensor(laws, device=inputs.device)

    def predict(self, inputs: Features, known: int) -> Probabilities:
        """Return the probabilities of each next symbol given the last `known` symbols."""
        symbols = inputs.argmax(dim=-1)
        batch_size, num_steps = symbols.shape
        laws = torch.empty(batch_size, num_steps, self.output_size, dtype=torch.float64)
        word = torch.zeros(batch_size, dtype=torch.long)
        for step in range(num_steps):
            seen = min(known, step + 1)
            # the oldest digit goes out of sight
            word = (word * self.output_size + symbols[:, step].cpu()) % self.output_size**seen
            laws[:, step] = self._tables[seen][word]
        return laws.to(inputs.device)

    @cached_property
    def _tables(self) -> "_Tables":
        return _Tables(self.source)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs by the number of last symbols known, down to all of them."""
        steps = None if num_steps is None or carried else num_steps
        losses = self.source.window_losses
        rate, _ = self.source.entropy_rate
        windows = [k for k in _windows(self.output_size) if k < len(losses)]
        rungs: list[Rung] = []
        for known in windows:
            loss = losses[known]
            # a symbol more that is worth nothing makes no rung, nor one that is worth all
            if (rungs and loss > rungs[-1].loss - 1e-6) or (rungs and loss < rate + 1e-6):
                continue
            rungs.append(self._rung(known, losses, steps))
        rungs.append(self._floor(losses, rate, steps))
        return Ladder(rungs)

    def _rung(self, known: int, losses: list[float], steps: int | None) -> Rung:
        name, knows = f"last {known}", f"the last {known} symbols only"
        if known < 2:
            name, knows = (
                ("last 1", "the last symbol only")
                if known
                else ("none", "only how often each target occurs")
            )
        by_step = None if steps is None else tuple(losses[min(known, t + 1)] for t in range(steps))
        return Rung(
            name=name,
            loss=losses[known] if by_step is None else sum(by_step) / len(by_step),
            knows=knows,
            predictor=partial(self.predict, known=known),
            reach=max(known - 1, 0),
            by_step=by_step,
        )

    def _floor(self, losses: list[float], rate: float, steps: int | None) -> Rung:
        by_step = None
        if steps is not None:
            # of longer pasts than can be enumerated the rate is as good a number
            by_step = tuple(losses[t + 1] if t + 1 < len(losses) else rate for t in range(steps))
        return Rung(
            name="all",
            loss=rate if by_step is None else sum(by_step) / len(by_step),
            knows="every symbol so far",
            predictor=self.probabilities,
            by_step=by_step,
        )

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best machines of M states lose for ever, where one more state helps."""
        return best_machines(self._machine_losses if carried else ())

    @cached_property
    def _machine_losses(self) -> list[float]:
        return self.source.machine_losses()


class _Tables(dict[int, Float[Tensor, "words symbols"]]):
    """The law of the next symbol by the last ones, made when it is asked for."""

    def __init__(self, source: HiddenMarkov) -> None:
        super().__init__()
        self.source = source

    def __missing__(self, known: int) -> Tensor:
        self[known] = table = torch.as_tensor(self.source.laws(known))
        return table


def _windows(symbols: int) -> list[int]:
    """Return the numbers of last symbols that may make rungs."""
    sizes = [0, 1, 2, 3, 5, 8, 13]
    return [k for k in sizes if symbols**k <= _TABLE]


# --- processes ---------------------------------------------------------------------------------


def _golden_mean(symbols: int, states: int, seed: int) -> Transitions:
    # no two zeros in a row
    return np.array([[[0, 0.5], [0, 0]], [[0.5, 0], [1, 0]]])


def _even(symbols: int, states: int, seed: int) -> Transitions:
    # ones come in pairs
    return np.array([[[0.5, 0.0], [0.0, 0.0]], [[0.0, 0.5], [1.0, 0.0]]])


def _rrxor(symbols: int, states: int, seed: int) -> Transitions:
    # two random bits, and whether they differ
    made = np.zeros((2, 5, 5))
    for first, second in product((0, 1), repeat=2):
        made[first, 0, 1 + first] = made[second, 1 + first, 3 + (first ^ second)] = 0.5
    made[0, 3, 0] = made[1, 4, 0] = 1
    return made


def _z1r(symbols: int, states: int, seed: int) -> Transitions:
    # a zero, a one, and a random bit
    return np.array(
        [[[0, 1, 0], [0, 0, 0], [0.5, 0, 0]], [[0, 0, 0], [0, 0, 1], [0.5, 0, 0]]], dtype=float
    )


def _mess3(symbols: int, states: int, seed: int) -> Transitions:
    # a state stays with .9 and shows itself with .85: its past is a fractal of beliefs
    stay, show = 0.9, 0.85
    moves = np.full((3, 3), (1 - stay) / 2) + (stay - (1 - stay) / 2) * np.eye(3)
    shows = np.full((3, 3), (1 - show) / 2) + (show - (1 - show) / 2) * np.eye(3)
    # what is shown is the state arrived at
    return moves[None] * shows.T[:, None, :]


def _ring(symbols: int, states: int, seed: int) -> Transitions:
    # a place on a ring moves on with .7 and back with .3, and shows which half it arrives in
    made = np.zeros((2, states, states))
    for place in range(states):
        for step, chance in ((1, 0.7), (-1, 0.3)):
            arrives = (place + step) % states
            made[int(arrives >= states // 2), place, arrives] += chance
    return made


def _random(symbols: int, states: int, seed: int) -> Transitions:
    laws = np.random.default_rng(seed).dirichlet(np.ones(symbols * states), size=states)
    return laws.reshape(states, symbols, states).transpose(1, 0, 2)


def _markov(symbols: int, states: int, seed: int) -> Transitions:
    # the state is the last `states` symbols
    words = symbols**states
    if words > 256:
        raise ValueError(
            f"symbols={symbols}, states={states}: a chain of {words} words; at most 256"
        )
    laws = np.random.default_rng(seed).dirichlet(np.ones(symbols), size=words)
    made = np.zeros((symbols, words, words))
    for word, law in enumerate(laws):
        for symbol, chance in enumerate(law):
            made[symbol, word, (word * symbols + symbol) % words] = chance
    return made


_PROCESSES: dict[str, Callable[[int, int, int], Transitions]] = {
    "golden_mean": _golden_mean,
    "even": _even,
    "rrxor": _rrxor,
    "z1r": _z1r,
    "mess3": _mess3,
    "ring": _ring,
    "random": _random,
    "markov": _markov,
}
