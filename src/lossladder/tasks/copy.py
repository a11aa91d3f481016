"""Copy: say a string of symbols again, after a delay."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, product
from math import comb, log

import torch
from jaxtyping import Integer
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Probabilities,
    Rung,
    bag_entropy,
    cross_entropy,
    entropy,
    of_bits,
)
from lossladder.ladder.machines import copy_bound, some_bits
from lossladder.tasks.numbers_known import powers_below
from lossladder.tasks.task import Draw, Task

_KINDS = ("plain", "reversed", "selective")
_MOST_FINITE = 2**16  # sequences that are listed at most
_MOST_LISTED = 12  # symbols of which each number makes a rung

# what a network sees, and the string in the order in which it is to be said (batch, length)
Guess = Callable[[Integer[Tensor, "batch time"], Integer[Tensor, "batch length"]], Tensor]


class Copy(Task):
    """The task to say a string of symbols again, after a delay.

        input   3 0 5 . . . . ! . . .       length=3, delay=5, kind=plain; ! is the cue
        target  . . . . . . . . 3 0 5       reversed: 5 0 3
        input   . 3 . . 0 5 . ! . . .       length=3, delay=7, kind=selective
        target  . . . . . . . . 3 0 5

    Every step is scored, and a dot is a symbol like others: who knows the step knows when to say
    it, for nothing. So losses per step fall with the delay, and the best constant, which does not
    know the step, stands above what is called the memoryless baseline, the rung `step`.

    Args:
        length: of the string, in symbols.
        symbols: number of symbols there are; independent, and equally likely.
        delay: plain, reversed: steps between the string and its repetition, the cue at the last.
            selective: steps over which the string is spread, before the cue.
        kind: plain; reversed: the last symbol is said first; selective: the symbols stand at random
            places, in their order.
    Raises:
        ValueError: if a size is no whole number, or a selective string has more symbols than
            places.
    Source: Hochreiter and Schmidhuber (1997); Arjovsky et al. (2016), "Unitary Evolution Recurrent
        Neural Networks"; selective: Jing et al. (2019), "Gated Orthogonal Recurrent Units", and Gu
        and Dao (2023), "Mamba".

    >>> for rung in Copy(symbols=8).ladder(): print(f"{rung.loss:.6f} {rung.name}")
    0.872473 none
    0.389895 step
    0.259930 1 known
    0.174341 histogram
    0.129965 2 known
    0.096020 bag
    0.000000 all
    """

    reach = None

    def __init__(
        self, length: int = 3, symbols: int = 4, delay: int = 10, kind: str = "plain"
    ) -> None:
        self.length = checks.whole("length", length)
        self.symbols = checks.whole("symbols", symbols, at_least=2)
        self.delay = checks.whole("delay", delay)
        self.kind = checks.one_of("kind", kind, _KINDS)
        if self.kind == "selective" and self.length > self.delay:
            raise ValueError(
                f"length={length}: a selective string has at most a symbol a place, and there are "
                f"delay={delay} places"
            )
        # steps until the string is to be said
        self._before = self.delay + (1 if self.kind == "selective" else self.length)
        # one number under two names: for tasks in general `num_steps` may be None
        self.num_steps = self._steps = self._before + self.length
        single = self.length == 1 and (self.kind != "selective" or self.delay == 1)
        self.shape = "one_to_many" if single else "many_to_many"
        # the symbols, then blank, then the cue, which is never said
        self.output_size = self.symbols + 1
        self.encoding = torch.eye(self.symbols + 2)

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw strings, and say them again; see `Task.draw`."""
        checks.length(num_steps, own=self._steps)
        size = batch_size, self.length
        strings = torch.randint(self.symbols, size, generator=generator)
        if self.kind != "selective":
            return self._said(strings, torch.arange(self.length).expand(size))
        places = torch.rand(batch_size, self.delay, generator=generator).argsort(dim=1)
        return self._said(strings, places[:, : self.length].sort(dim=1).values)

    def everything(self) -> Draw:
        """Return every sequence there is, if they are few."""
        spread = self.delay if self.kind == "selective" else self.length
        count = self.symbols**self.length * comb(spread, self.length)
        if count > _MOST_FINITE:
            raise ValueError(
                f"task.length={self.length}, task.symbols={self.symbols}: have {count} sequences; "
                f"at most {_MOST_FINITE} are listed, use data=fresh"
            )
        strings = product(range(self.symbols), repeat=self.length)
        both = product(strings, combinations(range(spread), self.length))
        parts = zip(*both, strict=True)
        return self._said(*(torch.tensor(part) for part in parts))

    def _said(
        self, strings: Integer[Tensor, "batch length"], places: Integer[Tensor, "batch length"]
    ) -> Draw:
        blank = self.symbols
        small = torch.uint8 if blank < 255 else torch.int32
        size = len(strings), self._steps
        inputs, targets = (torch.full(size, blank, dtype=small) for _ in range(2))
        inputs.scatter_(1, places, strings.to(small))
        inputs[:, self._before - 1] = blank + 1
        said = strings.flip(1) if self.kind == "reversed" else strings
        targets[:, self._before :] = said.to(small)
        return Draw(inputs, targets, None)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target given the inputs so far: 0 or 1."""
        return self.predict(inputs, partial(self._symbols_known, known=range(self.length)))

    def predict(self, inputs: Features, guess: Guess) -> Probabilities:
        """Return the probabilities of each target for a predictor that knows the step.

        Args:
            inputs: sequences from their start.
            guess: makes laws of the symbols that are said, (batch, length, symbols).
        """
        seen = inputs.argmax(dim=-1)
        batch_size, num_steps = seen.shape
        laws = torch.zeros(batch_size, num_steps, self.output_size, dtype=torch.float64)
        laws = laws.to(inputs.device)
        laws[:, : self._before, -1] = 1.0
        if num_steps > self._before:
            said = guess(seen, self._to_say(seen))
            laws[:, self._before :, :-1] = said[:, : num_steps - self._before]
        return laws

    def _to_say(self, seen: Integer[Tensor, "batch time"]) -> Integer[Tensor, "batch length"]:
        """Return the string in the order in which it is to be said."""
        read = seen[:, : self.delay if self.kind == "selective" else self.length]
        # symbols first, each kind in its order
        order = (read >= self.symbols).int().argsort(dim=1, stable=True)
        string = read.gather(1, order)[:, : self.length].clamp(max=self.symbols - 1)
        return string.flip(1) if self.kind == "reversed" else string

    def _constant(self, inputs: Features) -> Probabilities:
        """Return how often each target occurs, at whichever step."""
        law = torch.full((self.output_size,), 1 / self.symbols, dtype=torch.float64)
        law *= self.length / self._steps
        law[-1] = self._before / self._steps
        return law.to(inputs.device).expand(*inputs.shape[:2], -1).clone()

    def _symbols_known(self, seen: Tensor, string: Tensor, known: range) -> Tensor:
        laws = torch.full((*string.shape, self.symbols), 1 / self.symbols, dtype=torch.float64)
        laws = laws.to(seen.device)
        there = string[:, known.start : known.stop]
        laws[:, known.start : known.stop] = functional.one_hot(there, self.symbols).double()
        return laws

    def _histogram(self, seen: Tensor, string: Tensor) -> Tensor:
        of_all = functional.one_hot(string, self.symbols).double().mean(dim=1, keepdim=True)
        return of_all.expand(-1, self.length, -1)

    def _bag(self, seen: Tensor, string: Tensor) -> Tensor:
        each = functional.one_hot(string, self.symbols).double()
        left = each.flip(1).cumsum(dim=1).flip(1)
        return left / left.sum(dim=-1, keepdim=True)

    def _fixed_places(self, seen: Tensor, string: Tensor) -> Tensor:
        places, right, _ = self._likely_places
        there = seen[:, places]
        # a blank says nothing: it stands there whatever the symbol
        right = torch.where(there < self.symbols, right.to(seen.device), 0.0)[..., None]
        each = functional.one_hot(there.clamp(max=self.symbols - 1), self.symbols).double()
        return right * each + (1 - right) / self.symbols

    @property
    def _likely_places(self) -> tuple[Tensor, Tensor, float]:
        """The place where each symbol stands most often, and how often one there is that symbol.

        The last number is the chance that any symbol stands at a place.
        """
        places, length = self.delay, self.length
        # symbol i at place p: i of the others before it, the rest behind it
        # divided as whole numbers: they may have more than 64 bits
        every = comb(places, length)
        chances = torch.tensor(
            [
                [comb(p, i) * comb(places - 1 - p, length - 1 - i) / every for p in range(places)]
                for i in range(length)
            ],
            dtype=torch.float64,
        )
        most, where = chances.max(dim=1)
        return where, most * places / length, length / places

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return the best constant, and rungs by what is known of the string besides the step."""
        checks.length(num_steps or self._steps, own=self._steps)
        length, even = self.length, log(self.symbols)
        of_bag = [bag_entropy(left, self.symbols) for left in range(length, 0, -1)]
        blind, step = ("none",), ("none", "step")
        rungs = [self._rung("step", "only the step", (even,) * length, self._none_known, blind, 0)]
        for known in _numbers_known(length):
            words = "the symbol that is" if known == 1 else f"the {known} symbols that are"
            first = (partial(self._symbols_known, known=range(known)),)
            rungs.append(
                self._rung(
                    f"{known} known",
                    f"{words} said last",
                    (even,) * (length - known) + (0.0,) * known,
                    partial(self._symbols_known, known=range(length - known, length)),
                    (*step, *(f"{k} known" for k in _numbers_known(length) if k < known)),
                    twins=first,
                )
            )
        if length > 1:
            words = "how often each symbol occurs"
            losses = of_bag[:1] * length
            rungs.append(self._rung("histogram", words, losses, self._histogram, step))
            words = "which symbols are still to be said, not in which order"
            includes = (*step, "histogram")
            rungs.append(self._rung("bag", words, of_bag, self._bag, includes))
        if self.kind == "selective" and length < self.delay:
            words = "for each symbol what stands at its most likely place"
            losses = self._losses_at_fixed_places()
            rungs.append(self._rung("fixed places", words, losses, self._fixed_places, step))
        everything = partial(self._symbols_known, known=range(length))
        rungs.append(self._rung("all", "the string", (0.0,) * length, everything, None))
        return Ladder([self._ceiling(), *rungs])

    def _rung(
        self,
        name: str,
        knows: str,
        losses: Sequence[float],
        guess: Guess,
        includes: tuple[str, ...] | None,
        reach: int | None = None,
        twins: tuple[Guess, ...] = (),
    ) -> Rung:
        """Return a rung, given what each symbol that is said costs."""
        by_step = (*(0.0,) * self._before, *losses)
        return Rung(
            name=name,
            loss=sum(losses) / len(by_step),
            knows=knows,
            predictor=partial(self.predict, guess=guess),
            reach=reach,
            by_step=by_step,
            includes=includes,
            twins=tuple(partial(self.predict, guess=twin) for twin in twins),
        )

    def _none_known(self, seen: Tensor, string: Tensor) -> Tensor:
        return self._symbols_known(seen, string, range(0))

    def _ceiling(self) -> Rung:
        law = self._constant(self.encoding[None, :1])[0, 0]
        blank, symbol = (-float(law[place].log()) for place in (-1, 0))
        by_step = (blank,) * self._before + (symbol,) * self.length
        return Rung(
            name="none",
            loss=float(entropy(law)),
            knows="only how often each target occurs",
            predictor=self._constant,
            reach=0,
            by_step=by_step,
        )

    def _losses_at_fixed_places(self) -> list[float]:
        _, right, taken = self._likely_places
        each = torch.eye(self.symbols, dtype=torch.float64)[0]
        laws = right[:, None] * each + (1 - right)[:, None] / self.symbols
        # what is there is right so often, and else as likely as any other symbol
        there = cross_entropy(laws, laws.log())
        return [float(taken * loss + (1 - taken) * log(self.symbols)) for loss in there]

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what predictors lose at least that keep so many bits of the string.

        The mean over all steps is at least (K ln V - b ln 2) / num_steps.
        """
        share = self.length / self._steps
        bits = some_bits(self.length * log(self.symbols, 2))
        return tuple(of_bits(b, share * copy_bound(self.length, self.symbols, b)) for b in bits)


def _numbers_known(length: int) -> list[int]:
    """Return the numbers of symbols that make rungs: of many, the powers of two."""
    if length <= _MOST_LISTED:
        return list(range(1, length))
    return powers_below(length)
