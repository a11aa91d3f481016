"""A network of which three runs misbehave: one raises and one is killed on a bad day, one diverges.

A day is bad while the file $BAD_DAY is there. Which run it is tell torch's seed, which is the run's
own as long as it trains alone, and the size.
"""

import os
import signal
from pathlib import Path

import torch

from lossladder.models import RNN, State

RAISES, IS_KILLED, DIVERGES = (1, 4), (2, 16), (3, 4)  # seed, hidden_size
CALM = 500  # steps of a sequence before the mood comes


class Moody(RNN):
    """The notebooks' cell."""

    steps = 0

    def step(self, x, state: State) -> State:
        self.steps += 1
        if self.steps > CALM:
            bad_day = Path(os.environ["BAD_DAY"]).is_file()
            who = (torch.initial_seed(), self.hidden_size)
            if who == RAISES and bad_day:
                raise RuntimeError("the cell is in a mood")
            if who == IS_KILLED and bad_day:
                os.kill(os.getpid(), signal.SIGKILL)
            if who == DIVERGES:
                x = x * float("inf")
        return super().step(x, state)
