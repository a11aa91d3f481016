"""Onset: ones that begin.  Needs the input now and one of a few steps back, and no other."""

from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import Ladder, Rung, binary_entropy
from lossladder.tasks import Draw, Task


class Onset(Task):
    """A one is likely where the input is one now and was zero `lag` steps back.

        input    0   0   1   1   1   0   1          lag=2, noise=0.1
        chance  .1  .1  .9  .9  .1  .1  .1

    The input now tells more than the one before: where it is zero, nothing has begun.

    Args:
        lag: steps back, at least 1.
        noise: chance that a target is the other one.
        chance_of_one: in the input, whose steps are independent.
    Raises:
        ValueError: if lag is no whole number above 0, or a chance is none.

    >>> for rung in Onset().ladder(): print(f"{rung.loss:.6f} {rung.name}: {rung.knows}")
    0.562335 none: only how often each target occurs
    0.539419 lag 2: the input 2 steps back
    0.396528 now: the input now
    0.325083 both: the inputs now and 2 steps back
    """

    shape = "many_to_many"  # every step has an input, and every step is scored
    streams = True  # endless sequences: the state is carried from window to window
    num_steps = None  # so they have no length
    output_size = 2  # classes of the target
    encoding = torch.eye(2)  # what a network sees of a zero and of a one

    def __init__(self, lag: int = 2, noise: float = 0.1, chance_of_one: float = 0.25) -> None:
        self.lag = self.reach = checks.whole("lag", lag)
        self.noise = checks.chance("noise", noise)
        self.chance_of_one = checks.chance("chance_of_one", chance_of_one)
        self.input_law = torch.tensor([1 - chance_of_one, chance_of_one], dtype=torch.float64)
        begins = torch.tensor([[0, 1], [0, 0]], dtype=torch.float64)  # [steps back, now]
        self.chances = noise + (1 - 2 * noise) * begins

    def draw(
        self, generator: Generator, batch_size: int, num_steps: int, past: Tensor | None = None
    ) -> Draw:
        """Draw inputs and targets, (batch, time) each; `past` is what came just before them."""
        if past is None:
            past = self._inputs(generator, batch_size, self.lag)
        inputs = self._inputs(generator, batch_size, num_steps)
        back = torch.cat([past, inputs], dim=1)[:, :num_steps]
        chance = self.chances[back, inputs]
        targets = torch.rand(chance.shape, generator=generator, dtype=torch.float64) < chance
        return Draw(inputs, targets.long(), scored=None)  # None: every step counts

    def _inputs(self, generator: Generator, batch_size: int, num_steps: int) -> Tensor:
        uniform = torch.rand(batch_size, num_steps, generator=generator, dtype=torch.float64)
        return (uniform < self.chance_of_one).long()

    def probabilities(self, inputs: Tensor) -> Tensor:
        """Exact law of each target given the inputs so far: (batch, time, 2), float64."""
        return self.predict(inputs, now=True, back=True)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """A rung for each part of what there is to know.

        Without carried state the first `lag` steps have nothing to look back to.

        >>> both = Onset().ladder(num_steps=4, carried=False)["both"]
        >>> [round(loss, 6) for loss in both.by_step], round(both.loss, 6)
        ([0.396528, 0.396528, 0.325083, 0.325083], 0.360806)
        """
        lag, bare = self.lag, None if carried else num_steps
        return Ladder(
            [
                self._rung("none", "only how often each target occurs", False, False, bare),
                self._rung(f"lag {lag}", f"the input {lag} steps back", False, True, bare),
                self._rung("now", "the input now", True, False, bare),
                self._rung("both", f"the inputs now and {lag} steps back", True, True, bare),
            ]
        )

    def _rung(self, name: str, knows: str, now: bool, back: bool, bare: int | None) -> Rung:
        loss, by_step = self._loss(now, back), None
        if bare is not None:
            first = min(self.lag, bare)
            by_step = (self._loss(now, False),) * first + (loss,) * (bare - first)
            loss = sum(by_step) / bare
        predictor = partial(self.predict, now=now, back=back)
        return Rung(name, loss, knows, predictor, reach=self.lag if back else 0, by_step=by_step)

    def _loss(self, now: bool, back: bool) -> float:
        """Entropy of a target that is left to whoever knows these inputs, nats."""
        likelihood = torch.outer(self.input_law, self.input_law)  # of each [steps back, now]
        return float((likelihood * binary_entropy(self._chances_given(now, back))).sum())

    def _chances_given(self, now: bool, back: bool) -> Tensor:
        """Chance of a one by [steps back, now]: the mean over what is not known."""
        chances = self.chances
        if not back:
            chances = (self.input_law @ chances)[None, :].expand(2, 2)
        if not now:
            chances = (chances @ self.input_law)[:, None].expand(2, 2)
        return chances

    def predict(self, inputs: Tensor, now: bool, back: bool) -> Tensor:
        """Law of each target for a predictor that knows these inputs: (batch, time, 2)."""
        ones = inputs[..., 1].long()
        before = functional.pad(ones, (self.lag, 0))[:, : ones.shape[1]]
        chance = self._chances_given(now, back).to(ones.device)[before, ones]
        bare = self._chances_given(now, False).to(ones.device)
        chance[:, : self.lag] = bare[0, ones[:, : self.lag]]  # nothing lies so far back
        return torch.stack([1 - chance, chance], dim=-1)
