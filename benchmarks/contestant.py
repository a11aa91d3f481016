"""The promise of a contestant: back to the shared start, then a round of updates. NumPy only."""

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems import Problem

Losses = NDArray[np.float32]  # (members, windows), nats a scored step, before each update


class Round(NamedTuple):
    """The cost of a round, and what it trained.

    Args:
        wall: seconds.
        cpu: seconds of all threads of the process together.
        work: what was done, in the contest's unit: updates of all members, symbols, runs.
        losses: (members, windows), if it trained.
        notes: anything else worth keeping.
    """

    wall: float
    cpu: float
    work: float
    losses: Losses | None = None
    notes: dict[str, float] | None = None


class Clock:
    """The wall and CPU time of a block of code, threads included."""

    wall = cpu = 0.0

    def __enter__(self) -> "Clock":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall


class Contestant(ABC):
    """Something that can be measured, round after round, in a process of its own.

    The constructor imports, loads the data and compiles; none of that counts as training.
    """

    @abstractmethod
    def round(self, size: int | None) -> Round:
        """Do one round of this size: so many updates, for those who train; None: all there are."""


class Trainee(Contestant):
    """A contestant that trains networks on a problem.

    Args:
        problem: data, start and optimizer.
        members: networks trained at once.
        threads: it may use.
    """

    def __init__(self, problem: Problem, members: int = 1, threads: int = 1) -> None:
        self.problem, self.members, self.threads = problem, members, threads
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Load the data and compile."""

    @abstractmethod
    def start(self) -> None:
        """Go back to the shared start: weights, optimizer and state. Not timed."""

    @abstractmethod
    def train(self, windows: int) -> Losses:
        """Make this many updates; return the loss of each (members, windows)."""

    def round(self, size: int | None) -> Round:
        """Start again, then train: only the training is timed."""
        windows = size or self.problem.windows
        self.start()
        with Clock() as clock:
            losses = self.train(windows)
        return Round(clock.wall, clock.cpu, float(losses.size), losses)
