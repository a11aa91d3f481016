"""Networks that misbehave while a file named after their mischief lies in $MISCHIEF."""

import os
import signal
from pathlib import Path

from lossladder.models import RNN, State


class Moody(RNN):
    """The notebooks' cell, on a good day."""

    mischief = ""

    def step(self, x, state: State) -> State:
        if (Path(os.environ["MISCHIEF"]) / self.mischief).is_file():
            self.misbehave()
        return super().step(x, state)

    def misbehave(self) -> None:
        """Nothing worse than usual."""


class Raising(Moody):
    mischief = "raise"

    def misbehave(self) -> None:
        raise RuntimeError("the cell is in a mood")


class Killed(Moody):
    mischief = "kill"

    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
