"""Adding: the sum of the few values of a long sequence that are marked."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise

import torch
from torch import Generator

from lossladder import checks
from lossladder.ladder import Features, Ladder, Probabilities, Rung, SquaredError
from lossladder.tasks.task import Draw, Task

_MOST_MARKS = 6  # whoever knows some of them knows one of 2**marks subsets
_VARIANCE = 1 / 12  # of a value that is uniform on [0, 1]


class Adding(Task):
    """The task to add the values that are marked, out of many that are not.

        value   .50  .77  .09  .13  .31  .63        num_steps=6, marks=2
        mark     1    0    0    0    1    0
        target   .    .    .    .    .   .80

    Values are independent and uniform on [0, 1]. The sequence is cut into as many equal parts as
    there are marks, and in each part one step, any, is marked. A marked value that is not known
    costs its variance, 1/12. Who sees the values and no mark predicts the mean of each part, and
    of one value of n knows 1/n of the variance: that is next to nothing in a long sequence. Marks
    that stand anywhere, different steps, would have the same ladder where parts are equal.

    Args:
        num_steps: length of a sequence, in time steps.
        marks: number of values that are marked.
    Raises:
        ValueError: if marks is no whole number from 1 to 6, or there are more marks than steps.
    Source: Hochreiter and Schmidhuber (1997), "Long Short-Term Memory"; as here, with a mark in
        each half, Arjovsky, Shah and Bengio (2016), "Unitary Evolution Recurrent Neural Networks".

    >>> for rung in Adding(num_steps=100).ladder(): print(f"{rung.loss:.9f} {rung.name}")
    0.166666667 none
    0.163333333 values
    0.083333333 1 of 2
    0.000000000 all
    """

    shape = "many_to_one"
    reach = None
    output_size = 1
    loss = SquaredError()
    # no symbols: inputs are real, a value and its mark
    encoding = torch.empty(0, 2)
    # values alone: with another's mark there would be one too many, or too few
    exchanged = slice(0, 1)

    def __init__(self, num_steps: int = 20, marks: int = 2) -> None:
        self.marks = checks.whole("marks", marks, at_most=_MOST_MARKS)
        # one number under two names: for tasks in general `num_steps` may be None
        self.length = self.num_steps = checks.whole("num_steps", num_steps, at_least=self.marks)

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw values and marks, and add; see `Task.draw`."""
        values = torch.rand(batch_size, num_steps, generator=generator)
        marks = torch.zeros_like(values)
        start = 0
        for size in self._parts(num_steps):
            places = start + torch.randint(size, (batch_size, 1), generator=generator)
            marks.scatter_(1, places, 1.0)
            start += size
        inputs = torch.stack([values, marks], dim=-1)
        scored = torch.zeros(batch_size, num_steps, dtype=torch.bool)
        scored[:, -1] = True
        return Draw(inputs, self.probabilities(inputs).float(), scored)

    def _parts(self, num_steps: int) -> list[int]:
        """Return the number of steps of each part, which has one mark.

        A sequence shorter than `marks` has fewer parts.

        >>> Adding(marks=3)._parts(20), Adding(marks=3)._parts(2)
        ([6, 7, 7], [1, 1])
        """
        ends = [num_steps * part // self.marks for part in range(self.marks + 1)]
        sizes = (end - start for start, end in pairwise(ends))
        return [size for size in sizes if size > 0]

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the sum of the marked values so far, which is certain, float64."""
        values, marks = inputs.double().unbind(-1)
        return (values * marks).cumsum(dim=1)[..., None]

    def predict(self, inputs: Features, known: Iterable[int]) -> Probabilities:
        """Return the best guess of the sum for who knows some of the marked values.

        Args:
            inputs: values and marks.
            known: which of the marked values, 0 for the first; the others count as their mean.
        """
        values, marks = inputs.double().unbind(-1)
        numbers, which = marks.cumsum(dim=1) - 1, {*known}
        seen = torch.zeros_like(values)
        for number in which:
            seen += torch.where(numbers == number, values * marks, 0.0)
        others = len(self._parts(inputs.shape[1])) - len(which)
        return (seen.cumsum(dim=1) + others / 2)[..., None]

    def predict_unmarked(self, inputs: Features) -> Probabilities:
        """Return the best guess of the sum for who sees the values and no mark."""
        values = inputs[..., 0].double()
        sizes = torch.tensor(self._parts(values.shape[1]), device=values.device)
        # each value of a part is the marked one with the same chance
        chances = (1 / sizes.double()).repeat_interleave(sizes)
        return (values * chances).cumsum(dim=1)[..., None]

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return the mean, all values without their marks, then each number of marked values."""
        steps = num_steps or self.length
        sizes = self._parts(steps)
        rungs = [self._knowing(known, of=len(sizes)) for known in range(len(sizes))]
        # the variance of one of n values about their mean
        unmarked = sum(_VARIANCE * (1 - 1 / size) for size in sizes)
        if unmarked > 0:  # else every value is marked
            knows, predictor = "every value, and no mark", self.predict_unmarked
            rungs.append(Rung("values", unmarked, knows, predictor, includes=("none",)))
        rungs.append(Rung("all", 0.0, "every value and its mark", self.probabilities))
        # a single step is scored
        return Ladder([replace(rung, by_step=(rung.loss,) * steps) for rung in rungs], self.loss)

    def _knowing(self, known: int, of: int) -> Rung:
        """Return the rung of so many marked values: the last ones, or any others of that number."""
        names = ["none", *(f"{fewer} of {of}" for fewer in range(1, of))]
        last, *others = combinations(reversed(range(of)), known)
        return Rung(
            name=names[known],
            loss=(of - known) * _VARIANCE,
            knows=f"{known} of the {of} marked values" if known else "the mean of a sum only",
            predictor=partial(self.predict, known=last),
            reach=None if known else 0,
            includes=tuple(names[:known]),
            twins=tuple(partial(self.predict, known=each) for each in others),
        )
