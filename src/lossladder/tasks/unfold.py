"""Unfold: a number at the first step and then that many ones, the mirror of count."""

from functools import partial

import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Features, Ladder, Probabilities, Rung, cross_entropy
from lossladder.tasks.task import Draw, Task

Chances = Float[Tensor, "numbers steps"]  # of a one at each step, for each number


class Unfold(Task):
    """The task to put out as many ones as a number at the first step says.

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
        return Draw(symbols, self._ones(num_steps)[numbers].long(), None)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target, float64: 0 or 1."""
        return self.predict(inputs, self._ones(inputs.shape[1]))

    def predict(self, inputs: Features, chances: Chances) -> Probabilities:
        """Return the probabilities of each target for a predictor with these chances of a one.

        It predicts no more steps than it has chances for.
        """
        # the symbol for "nothing" at the first step would be no number: no draw has it there
        numbers = inputs[:, 0].argmax(dim=-1).clamp(max=self.longest)
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        return _of_both(chances.to(inputs.device)[numbers[:, None], steps])

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return four rungs: nothing known, the step, the number, or both."""
        ones = self._ones(num_steps or self.longest)
        # What is not known is averaged over: numbers and steps are each equally likely.
        nothing, step = ones.mean(), ones.mean(dim=0, keepdim=True)
        number = ones.mean(dim=1, keepdim=True)
        rungs = [
            self._rung("none", "only how often each target occurs", nothing.expand_as(ones), 0),
            self._rung("step", "the step, and not the number", step.expand_as(ones), 0),
            # the step is no part of it
            self._rung(
                "number", "the number, and not the step", number.expand_as(ones), None, ("none",)
            ),
            self._rung("both", "the number and the step", ones, None),
        ]
        return Ladder(rungs)

    def _rung(
        self,
        name: str,
        knows: str,
        chances: Chances,
        reach: int | None,
        includes: tuple[str, ...] | None = None,
    ) -> Rung:
        exact, predicted = _of_both(self._ones(chances.shape[1])), _of_both(chances)
        # every number is equally likely, so that the expected loss of a step is a plain mean
        by_step = cross_entropy(exact, predicted.log()).mean(dim=0)
        return Rung(
            name=name,
            loss=float(by_step.mean()),
            knows=knows,
            predictor=partial(self.predict, chances=chances),
            reach=reach,
            by_step=tuple(float(loss) for loss in by_step),
            includes=includes,
        )

    def _ones(self, num_steps: int) -> Chances:
        """Return the target at each step for each of the numbers, float64."""
        numbers = torch.arange(self.longest + 1)
        return (torch.arange(num_steps) < numbers[:, None]).double()


def _of_both(chance: Float[Tensor, "*rest"]) -> Float[Tensor, "*rest 2"]:
    """Return the probabilities of zero and one."""
    return torch.stack([1 - chance, chance], dim=-1)
