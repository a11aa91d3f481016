"""The worked example of back-propagation: the one example of a well-known article, as a task."""

from functools import partial

import torch
from torch import Generator

from lossladder.ladder import Features, HalfSquaredError, Ladder, Probabilities, Rung
from lossladder.tasks.task import Draw, Task

INPUTS = (0.05, 0.10)
TARGETS = (0.01, 0.99)


class WorkedExample(Task):
    """The one example of an article: two real inputs and two real targets.

        input   0.05,0.1
        target  0.01,0.99

    The loss is half the squared error. The floor is 0: an example can be known by heart. The
    ceiling is the best that one number can do for both outputs, which is the mean of the targets.

    Source: Mazur (2015), "A Step by Step Backpropagation Example".

    >>> [(rung.name, round(rung.loss, 4)) for rung in WorkedExample().ladder()]
    [('none', 0.2401), ('example', 0.0)]
    """

    shape = "one_to_one"
    num_steps = 1
    reach = 0
    output_size = 2
    loss = HalfSquaredError()
    # there is one symbol, which stands for both inputs
    encoding = torch.tensor([INPUTS])

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Repeat the example as often as asked for; nothing about it is random."""
        symbols = torch.zeros(batch_size, num_steps, dtype=torch.long)
        return Draw(symbols, _repeated(TARGETS, batch_size, num_steps), None)

    def everything(self) -> Draw:
        """Return the example."""
        return self.draw(Generator(), batch_size=1, num_steps=1)

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the targets, which are certain, float64."""
        return self.predict(inputs, TARGETS)

    def predict(self, inputs: Features, values: tuple[float, float]) -> Probabilities:
        """Return what a predictor says that always says these values."""
        return _repeated(values, *inputs.shape[:2])

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return two rungs: one number for both outputs, or the example."""
        # c = (t1 + t2) / 2 makes 1/2 (c - t1)^2 + 1/2 (c - t2)^2 least
        mean = sum(TARGETS) / len(TARGETS)
        rungs = [
            self._rung("none", "the mean of the targets only", (mean, mean), num_steps or 1),
            self._rung("example", "the target of each output", TARGETS, num_steps or 1),
        ]
        return Ladder(rungs, self.loss)

    def _rung(self, name: str, knows: str, values: tuple[float, float], num_steps: int) -> Rung:
        loss = sum((value - target) ** 2 / 2 for value, target in zip(values, TARGETS, strict=True))
        predictor = partial(self.predict, values=values)
        return Rung(name, loss, knows, predictor, reach=0, by_step=(loss,) * num_steps)


def _repeated(values: tuple[float, float], batch_size: int, num_steps: int) -> Probabilities:
    # cloned, because an expanded tensor repeats by stride: writing to one step would write to all
    return torch.tensor(values, dtype=torch.float64).expand(batch_size, num_steps, -1).clone()
