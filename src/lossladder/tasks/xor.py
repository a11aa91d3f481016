"""XOR: whether two bits differ; one step in, one step out, and no linear answer."""

from functools import partial
from math import log

import torch
from jaxtyping import Integer
from torch import Generator, Tensor

from lossladder.ladder import Features, Ladder, Probabilities, Rung
from lossladder.tasks.task import Draw, Task


class XOR(Task):
    """The task to say whether two bits differ.

        input   0 1 2 3          the bits 00 01 10 11, which a network sees side by side
        target  0 1 1 0          steps have nothing to do with each other

    One bit alone is worth nothing: the ladder has no rung between guessing and knowing both.

    Source: Minsky and Papert (1969), "Perceptrons".

    >>> [round(rung.loss, 6) for rung in XOR().ladder()]
    [0.693147, 0.0]
    """

    shape = "one_to_one"
    num_steps = 1
    reach = 0
    output_size = 2
    # the two bits, and no feature for each pair, of which the answer would be a linear function
    encoding = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw pairs of bits; see `Task.draw`."""
        return _labelled(torch.randint(4, (batch_size, num_steps), generator=generator))

    def everything(self) -> Draw:
        """Return all four pairs."""
        return _labelled(torch.arange(4)[:, None])

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target, float64: 0 or 1."""
        return self.predict(inputs, known=True)

    def predict(self, inputs: Features, known: bool) -> Probabilities:
        """Return the probabilities of each target given both bits, or none."""
        # a network sees the bits as two features: they differ where these add up to one
        differ = (inputs.sum(dim=-1) == 1).double()
        chance = differ if known else torch.full_like(differ, 0.5)
        return torch.stack([1 - chance, chance], dim=-1)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return two rungs: nothing known, or both bits."""
        guess, know = partial(self.predict, known=False), partial(self.predict, known=True)
        steps, guessing = num_steps or 1, "only how often each target occurs"
        # one bit halves the pairs and leaves the answer a fair coin, of entropy log 2
        none = Rung("none", log(2), guessing, guess, reach=0, by_step=(log(2),) * steps)
        both = Rung("both", 0.0, "both bits", know, reach=0, by_step=(0.0,) * steps)
        return Ladder([none, both])


def _labelled(pairs: Integer[Tensor, "batch time"]) -> Draw:
    differ = (pairs == 1) | (pairs == 2)
    return Draw(pairs, differ.long(), None)
