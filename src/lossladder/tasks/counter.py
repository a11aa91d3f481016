"""Counter: what one count settles; of ones, of ups and downs, of votes, or of a^n b^n."""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Predictor,
    Probabilities,
    Rung,
    best_machines,
    cross_entropy,
    entropy,
    worth_something,
)
from lossladder.ladder.machines import Strings
from lossladder.tasks import bits
from lossladder.tasks.numbers_known import numbers_known
from lossladder.tasks.task import Draw, Task

_KINDS = ("anbn", "up_down", "majority", "ones")
_LONGEST, _LONGEST_LANGUAGE = 200, 512  # steps, so that a ladder is made in a second
_LONGEST_FINITE = 16  # 65 536 strings, which are kept in memory

Symbols = Integer[Tensor, "*rest time"]
Counts = Integer[Tensor, "*rest"]
# chance of each thing that may be known, a cell, together with each target
Joint = Float[Tensor, "cells output"]


class Counter(Task):
    """The task to keep a count, and to say what follows from it.

        anbn      input   a a a b b b     the next symbol, $ at the end; how many a is uniform
                  target  a a b b b $
        up_down   input   1 1 0 1 0 0     ones less zeros, plus num_steps
                  target  . . . . . 6
        majority  input   1 1 0 1 0 0     are there more ones than zeros?
                  target  . . . . . 0
        ones      input   1 1 0 1 0 0     the task count
                  target  . . . . . 3

    The count is that of a less b, of ones less zeros, or of ones. A predictor may know the last
    symbols only; or the count modulo m, as who goes round in a circle; or how often each symbol has
    come up to c times, as who runs out of fingers. None of them includes another of them. Of bits,
    all know the step as well; of a^n b^n, to know the step is a rung beside the others.

    Args:
        kind: anbn, up_down, majority or ones.
        num_steps: of a string; of the longest, for anbn, which has 1 ... num_steps / 2 times a.
        chance_of_one: chance of a one in the input; not looked at for anbn.
        every_step: True: every step carries the target so far. False: the last step carries it. For
            anbn every step has its next symbol.
        moduli: m of the rungs of who knows the count modulo m.
        clips: c of the rungs of who knows how often each symbol came, up to c.
    Raises:
        ValueError: if there is no such kind, or a number is out of range.
    Source: Weiss et al. (2018), "On the Practical Computational Power of Finite Precision RNNs for
        Language Recognition"; Gers and Schmidhuber (2001).

    >>> for rung in Counter("anbn", 8).ladder(): print(f"{rung.loss:.6f} {rung.name}")
    1.029653 none
    0.673012 last 1
    0.640822 last 2
    0.580680 step
    0.528355 clip 2
    0.520538 mod 2
    0.494376 last 3
    0.458145 mod 3
    0.442051 last 4
    0.346574 last 5
    0.277259 all
    >>> [mark.label for mark in Counter("anbn", 8).memory()]
    ['1 state: 1.0297', '2 states: 0.6730', '3 states: 0.6569', '4 states: 0.5205']
    """

    reach = None

    def __init__(
        self,
        kind: str = "anbn",
        num_steps: int = 20,
        chance_of_one: float = 0.5,
        every_step: bool = False,
        moduli: Sequence[int] = (2, 3, 4),
        clips: Sequence[int] = (1, 2, 4),
    ) -> None:
        self.kind = checks.one_of("kind", kind, _KINDS)
        # one number under two names: for tasks in general `num_steps` may be None
        self._language = kind == "anbn"
        most = _LONGEST_LANGUAGE if self._language else _LONGEST
        self.length = self.num_steps = checks.whole("num_steps", num_steps, 1, most)
        if self._language and (num_steps < 4 or num_steps % 2):
            raise ValueError(
                f"num_steps={num_steps}: must be even and at least 4 for kind=anbn; it is that of "
                "the longest string, whose first half is a"
            )
        self.chance_of_one = checks.chance("chance_of_one", chance_of_one)
        self.every_step = checks.flag("every_step", every_step)
        self.moduli = [checks.whole("moduli: m", m, 2) for m in _listed("moduli", moduli)]
        self.clips = [checks.whole("clips: c", c) for c in _listed("clips", clips)]
        classes = {"anbn": 3, "up_down": 2 * num_steps + 1, "majority": 2, "ones": num_steps + 1}
        self.output_size = classes[kind]
        self.encoding = torch.eye(3) if self._language else torch.tensor([[0.0], [1.0]])
        many = self._language or self.every_step
        self.shape = "many_to_many" if many else "many_to_one"
        self.mixed_lengths = self._language

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw strings; see `Task.draw`."""
        if self._language:
            halves = torch.randint(1, self.length // 2 + 1, (batch_size,), generator=generator)
            return Draw(*self._written(halves, num_steps))
        return self._labelled(bits.coins(generator, self.chance_of_one, batch_size, num_steps))

    def everything(self) -> Draw:
        """Return every string there is."""
        if self._language:
            return Draw(*self._written(torch.arange(1, self.length // 2 + 1), self.length))
        if self.length > _LONGEST_FINITE or self.chance_of_one != 0.5:
            raise ValueError(
                f"task.num_steps={self.length}, task.chance_of_one={self.chance_of_one:g}: the set "
                f"of all strings is kept up to {_LONGEST_FINITE} bits, equally likely; "
                "use data=fresh"
            )
        return self._labelled(bits.every_string(self.length))

    def _written(
        self, halves: Integer[Tensor, " batch"], num_steps: int
    ) -> tuple[Symbols, Symbols, Bool[Tensor, "batch time"]]:
        """Return a^n b^n for each n, $ to the end of the row, the targets, and which are scored."""
        steps, halves = torch.arange(num_steps + 1), halves[:, None]
        symbols = ((steps >= halves).long() + (steps >= 2 * halves)).to(torch.uint8)
        return symbols[:, :-1], symbols[:, 1:], steps[:-1] < 2 * halves

    def _labelled(self, ones: Integer[Tensor, "batch time"]) -> Draw:
        count, steps = ones.long().cumsum(dim=1), torch.arange(1, ones.shape[1] + 1)
        last = (steps == ones.shape[1]).expand(ones.shape)
        return Draw(ones, self._target(count, steps - count), None if self.every_step else last)

    # --- what follows from a count ----------------------------------------------------------

    def _count(self, zeros: Counts, ones: Counts) -> Counts:
        return {"anbn": zeros - ones, "ones": ones}.get(self.kind, ones - zeros)

    def _target(self, ones: Counts, zeros: Counts) -> Counts:
        """Return the target after so many bits of each value."""
        if self.kind == "majority":
            return (ones > zeros).long()
        shift = self.length if self.kind == "up_down" else 0
        # longer strings than the task's own begin anew
        return (self._count(zeros, ones) + shift) % self.output_size

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target given the symbols so far, float64."""
        zeros, ones = self._seen(inputs)
        if not self._language:
            return functional.one_hot(self._target(ones, zeros), self.output_size).double()
        # of n there are as many left as are not less than the a so far
        left = (self.length // 2 - zeros + 1).clamp(min=1).double()
        begun, more = ones > 0, ones < zeros
        parts = (
            torch.where(begun, 0.0, 1 - 1 / left),
            torch.where(begun, more.double(), 1 / left),
            torch.where(begun & ~more, 1.0, 0.0),
        )
        return torch.stack(parts, dim=-1)

    def _seen(self, inputs: Features, last: int | None = None) -> tuple[Counts, Counts]:
        """Return how many zeros (or a) and ones (or b) there are so far, or among the last."""
        size = self.encoding.shape[1]
        symbols = inputs.argmax(dim=-1) if size > 1 else inputs[..., 0].round().long()
        found: list[Tensor] = []
        for symbol in (0, 1):
            count = (symbols == symbol).cumsum(dim=1)
            before = functional.pad(count, (last, 0))[:, : count.shape[1]] if last else 0
            found.append(count - before)
        return found[0], found[1]

    # --- theory -----------------------------------------------------------------------------

    def _cell(self, knows: str, size: int, zeros: Counts, ones: Counts) -> Counts:
        """Return what somebody knows of so many zeros and ones, as a number."""
        if knows == "mod":
            # of a^n b^n also whether the first b has come
            return self._count(zeros, ones) % size * 2 + (ones > 0).long() * self._language
        if knows == "clip":
            return zeros.clamp(max=size) * (size + 1) + ones.clamp(max=size)
        if knows == "last":  # these are of the last symbols; of bits, one count says the other
            return ones + zeros * (size + 1) * self._language
        return 0 * ones

    def _read(self, inputs: Features, knows: str, size: int) -> Integer[Tensor, "batch time"]:
        if knows == "step":
            # of bits each step has laws of its own
            return (torch.arange(inputs.shape[1]) * self._language).expand(inputs.shape[:2])
        return self._cell(knows, size, *self._seen(inputs, size if knows == "last" else None))

    def _joint(self, knows: str, size: int, step: int) -> Joint:
        """Return the chance of each cell with each target at a step, where bits are counted.

        Bits that are not known are as many ones as a binomial law says.
        """
        known = min(size, step + 1) if knows == "last" else step + 1
        ones, others = torch.arange(known + 1), torch.arange(step + 2 - known)
        cells, total = self._cell(knows, size, known - ones, ones), ones[:, None] + others
        places = cells[:, None] * self.output_size + self._target(total, step + 1 - total)
        chances = self._binomial(known)[:, None] * self._binomial(step + 1 - known)
        joint = torch.zeros((int(cells.max()) + 1) * self.output_size, dtype=torch.float64)
        return joint.index_add_(0, places.flatten(), chances.flatten()).view(-1, self.output_size)

    def _binomial(self, count: int) -> Float[Tensor, " ones"]:
        """Return the chances of 0 ... count ones among so many bits."""
        return _binomial(count, self.chance_of_one)

    def _whole(self, knows: str, size: int, num_steps: int) -> Joint:
        """Return the mean of the chances of each cell with each target, over all scored steps."""
        if not self._language:
            joints = [self._joint(knows, size, step) for step in self._scored(num_steps)]
            return torch.stack(joints).mean(dim=0)
        inputs, scored, exact = self._every(num_steps)
        cells = self._read(inputs, knows, size)[scored]
        joint = torch.zeros(int(cells.max()) + 1, self.output_size, dtype=torch.float64)
        return joint.index_add_(0, cells, exact[scored]) / len(cells)

    @lru_cache(maxsize=1)  # noqa: B019
    def _every(self, num_steps: int) -> tuple[Features, Bool[Tensor, "batch time"], Probabilities]:
        """Return all a^n b^n, cut or padded: they are few enough to be read."""
        every = torch.arange(1, self.length // 2 + 1)
        symbols, _, scored = self._written(every, num_steps)
        inputs = self.features(symbols)
        return inputs, scored, self.probabilities(inputs)

    def _scored(self, num_steps: int) -> range:
        return range(0 if self.every_step else num_steps - 1, num_steps)

    def predict(
        self, inputs: Features, knows: str, size: int = 0, joint: Joint | None = None
    ) -> Probabilities:
        """Return the probabilities of each target for a predictor that knows a part.

        Args:
            inputs: symbols from the start of a string.
            knows: last, mod or clip; none or step.
            size: how many of the last symbols, modulo how much, up to how many.
            joint: chance of each cell with each target whatever the step; None: those of each step.
        """
        cells = self._read(inputs, knows, size)
        if joint is not None:
            # a cell that no string is in is asked about by who asks what if
            return _laws(joint)[cells.clamp(max=len(joint) - 1)]
        laws = torch.empty(*cells.shape, self.output_size, dtype=torch.float64)
        for step in range(cells.shape[1]):
            laws[:, step] = _laws(self._joint(knows, size, step))[cells[:, step]]
        return laws.to(inputs.device)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs of windows, of remainders and of counts that end at some number."""
        steps = num_steps or self.length
        rung = partial(self._rung, num_steps=steps)
        symbol = "symbol" if self._language else "bit"
        # bits are told apart by steps, which all but the best constant know
        base = ("none",) if self._language else ("none", "step")
        occurs = "how often each target occurs"
        rungs = [
            rung("none", f"only {occurs}", "none", 0, ()),
            rung("step", f"only the step, and {occurs} there", "step", 0, ("none",)),
        ]
        windows = numbers_known(steps)[1:-1]
        for size in windows:
            many = symbol if size == 1 else f"{size} {symbol}s"
            above = (*base, *(f"last {w}" for w in windows if w < size))
            rungs.append(rung(f"last {size}", f"the last {many} only", "last", size, above))
        for size in self.moduli:
            above = (*base, *(f"mod {m}" for m in self.moduli if m < size and size % m == 0))
            above += ("last 1",) * self._language
            rungs.append(rung(f"mod {size}", f"the count modulo {size}", "mod", size, above))
        for size in self.clips:
            above = (*base, *(f"clip {c}" for c in self.clips if c < size))
            # who has seen fewer b than that knows what stands before them
            above += tuple(f"last {w}" for w in windows if w <= size and self._language)
            knows = f"how often each {symbol} came, up to {size}"
            rungs.append(rung(f"clip {size}", knows, "clip", size, above))
        floor = self._floor(steps)
        return Ladder([*worth_something(rungs, floor), floor])

    def _rung(
        self,
        name: str,
        words: str,
        knows: str,
        size: int,
        includes: tuple[str, ...],
        num_steps: int,
    ) -> Rung:
        whatever = self._language or knows == "none"
        joint = self._whole(knows, size, num_steps) if whatever else None
        predictor = partial(self.predict, knows=knows, size=size, joint=joint)
        if self._language:
            loss, by_step = self._by_reading(predictor, num_steps)
        else:
            by_step = torch.zeros(num_steps, dtype=torch.float64)
            for step in self._scored(num_steps):
                if knows == "last" and self.kind != "majority":
                    # each number of ones that are not known is a target of its own
                    unknown = step + 1 - min(size, step + 1)
                    by_step[step] = entropy(self._binomial(unknown))
                    continue
                here = self._joint(knows, size, step)
                said = _laws(here if joint is None else joint)
                by_step[step] = cross_entropy(here, said.log()).sum()
            loss = float(by_step.sum()) / len(self._scored(num_steps))
        return Rung(
            name=name,
            loss=loss,
            knows=words,
            predictor=predictor,
            # the last symbol is that of the step itself, at lag 0
            reach={"none": 0, "step": 0, "last": size - 1}.get(knows),
            by_step=tuple(float(loss) for loss in by_step),
            includes=includes,
        )

    def _floor(self, num_steps: int) -> Rung:
        loss, by_step = 0.0, torch.zeros(num_steps, dtype=torch.float64)
        if self._language:
            loss, by_step = self._by_reading(self.probabilities, num_steps)
        return Rung(
            name="all",
            loss=loss,
            knows=f"every {'symbol' if self._language else 'bit'} so far",
            predictor=self.probabilities,
            by_step=tuple(float(loss) for loss in by_step),
        )

    # --- memory -----------------------------------------------------------------------------

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best machines of M states lose, where one more state helps.

        They begin with each string, and know no step that they have not counted.
        """
        return best_machines(self._machine_losses(num_steps or self.length))

    @lru_cache(maxsize=4)  # noqa: B019
    def _machine_losses(self, num_steps: int) -> list[float]:
        if num_steps > bits.LONGEST_COUNTED:
            # one state says how often each target occurs
            return [float(entropy(self._whole("none", 0, num_steps).sum(dim=0)))]
        if self._language:
            # how many a there are is all that is random
            halves = torch.arange(1, self.length // 2 + 1)
            symbols, targets, scored = self._written(halves, num_steps)
            # nothing is asked after the end, which is read as b
            is_a = (symbols == 0).T.double()
            moves = torch.stack([is_a.diag_embed(), (1 - is_a).diag_embed()], dim=1)
            asked = functional.one_hot(targets.long(), 3) * scored[..., None]
            asked = asked.transpose(0, 1).double()
            start = np.full(len(halves), 1 / len(halves))
            return Strings([*moves.numpy()], start, [*asked.numpy()]).machine_losses()
        ones = torch.arange(num_steps + 1)
        asked = torch.zeros(num_steps, len(ones), self.output_size, dtype=torch.float64)
        for step in self._scored(num_steps):
            target = self._target(ones, step + 1 - ones)
            asked[step] = functional.one_hot(target, self.output_size)
        return bits.counted(self.chance_of_one, asked).machine_losses()

    def _by_reading(
        self, predictor: Predictor, num_steps: int
    ) -> tuple[float, Float[Tensor, " time"]]:
        """Return what a predictor loses on all a^n b^n: in the mean, and at each step."""
        inputs, scored, exact = self._every(num_steps)
        losses = cross_entropy(exact, predictor(inputs).log())
        losses = torch.where(scored, losses, 0.0)
        by_step = losses.sum(dim=0) / scored.sum(dim=0).clamp(min=1)
        return float(losses.sum() / scored.sum()), by_step


def _laws(joint: Joint) -> Float[Tensor, "cells output"]:
    """Return the law of the target in each cell; in one that never comes, all are as likely."""
    chances = joint.sum(dim=1, keepdim=True)
    return torch.where(chances > 0, joint / chances.clamp(min=1e-300), 1 / joint.shape[1])


@lru_cache(maxsize=2048)
def _binomial(count: int, chance: float) -> Float[Tensor, " ones"]:
    """Return the chances of 0 ... count ones among so many bits."""
    ones = torch.arange(count + 1, dtype=torch.float64)
    ways = math.lgamma(count + 1) - torch.lgamma(ones + 1) - torch.lgamma(count - ones + 1)
    one, zero = (torch.tensor(part, dtype=torch.float64) for part in (chance, 1 - chance))
    return (ways + torch.xlogy(ones, one) + torch.xlogy(count - ones, zero)).exp()


def _listed(name: str, value: object) -> list[int]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name}={value!r}: must be a list of whole numbers like [2, 3]")
    return sorted({*cast("Sequence[int]", value)})
