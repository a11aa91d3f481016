"""Parity: whether the ones so far are odd; the smallest task that needs exact state for ever."""

from lossladder.tasks.bit_sum import BitSum


class Parity(BitSum):
    """The task to say whether the number of ones so far is odd.

        input   1  0  1  1  0
        target  1  1  0  1  1        every_step=False: . . . . 1

    Args:
        num_steps: length of a string, in time steps.
        chance_of_one: chance of a one in the input; away from one half the ladder is smooth.
        every_step: True: every step carries its label. False: the last step carries it.
        mixed_lengths: True: lengths are uniform on 1 ... num_steps; the rest is padding.
    Raises:
        ValueError: if a size is no whole number above 0, or a chance is none.
    Source: notebook "Recurrent Neural Network" (a NumPy RNN on the parity of 50 bits).

    >>> [round(rung.loss, 6) for rung in Parity(num_steps=50, every_step=False).ladder()]
    [0.693147, 0.0]
    >>> graded = Parity(num_steps=10, chance_of_one=0.3, every_step=False).ladder()
    >>> [round(rung.loss, 5) for rung in graded][-3:]
    [0.68029, 0.61086, 0.0]
    """

    def __init__(
        self,
        num_steps: int = 50,
        chance_of_one: float = 0.5,
        every_step: bool = True,
        mixed_lengths: bool = False,
    ) -> None:
        super().__init__(2, num_steps, chance_of_one, every_step, mixed_lengths)
