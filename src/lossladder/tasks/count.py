"""Count: how many ones a string has."""

from lossladder import checks
from lossladder.tasks.bit_sum import BitSum


class Count(BitSum):
    """The task to say how many ones a string has.

        input   1  0  1  1  0
        target  .  .  .  .  3        every_step=True: 1 1 2 3 3

    Args:
        num_steps: length of a string, in time steps; there are num_steps + 1 classes.
        chance_of_one: chance of a one in the input.
        every_step: True: every step carries the count so far. False: the last step carries it.
        mixed_lengths: True: lengths are uniform on 1 ... num_steps; the rest is padding.
    Raises:
        ValueError: if a size is no whole number above 0, or a chance is none.
    Source: notebook "Learn RNN/LSTM through example" (an LSTM counts the ones of 10 bits).

    >>> [round(rung.loss, 6) for rung in Count(num_steps=10).ladder()][:4]
    [1.875954, 1.822927, 1.763503, 1.695881]
    """

    def __init__(
        self,
        num_steps: int = 10,
        chance_of_one: float = 0.5,
        every_step: bool = False,
        mixed_lengths: bool = False,
    ) -> None:
        num_steps = checks.whole("num_steps", num_steps)
        # the count is at most num_steps, so that a sum modulo num_steps + 1 is the sum itself
        super().__init__(num_steps + 1, num_steps, chance_of_one, every_step, mixed_lengths)
