"""Even pairs: whether a string ends as it began; the first bit has to be kept for ever."""

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional

from lossladder.ladder.machines import Strings
from lossladder.tasks.bit_sum import BitSum


class EvenPairs(BitSum):
    """The task to say whether an odd number of neighbours differ: of fair bits, first and last.

        input   1  0  0  1  0
        target  0  1  1  0  1        every_step=False: . . . . 1

    Args:
        num_steps: length of a string, in time steps.
        every_step: True: every step carries its label. False: the last step carries it.
        mixed_lengths: True: lengths are uniform on 1 ... num_steps; the rest is padding.
    Raises:
        ValueError: if a size is no whole number above 0.
    Source: Delétang et al. (2023), "Neural Networks and the Chomsky Hierarchy", Even Pairs.

    >>> [(rung.name, round(rung.loss, 6)) for rung in EvenPairs(num_steps=40).ladder()]
    [('none', 0.693147), ('all', 0.0)]
    """

    floor_knows = "the first bit and the last"

    def __init__(
        self, num_steps: int = 40, every_step: bool = False, mixed_lengths: bool = False
    ) -> None:
        super().__init__(2, num_steps, 0.5, every_step, mixed_lengths)

    @property
    def least_states(self) -> int:
        """Return one for each first and last bit, and one from which nothing was seen yet."""
        return 5

    def summands(self, ones: Integer[Tensor, "batch time"]) -> Integer[Tensor, "batch time"]:
        """Return where a bit differs from the one before; the first differs from none."""
        before = torch.cat([ones[:, :1], ones[:, :-1]], dim=1)
        return (ones != before).long()

    def unseen(self, num_steps: int, known: int) -> list[Float[Tensor, " classes"]]:
        """Return a fair coin for each step from which the first bit is not seen."""
        certain = torch.tensor([1.0, 0.0], dtype=torch.float64)
        # the first step is as it began, whoever sees it
        seen = [step < max(known, 1) for step in range(num_steps)]
        return [certain if each else torch.full_like(certain, 0.5) for each in seen]

    def _strings(self, num_steps: int) -> Strings:
        # hidden: the first bit and the last, of which a string has none when it begins
        first, last = torch.cartesian_prod(torch.arange(2), torch.arange(2)).T
        begins = torch.zeros(2, 1, 4, dtype=torch.float64)
        goes_on = torch.zeros(2, 4, 4, dtype=torch.float64)
        for bit in range(2):
            begins[bit, 0, 3 * bit] = 0.5
            goes_on[bit, torch.arange(4), 2 * first + bit] = 0.5
        differ = functional.one_hot((first != last).long(), 2)
        asked = self._weights(num_steps)[:, None, None] * differ
        moves = [begins.numpy(), *[goes_on.numpy()] * (num_steps - 1)]
        return Strings(moves, np.ones(1), [*asked.numpy()])
