"""Recall: which value was written with a key?  Multi-query associative recall (MQAR)."""

from functools import partial
from itertools import permutations, product
from math import log, perm

import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import Features, Ladder, Mark, Probabilities, Rung, bag_entropy, of_bits
from lossladder.ladder.machines import recall_bound, some_bits
from lossladder.tasks.numbers_known import powers_below
from lossladder.tasks.task import Draw, Task

_QUERIES = ("one", "all")
_MOST_FINITE = 2**16  # sequences that are listed at most
_MOST_LISTED = 8  # pairs of which each number makes a rung

Symbols = Integer[Tensor, "batch time"]


class Recall(Task):
    """The task to say which value was written with a key.

        input   c 3  a 0  b 5  .  .  a  c  b        pairs=3, gap=2, queries=all
        target  . .  . .  . .  .  .  0  3  5

    Keys are different ones in random order. A network can know which values there are and not with
    which keys (the bag), or the values of the last pairs only, or both; neither of the first two is
    part of the other. Only steps at which a key is asked for are scored.

    Args:
        pairs: of a key and a value in a sequence.
        values: number of values there are.
        queries: one: one of the keys, each as likely as the others, is asked for. all: each is
            asked for once, in random order.
        gap: steps between writing and asking, without any symbol.
        distinct: True: the values of a sequence are different ones. False: independent ones.
        keys: number of keys there are; None: as many as pairs.
    Raises:
        ValueError: if a size is no whole number, or there are fewer keys, or distinct values, than
            pairs.
    Source: Arora et al. (2023), "Zoology: Measuring and Improving Recall in Efficient Language
        Models"; one query: Ba et al. (2016), "Using Fast Weights to Attend to the Recent Past".

    >>> for rung in Recall(pairs=4, values=16).ladder(): print(f"{rung.loss:.6f} {rung.name}")
    2.772589 none
    2.031038 last 1
    1.386294 bag
    1.319529 last 2
    0.823959 bag, last 1
    0.641237 last 3
    0.346574 bag, last 2
    0.000000 all
    """

    reach = None

    def __init__(
        self,
        pairs: int = 3,
        values: int = 8,
        queries: str = "one",
        gap: int = 0,
        distinct: bool = True,
        keys: int | None = None,
    ) -> None:
        self.pairs = checks.whole("pairs", pairs, at_least=2)
        self.distinct = checks.flag("distinct", distinct)
        self.values = checks.whole("values", values, at_least=2)
        if self.distinct and self.values < self.pairs:
            raise ValueError(
                f"values={values}: must be at least pairs={pairs}, unless distinct=false"
            )
        self.queries = checks.one_of("queries", queries, _QUERIES)
        self.gap = checks.whole("gap", gap, at_least=0)
        self.keys = keys
        # symbols: the keys, the values, and one for "nothing"
        self._keys = checks.whole("keys", pairs if keys is None else keys, at_least=self.pairs)
        self._asked = self.pairs if self.queries == "all" else 1
        self._before = 2 * self.pairs + self.gap
        # one number under two names: for tasks in general `num_steps` may be None
        self.num_steps = self._steps = self._before + self._asked
        self.output_size = self.values
        self.encoding = torch.eye(self._keys + self.values + 1)
        self.shape = "many_to_many" if self.queries == "all" else "many_to_one"

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw pairs and what is asked; see `Task.draw`."""
        checks.length(num_steps, own=self._steps)

        def different(among: int, count: int) -> Symbols:
            return torch.rand(batch_size, among, generator=generator).argsort(dim=1)[:, :count]

        keys = different(self._keys, self.pairs)
        if self.distinct:
            values = different(self.values, self.pairs)
        else:
            values = torch.randint(self.values, (batch_size, self.pairs), generator=generator)
        return self._written(keys, values, different(self.pairs, self._asked))

    def everything(self) -> Draw:
        """Return every sequence there is, if they are few."""
        n, keys = self.pairs, range(self._keys)
        values = perm(self.values, n) if self.distinct else self.values**n
        if perm(self._keys, n) * values * perm(n, self._asked) > _MOST_FINITE:
            raise ValueError(
                f"task.pairs={n}, task.values={self.values}: have more than {_MOST_FINITE} "
                "sequences; use data=fresh"
            )
        written = (
            permutations(range(self.values), n)
            if self.distinct
            else product(range(self.values), repeat=n)
        )
        all_there_are = product(permutations(keys, n), written, permutations(range(n), self._asked))
        parts = zip(*all_there_are, strict=True)
        return self._written(*(torch.tensor(part) for part in parts))

    def _written(
        self,
        keys: Integer[Tensor, "batch pairs"],
        values: Integer[Tensor, "batch pairs"],
        asked: Integer[Tensor, "batch asked"],
    ) -> Draw:
        count, nothing = len(keys), self._keys + self.values
        small = torch.uint8 if nothing < 256 else torch.int32
        symbols = torch.full((count, self._steps), nothing, dtype=small)
        symbols[:, 0 : 2 * self.pairs : 2] = keys.to(small)
        symbols[:, 1 : 2 * self.pairs : 2] = (values + self._keys).to(small)
        symbols[:, self._before :] = keys.gather(1, asked).to(small)
        targets = torch.zeros_like(symbols)
        targets[:, self._before :] = values.gather(1, asked).to(small)
        scored = torch.arange(symbols.shape[1]) >= self._before
        return Draw(symbols, targets, scored.expand(count, -1).clone())

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each value given the inputs so far: 0 or 1."""
        return self.predict(inputs, range(self.pairs), bag=True)

    def predict(self, inputs: Features, known: range, bag: bool) -> Probabilities:
        """Return the probabilities of each value given only some pairs and the bag of values.

        Args:
            inputs: sequences from their start.
            known: places of the pairs that are known.
            bag: whether it is known which values there are, whatever their keys.
        """
        symbols = inputs.argmax(dim=-1)
        batch_size, num_steps = symbols.shape
        size = batch_size, num_steps, self.values
        laws = torch.full(size, 1 / self.values, dtype=torch.float64, device=inputs.device)
        asked = symbols[:, self._before :]
        if not asked.shape[1]:
            return laws
        keys = symbols[:, 0 : 2 * self.pairs : 2]
        values = symbols[:, 1 : 2 * self.pairs : 2] - self._keys
        each = functional.one_hot(values.clamp(0, self.values - 1), self.values).double()
        others = self._others(each, known, bag)
        # which of the known pairs is asked for, if any
        found = (asked[:, :, None] == keys[:, None, known.start : known.stop]).double()
        said = found @ each[:, known.start : known.stop]
        laws[:, self._before :] = torch.where(found.any(-1, keepdim=True), said, others[:, None])
        return laws

    def _others(
        self, each: Float[Tensor, "batch pairs values"], known: range, bag: bool
    ) -> Float[Tensor, "batch values"]:
        """Return the law of a value whose pair is not known."""
        seen = each[:, known.start : known.stop].sum(dim=1)
        if bag:
            left = each.sum(dim=1) - seen
        else:
            left = (seen == 0).double() if self.distinct else torch.ones_like(seen)
        # where all pairs are known there are no others, and a key that is none of them may be any
        left = torch.where(left.sum(dim=1, keepdim=True) > 0, left, 1.0)
        return left / left.sum(dim=1, keepdim=True)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs by the last pairs known, without and with the bag of all values."""
        checks.length(num_steps or self._steps, own=self._steps)
        rungs: list[Rung] = []
        # where all values there are were written, the bag says nothing
        bags = (False,) if self.distinct and self.values == self.pairs else (False, True)
        for bag, known in product(bags, _numbers_known(self.pairs)):
            rung = self._rung(known, bag)
            # the bag and all pairs but one say what is in the last one
            if rung.loss > 1e-9:
                rungs.append(rung)
        return Ladder([*rungs, self._rung(self.pairs, bag=True)])

    def _rung(self, known: int, bag: bool) -> Rung:
        pairs = self.pairs
        others = bag_entropy(pairs - known, self.values) if known < pairs else 0.0
        if self.distinct and known < pairs:
            others = log(pairs - known)
        if not bag:
            others = log(self.values - known * self.distinct)
        loss = (1 - known / pairs) * others
        name, knows = _words(known, bag, pairs)
        fewer = [
            _words(j, b, pairs)[0]
            for b, j in product((False, True), _numbers_known(pairs))
            if j <= known and b <= bag and (b, j) != (bag, known)
        ]
        return Rung(
            name=name,
            loss=loss,
            knows=knows,
            predictor=partial(self.predict, known=range(pairs - known, pairs), bag=bag),
            reach=0 if name == "none" else None,
            # all that is asked is asked at the end, and costs the same
            by_step=(loss,) * self._steps,
            includes=None if known == pairs else tuple(fewer),
            # the first pairs are as good as the last ones
            twins=(partial(self.predict, known=range(known), bag=bag),)
            if 0 < known < pairs
            else (),
        )

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what predictors lose at least that keep so many bits of what was written.

        The mean loss of a query is at least ln V - b ln 2 / n. It is proved for independent values.
        """
        if self.distinct:
            return ()
        bits = some_bits(self.pairs * log(self.values, 2))
        return tuple(of_bits(b, recall_bound(self.pairs, self.values, b)) for b in bits)


def _numbers_known(pairs: int) -> list[int]:
    """Return the numbers of pairs that may make rungs: of many, the powers of two."""
    if pairs <= _MOST_LISTED:
        return list(range(pairs))
    return [0, *powers_below(pairs)]


def _words(known: int, bag: bool, pairs: int) -> tuple[str, str]:
    """Return the name of a rung, and what its predictor knows."""
    if known == pairs:
        return "all", "the value of every key"
    last = "the last pair" if known == 1 else f"the last {known} pairs"
    if not bag:
        return (f"last {known}", f"{last} only") if known else ("none", "nothing but the rule")
    values = "which values there are"
    return (f"bag, last {known}", f"{last}, and {values}") if known else ("bag", f"only {values}")
