"""Markov in context: the next symbol of a chain that is another one in each string."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import Features, Ladder, Mark, Predictor, Probabilities, Rung
from lossladder.tasks.task import Draw, Task

# longest strings by symbols, whose counts are enumerated in some tenths of a second
_LONGEST = {2: 100, 3: 16, 4: 9}

Laws = NDArray[np.float64]  # (cases, symbols): of the next symbol


class MarkovInContext(Task):
    """The task to predict the next symbol of a Markov chain that no other string has.

        input   0 0 1 0 0 0 1 1        here a 0 is followed by a 0 with .7, and a 1 with .4
        target  0 1 0 0 0 1 1 0        the next input

    Each row of a chain's matrix is drawn from a Dirichlet law, and its first symbol evenly. What
    can be known of the chain is in the string: how often each symbol came, or how often each came
    after each. Who counts pairs has the floor: the mean of what the Dirichlet law of the last
    symbol's row has become. No symbol is likelier than another at any step, unless something is
    known of the string, so that to know the step is worth nothing.

    Args:
        symbols: of a chain, from 2 to 4.
        num_steps: length of a string, in time steps; the target of the last one follows on it.
        concentration: of the Dirichlet law. At 1 all rows are equally likely; below it those are
            likelier whose next symbol is nearly certain, above it those that are nearly even.
    Raises:
        ValueError: if a size is no whole number in its range, which for strings is 100, 16 or 9
            steps of 2, 3 or 4 symbols: counts are enumerated; or if concentration is not within
            [0.01, 100].
    Source: Edelman et al. (2024), "The evolution of statistical induction heads"; Akyürek et al.
        (2024), "In-context language learning"; Makkuva et al. (2024), "Attention with Markov".

    >>> for rung in MarkovInContext().ladder(): print(f"{rung.loss:.9f} {rung.name}")
    0.693147181 none
    0.618324237 counts
    0.573871803 all
    >>> [mark.label for mark in MarkovInContext().memory()]
    ['add-one: 0.6256', 'told the chain: 0.4845']
    """

    shape = "many_to_many"
    reach = None

    def __init__(self, symbols: int = 2, num_steps: int = 16, concentration: float = 1.0) -> None:
        self.symbols = self.output_size = checks.whole("symbols", symbols, 2, max(_LONGEST))
        # one number under two names: for tasks in general `num_steps` may be None
        self.longest = self.num_steps = checks.whole("num_steps", num_steps)
        if num_steps > _LONGEST[symbols]:
            raise ValueError(
                f"num_steps={num_steps}: strings of {symbols} symbols have their counts enumerated "
                f"up to {_LONGEST[symbols]} steps; must be at most {_LONGEST[symbols]}"
            )
        self.concentration = checks.real("concentration", concentration, least=0.01, most=100.0)
        self.encoding = torch.eye(symbols)
        # of the first steps, as many as somebody asked for
        self._steps: list[_Step] = []
        self._cases = _first(symbols)

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw a chain for each string, and let it run; see `Task.draw`."""
        # torch draws no Dirichlet law from a generator; NumPy does, from a seed
        random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        alphas, each = [self.concentration] * self.symbols, np.arange(batch_size)
        chains = random.dirichlet(alphas, size=(batch_size, self.symbols))
        # without the last one: rounding must not make a symbol that there is none of
        edges = chains.cumsum(axis=-1)[..., :-1]
        drawn = np.empty((num_steps + 1, batch_size), dtype=np.uint8)
        drawn[0] = random.integers(self.symbols, size=batch_size)
        for step, uniform in enumerate(random.random((num_steps, batch_size, 1))):
            drawn[step + 1] = (uniform >= edges[each, drawn[step]]).sum(axis=1)
        # stored time by time, so that the batch is contiguous, as the engines read it
        strings = torch.as_tensor(drawn)
        return Draw(strings[:-1].T, strings[1:].T, None)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each next symbol given those so far, float64."""
        came = _one_hot(inputs)
        # each symbol and the one after it; at the first step none came after another
        pairs = (came[:, :-1, :, None] * came[:, 1:, None, :]).cumsum(dim=1)
        pairs = functional.pad(pairs, (0, 0, 0, 0, 1, 0))
        row = (came[..., None] * pairs).sum(dim=2) + self.concentration
        return row / row.sum(dim=-1, keepdim=True)

    def predict(self, inputs: Features) -> Probabilities:
        """Return the probabilities of each next symbol given how often each came, in any order."""
        counts = _one_hot(inputs).cumsum(dim=1).long().cpu().numpy()
        laws = np.empty(counts.shape)
        for step, known in enumerate(self._first_steps(counts.shape[1])):
            laws[:, step] = known.laws[known.keys.searchsorted(_keys(counts[:, step], step + 1))]
        return torch.as_tensor(laws, device=inputs.device)

    def guess(self, inputs: Features) -> Probabilities:
        """Return even chances."""
        return torch.full_like(inputs, 1 / self.symbols, dtype=torch.float64)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return three rungs: nothing known, how often each symbol came, or after which."""
        steps = self._first_steps(num_steps or self.longest)
        even = [math.log(self.symbols)] * len(steps)
        rungs = [
            _rung("none", "only how often each target occurs", self.guess, even, reach=0),
            _rung("counts", "how often each symbol came", self.predict, [s.counts for s in steps]),
            _rung(
                "all",
                "how often each symbol came after each",
                self.probabilities,
                [s.pairs for s in steps],
            ),
        ]
        return Ladder(rungs)

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return a rule of thumb above the rung of its knowledge, and a loss below the floor."""
        steps = self._first_steps(num_steps or self.longest)
        add_one = sum(step.add_one for step in steps) / len(steps)
        told = sum(step.told for step in steps) / len(steps)
        return (
            Mark("add-one", add_one, "adds one to the count of each symbol, the order left out"),
            Mark("told the chain", told, "is told the chain, which no string tells for certain"),
        )

    def _first_steps(self, count: int) -> "list[_Step]":
        while len(self._steps) < count:
            step, self._cases = self._cases.read(self.concentration)
            self._steps.append(step)
        return self._steps[:count]


class _Step(NamedTuple):
    """What is to be known of one step."""

    keys: NDArray[np.int64]  # of the counts there may be, ascending
    laws: Laws  # given these counts
    counts: float  # losses, nats: of who knows them,
    pairs: float  # of who knows the counts of pairs and the last symbol,
    add_one: float  # of who takes the counts, and one more, for chances,
    told: float  # and of who is told the chain


class _Cases(NamedTuple):
    """All that can have come so far, but for the order: it tells nothing more of the chain."""

    chances: NDArray[np.float64]  # (cases,)
    last: NDArray[np.int64]  # (cases,): the last symbol
    pairs: NDArray[np.int64]  # (cases, symbols, symbols): how often each came after each

    def read(self, concentration: float) -> "tuple[_Step, _Cases]":
        """Return what is known at this step, and the cases of the next one."""
        many, symbols = self.pairs.shape[:2]
        row = self.pairs[np.arange(many), self.last].astype(np.float64) + concentration
        laws = row / row.sum(axis=1, keepdims=True)
        joint: Laws = self.chances[:, None] * laws
        # each symbol but the last one was followed by another
        came: NDArray[np.int64] = self.pairs.sum(axis=2)
        came[np.arange(many), self.last] += 1
        length = int(came[0].sum())
        keys, which = np.unique(_keys(came, length), return_inverse=True)
        of_counts = np.stack([_sums(which, part) for part in joint.T], axis=1)
        given_counts: Laws = of_counts / of_counts.sum(axis=1, keepdims=True)
        step = _Step(
            keys=keys,
            laws=given_counts,
            counts=-float((of_counts * np.log(given_counts)).sum()),
            pairs=-float((joint * np.log(laws)).sum()),
            add_one=-float((joint * np.log((came + 1.0) / (length + symbols))).sum()),
            told=float(self.chances @ _mean_entropies(row)),
        )
        return step, self._then(joint, length)

    def _then(self, joint: Laws, length: int) -> "_Cases":
        """Return the cases of the next step, each once."""
        symbols = joint.shape[1]
        before, following = np.divmod(np.arange(joint.size), symbols)
        pairs = self.pairs[before]
        pairs[np.arange(len(pairs)), self.last[before], following] += 1
        keys = _keys(pairs.reshape(len(pairs), -1), length) * symbols + following
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        return _Cases(_sums(which, joint.reshape(-1)), following[first], pairs[first])


def _first(symbols: int) -> _Cases:
    """Return the cases of the first step: a symbol, and none before it."""
    none = np.zeros((symbols, symbols, symbols), dtype=np.int64)
    return _Cases(np.full(symbols, 1 / symbols), np.arange(symbols), none)


def _keys(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return rows of counts up to `most` as numbers, whose digits they are."""
    keys = np.zeros(len(counts), dtype=np.int64)
    for digit in counts.T:
        keys = (most + 1) * keys + digit
    return keys


def _sums(which: NDArray[np.integer], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the values that belong to each place."""
    return np.bincount(which, values).astype(np.float64)


def _mean_entropies(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean entropy of a law that follows each Dirichlet law, nats."""
    # psi(A + 1) - sum a / A psi(a + 1), where A is the sum of all a
    a = torch.as_tensor(row)
    total = a.sum(dim=1, keepdim=True)
    mean = torch.digamma(total + 1)[:, 0] - (a / total * torch.digamma(a + 1)).sum(dim=1)
    return mean.numpy()


def _one_hot(inputs: Features) -> Float[Tensor, "batch time symbols"]:
    return functional.one_hot(inputs.argmax(dim=-1), inputs.shape[-1]).double()


def _rung(
    name: str, knows: str, predictor: Predictor, by_step: list[float], reach: int | None = None
) -> Rung:
    return Rung(name, sum(by_step) / len(by_step), knows, predictor, reach, tuple(by_step))
