"""The sum of the bits so far, modulo the number of classes: what count, parity and pairs share."""

from functools import lru_cache, partial

import torch
from jaxtyping import Bool, Float, Integer
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Probabilities,
    Rung,
    best_machines,
    cross_entropy,
    entropy,
)
from lossladder.ladder.machines import Strings
from lossladder.tasks import bits
from lossladder.tasks.numbers_known import numbers_known
from lossladder.tasks.task import Draw, Task

_LONGEST_FINITE = 16  # 65 536 strings, which are kept in memory


class BitSum(Task):
    """The target is the sum of the bits of a string so far, modulo `output_size`.

    A predictor that knows the last j bits needs the probabilities of the sum of the others, which
    are binomial, folded modulo `output_size`; their entropy is the loss of the rung. How many the
    others are it knows from the step; the ceiling does not know that either.

    Args:
        output_size: number of classes.
        num_steps, chance_of_one, every_step, mixed_lengths: as for `Count` and `Parity`.
    """

    reach = None
    floor_knows = "every bit so far"
    encoding = torch.tensor([[0.0], [1.0]])

    def __init__(
        self,
        output_size: int,
        num_steps: int,
        chance_of_one: float = 0.5,
        every_step: bool = False,
        mixed_lengths: bool = False,
    ) -> None:
        # one number under two names: for tasks in general `num_steps` may be None
        self.length = self.num_steps = checks.whole("num_steps", num_steps)
        self.output_size = output_size
        self.chance_of_one = checks.chance("chance_of_one", chance_of_one)
        self.every_step = checks.flag("every_step", every_step)
        self.mixed_lengths = checks.flag("mixed_lengths", mixed_lengths)
        # padding tells of its length, and what has padding before it is none
        self.independent_inputs = not self.mixed_lengths
        self.shape = "many_to_many" if self.every_step else "many_to_one"

    @property
    def least_states(self) -> int:
        """Return how many states a machine needs that errs nowhere."""
        return self.output_size

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw strings of bits; see `Task.draw`."""
        ones = bits.coins(generator, self.chance_of_one, batch_size, num_steps)
        lengths = torch.full((batch_size,), num_steps)
        if self.mixed_lengths:
            # padding is zeros, which change no sum
            lengths = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
            ones = ones * (torch.arange(num_steps) < lengths[:, None])
        return self._labelled(ones, lengths)

    def everything(self) -> Draw:
        """Return all 2**num_steps strings, in counting order."""
        if self.length > _LONGEST_FINITE:
            raise ValueError(
                f"task.num_steps={self.length}: the set of all strings is kept up to "
                f"{_LONGEST_FINITE} bits; use data=fresh for longer ones"
            )
        if self.chance_of_one != 0.5 or self.mixed_lengths:
            raise ValueError(
                f"task.chance_of_one={self.chance_of_one:g}, "
                f"task.mixed_lengths={self.mixed_lengths}: the "
                "strings of a finite set are equally likely and equally long; use data=fresh"
            )
        ones = bits.every_string(self.length)
        return self._labelled(ones, torch.full((len(ones),), self.length))

    def _labelled(
        self, ones: Integer[Tensor, "batch time"], lengths: Integer[Tensor, " batch"]
    ) -> Draw:
        sums = self.summands(ones).cumsum(dim=1) % self.output_size
        return Draw(ones, sums, self._scored(ones.shape[1], lengths))

    def summands(self, ones: Integer[Tensor, "batch time"]) -> Integer[Tensor, "batch time"]:
        """Return what is summed of the bits: the bits themselves."""
        return ones

    def _scored(
        self, num_steps: int, lengths: Integer[Tensor, " batch"]
    ) -> Bool[Tensor, "batch time"] | None:
        steps = torch.arange(num_steps)
        if not self.every_step:
            # the last step of the string, not of the row, which may be padded
            return steps == lengths[:, None] - 1
        # no mask where all steps count: it would be read for every step of every update
        return steps < lengths[:, None] if self.mixed_lengths else None

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target given the inputs so far: 0 or 1."""
        return self.predict(inputs, known=inputs.shape[1])

    def predict(self, inputs: Features, known: int) -> Probabilities:
        """Return the probabilities of the sum so far given only its last `known` bits.

        P(sum = k) = P(unseen sum = k - seen sum), all modulo output_size.
        """
        # whole numbers: a sum of many floats would lose the bit that decides
        sums = self.summands(inputs[..., 0].round().long()).cumsum(dim=1)
        num_steps = sums.shape[1]
        classes = torch.arange(self.output_size, device=inputs.device)
        size = (*sums.shape, self.output_size)
        probabilities = torch.empty(size, dtype=torch.float64, device=sums.device)
        for step, unseen in enumerate(self.unseen(num_steps, known)):
            # the difference of two sums so far is the sum of the bits between them
            seen = sums[:, step] - (sums[:, step - known] if step >= known else 0)
            others = (classes - seen[:, None]) % self.output_size
            probabilities[:, step] = unseen.to(sums.device)[others]
        return probabilities

    def unseen(self, num_steps: int, known: int) -> list[Float[Tensor, " classes"]]:
        """Return the probabilities of the sum of all but the last `known` bits, for each step."""
        probabilities = torch.zeros(self.output_size, dtype=torch.float64)
        probabilities[0] = 1.0
        by_step: list[Tensor] = []
        for step in range(num_steps):
            if step >= known:
                # one more bit has gone out of sight: P'(k) = (1 - p) P(k) + p P(k - 1)
                zero, one = probabilities, probabilities.roll(1)
                probabilities = (1 - self.chance_of_one) * zero + self.chance_of_one * one
            by_step.append(probabilities)
        return by_step

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return the best constant, then rungs by the number of bits known, from the last one."""
        num_steps = num_steps or self.length
        rungs = [self._constant(num_steps)]
        for known in numbers_known(num_steps):
            rung = self._rung(known, num_steps)
            # bits worth nothing make no rung: 49 of 50 fair bits say nothing of their parity
            if rung.loss < rungs[-1].loss - 1e-9 or known == num_steps:
                rungs.append(rung)
        return Ladder(rungs)

    def loss_knowing(self, known: int, num_steps: int) -> float:
        """Return the loss of the best predictor that knows the step and the last `known` bits.

        >>> from lossladder.tasks import Count
        >>> round(Count(num_steps=10).loss_knowing(9, num_steps=10), 6)
        0.693147
        """
        return self._rung(known, num_steps).loss

    def _constant(self, num_steps: int) -> Rung:
        """Return the rung of a predictor that knows neither bits nor the step."""
        weights, by_step = self._weights(num_steps), torch.stack(self.unseen(num_steps, 0))
        always = weights @ by_step / weights.sum()
        losses = cross_entropy(by_step, always.log().expand_as(by_step))
        return Rung(
            name="none",
            loss=float(losses @ weights / weights.sum()),
            knows="only how often each target occurs",
            predictor=partial(_always, probabilities=always),
            reach=0,
            by_step=tuple(float(loss) for loss in losses),
        )

    def _rung(self, known: int, num_steps: int) -> Rung:
        by_step = torch.stack([entropy(unseen) for unseen in self.unseen(num_steps, known)])
        weights = self._weights(num_steps)
        name, knows = _words(known, num_steps, self.floor_knows)
        return Rung(
            name=name,
            loss=float((by_step * weights).sum() / weights.sum()),
            knows=knows,
            predictor=partial(self.predict, known=known),
            # the last bit is that of the step itself, at lag 0
            reach=max(known - 1, 0),
            by_step=tuple(float(loss) for loss in by_step),
        )

    # --- memory -----------------------------------------------------------------------------

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best machines of M states lose, as far as they are tried; the floor's.

        They begin with each string, and know no step that they have not counted.
        """
        steps = num_steps or self.length
        if steps > bits.LONGEST_COUNTED:
            return ()
        enough = (self.least_states, 0.0) if steps == self.length else None
        return best_machines(self._machine_losses(steps), enough)

    @lru_cache(maxsize=4)  # noqa: B019
    def _machine_losses(self, num_steps: int) -> list[float]:
        return self._strings(num_steps).machine_losses()

    def _strings(self, num_steps: int) -> Strings:
        sums = torch.eye(self.output_size, dtype=torch.float64)
        return bits.counted(self.chance_of_one, self._weights(num_steps)[:, None, None] * sums)

    def _weights(self, num_steps: int) -> Float[Tensor, " time"]:
        """Return how often each step is scored, in proportion."""
        # each length there is, once: they are equally likely
        lengths = torch.arange(1 if self.mixed_lengths else num_steps, num_steps + 1)
        scored = self._scored(num_steps, lengths)
        if scored is None:
            return torch.ones(num_steps, dtype=torch.float64)
        return scored.double().mean(dim=0)


def _always(inputs: Features, probabilities: Float[Tensor, " classes"]) -> Probabilities:
    """Return the same probabilities at every step."""
    return probabilities.to(inputs.device).expand(*inputs.shape[:2], -1).clone()


def _words(known: int, num_steps: int, everything: str) -> tuple[str, str]:
    """Return the name of a rung, and what its predictor knows."""
    if known == 0:
        return "step", "only the step, and how often each target occurs there"
    if known == num_steps:
        return "all", everything
    return f"last {known}", "the last bit only" if known == 1 else f"the last {known} bits only"
