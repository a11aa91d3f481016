"""Unfold: a number at the first step, and then that many ones.  The mirror of count."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Ladder, Rung, cross_entropy
from lossladder.tasks.task import Draw, Task

Chances = Callable[[Tensor, Tensor], Tensor]  # number (n, 1), step (steps,) -> chance of a one


class Unfold(Task):
    """The input is a number at the first step, the target is that many ones.

        input   3  .  .  .  .         num_steps=5; the symbol for "nothing" is num_steps + 1
        target  1  1  1  0  0

    The number is uniform on 0 ... num_steps, so that a one is as likely as a zero over the whole
    sequence, and less likely with every step. A predictor that knows the step and not the number
    does better than guessing, one that knows the number and not the step does better still, and
    only one that compares the two is never wrong.

    Args:
        num_steps: length of a sequence, in time steps.
    Raises:
        ValueError: if num_steps is no whole number above 0.

    >>> for rung in Unfold(num_steps=10).ladder(): print(f"{rung.loss:.6f} {rung.name}")
    0.693147 none
    0.541844 step
    0.446534 number
    0.000000 both
    """

    shape = "one_to_many"
    reach = None
    output_size = 2

    def __init__(self, num_steps: int = 10) -> None:
        # one number under two names: for tasks in general `num_steps` may be None
        self.longest = self.num_steps = checks.whole("num_steps", num_steps)
        # a feature for each of the numbers 0 ... num_steps, and one for "nothing"
        self.encoding = torch.eye(self.longest + 2)

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw numbers, and unfold them; see `Task.draw`."""
        numbers = torch.randint(self.longest + 1, (batch_size,), generator=generator)
        return self._unfolded(numbers, num_steps)

    def everything(self) -> Draw:
        """Return one sequence for each number."""
        return self._unfolded(torch.arange(self.longest + 1), self.longest)

    def _unfolded(self, numbers: Integer[Tensor, " batch"], num_steps: int) -> Draw:
        symbols = torch.full((len(numbers), num_steps), self.longest + 1)
        symbols[:, 0] = numbers
        return Draw(symbols, (torch.arange(num_steps) < numbers[:, None]).long(), None)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(
        self, inputs: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time output"]:
        """Return the exact probabilities of each target, float64: 0 or 1."""
        return self.predict(inputs, _certain)

    def predict(
        self, inputs: Float[Tensor, "batch time input"], chances: Chances
    ) -> Float[Tensor, "batch time output"]:
        """Return the probabilities of each target for a predictor with these chances of a one."""
        # the symbol for "nothing" at the first step would be no number: no draw has it there
        numbers = inputs[:, :1].argmax(dim=-1).clamp(max=self.longest)
        return _probabilities(numbers, torch.arange(inputs.shape[1], device=inputs.device), chances)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return four rungs: nothing known, the step, the number, or both."""
        longest, steps = self.longest, num_steps or self.longest

        # "+ 0 * ..." spreads a chance over the axis it does not depend on

        def of_step(number: Tensor, step: Tensor) -> Tensor:
            # step t is a one for the n - t numbers above t, of n + 1
            return (longest - step).clamp(min=0) / (longest + 1) + 0 * number

        def of_number(number: Tensor, step: Tensor) -> Tensor:
            # k of the steps are ones
            return number.clamp(max=steps) / steps + 0 * step

        def of_nothing(number: Tensor, step: Tensor) -> Tensor:
            return of_step(number, torch.arange(steps)).mean() + 0 * number * step

        return Ladder(
            [
                self._rung("none", "only how often each target occurs", of_nothing, steps, reach=0),
                self._rung("step", "the step, and not the number", of_step, steps, reach=0),
                self._rung("number", "the number, and not the step", of_number, steps),
                self._rung("both", "the number and the step", _certain, steps),
            ]
        )

    def _rung(
        self, name: str, knows: str, chances: Chances, num_steps: int, reach: int | None = None
    ) -> Rung:
        numbers, steps = torch.arange(self.longest + 1)[:, None], torch.arange(num_steps)
        exact = _probabilities(numbers, steps, _certain)
        predicted = _probabilities(numbers, steps, chances)
        # every number is equally likely, so that the expected loss of a step is a plain mean
        by_step = cross_entropy(exact, predicted.log()).mean(dim=0)
        return Rung(
            name=name,
            loss=float(by_step.mean()),
            knows=knows,
            predictor=partial(self.predict, chances=chances),
            reach=reach,
            by_step=tuple(float(loss) for loss in by_step),
        )


def _certain(number: Tensor, step: Tensor) -> Tensor:
    return step < number


def _probabilities(
    numbers: Integer[Tensor, "n 1"], steps: Integer[Tensor, " time"], chances: Chances
) -> Float[Tensor, "n time 2"]:
    chance = chances(numbers.double(), steps.double()).double()
    return torch.stack([1 - chance, chance], dim=-1)
