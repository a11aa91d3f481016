"""Onset: ones that begin.  Needs the input now and one of a few steps back, and no other."""

from functools import partial

import torch
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Ladder, Rung, binary_entropy
from lossladder.tasks import Draw, Task


class Onset(Task):
    """A one is likely where the input is one now and was zero `lag` steps back.

        input    0   1   1   1   0   1   1       lag=2, noise=0.1
        chance   ?   ?  .9  .1  .1  .1  .9

    The input now tells more than the one before: where it is zero, nothing begins. Before the first
    step were inputs, too, which stay hidden.

    Args:
        num_steps: length of a sequence, in time steps.
        lag: steps back, at least 1.
        noise: chance that a target is the other one.
        chance_of_one: in the input, whose steps are independent.
    Raises:
        ValueError: if a number of steps is no whole number above 0, or a chance is none.

    >>> for rung in Onset().ladder(): print(f"{rung.loss:.6f} {rung.name}: {rung.knows}")
    0.562335 none: only how often each target occurs
    0.541711 lag 2: the input 2 steps back
    0.396528 now: the input now
    0.332228 both: the inputs now and 2 steps back
    """

    shape = "many_to_many"  # every step has an input, and every step is scored
    streams = False  # independent sequences: the state starts anew with each
    output_size = 2  # classes of the target
    encoding = torch.eye(2)  # what a network sees of a zero and of a one

    def __init__(
        self, num_steps: int = 20, lag: int = 2, noise: float = 0.1, chance_of_one: float = 0.25
    ) -> None:
        # twice, because to a type checker the num_steps of a task may be None: streams have none
        self.length = self.num_steps = checks.whole("num_steps", num_steps)
        self.lag = self.reach = checks.whole("lag", lag)
        self.noise = checks.chance("noise", noise)
        self.chance_of_one = checks.chance("chance_of_one", chance_of_one)
        self.input_law = torch.tensor([1 - chance_of_one, chance_of_one], dtype=torch.float64)
        begins = torch.tensor([[0, 1], [0, 0]], dtype=torch.float64)  # [steps back, now]
        self.chances = noise + (1 - 2 * noise) * begins

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw inputs and targets, (batch, time) each; all randomness comes from `generator`."""
        size = (batch_size, self.lag + num_steps)
        uniform = torch.rand(2, *size, generator=generator, dtype=torch.float64)
        ones = (uniform[0] < self.chance_of_one).long()
        inputs = ones[:, self.lag :]  # what comes before the first step stays hidden
        targets = uniform[1, :, self.lag :] < self.chances[ones[:, :num_steps], inputs]
        return Draw(inputs, targets.long(), scored=None)  # None: every step counts

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Tensor) -> Tensor:
        """Exact law of each target given the inputs so far: (batch, time, 2), float64."""
        return self.predict(inputs, now=True, back=True)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """A rung for each part of what there is to know.

        Nobody sees what came before the first step, so that the first steps cost more.

        >>> both = Onset().ladder(num_steps=4)["both"]
        >>> [round(loss, 6) for loss in both.by_step], round(both.loss, 6)
        ([0.396528, 0.396528, 0.325083, 0.325083], 0.360806)
        """
        steps, lag = num_steps or self.length, self.lag
        return Ladder(
            [
                self._rung("none", "only how often each target occurs", False, False, steps),
                self._rung(f"lag {lag}", f"the input {lag} steps back", False, True, steps),
                self._rung("now", "the input now", True, False, steps),
                self._rung("both", f"the inputs now and {lag} steps back", True, True, steps),
            ]
        )

    def _rung(self, name: str, knows: str, now: bool, back: bool, num_steps: int) -> Rung:
        """Entropy that is left of a target, by step, for whoever knows these inputs."""
        at_start, later = (
            float(self.input_law @ binary_entropy(self._chances_given(now, seen)) @ self.input_law)
            for seen in (False, back)
        )
        first = min(self.lag, num_steps)
        by_step = (at_start,) * first + (later,) * (num_steps - first)
        return Rung(
            name=name,
            loss=sum(by_step) / num_steps,  # nats a step
            knows=knows,
            predictor=partial(self.predict, now=now, back=back),
            reach=self.lag if back else 0,
            by_step=by_step,
            # who knows one of the two does not know the other, although one is worth more
            includes=("none",) if now != back else None,
        )

    def _chances_given(self, now: bool, back: bool) -> Tensor:
        """Chance of a one by [steps back, now]: the mean over what is not known."""
        chances = self.chances
        if not back:
            chances = (self.input_law @ chances).expand(2, 2)
        if not now:
            chances = (chances @ self.input_law)[:, None].expand(2, 2)
        return chances

    def predict(self, inputs: Tensor, now: bool, back: bool) -> Tensor:
        """Law of each target for a predictor that knows these inputs: (batch, time, 2)."""
        ones = inputs[..., 1].long()
        at_start, later = (self._chances_given(now, seen).to(ones.device) for seen in (False, back))
        before = ones[:, : max(ones.shape[1] - self.lag, 0)]  # what stood there `lag` steps ago
        chance = at_start[0][ones]
        chance[:, self.lag :] = later[before, ones[:, self.lag :]]
        return torch.stack([1 - chance, chance], dim=-1)
