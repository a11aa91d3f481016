"""Contestants for the tests of the benchmark: quick ones, late ones, and one that falls over."""

import os
from pathlib import Path

import numpy as np

from benchmarks.contestant import Contestant, Round


class Noting(Contestant):
    """Notes its turns in a file, and says it took as long as it is told."""

    def __init__(self, name: str, diary: str, seconds: float = 1.0, loss: float = 0.5) -> None:
        self.name, self.diary, self.seconds, self.loss = name, Path(diary), seconds, loss
        print("banner of a noisy package")  # must not get among the answers

    def round(self, size: int | None) -> Round:
        with self.diary.open("a") as diary:
            diary.write(self.name)
        return Round(self.seconds, self.seconds, 100.0, np.full((2, 3), self.loss, np.float32))


class Crashing(Noting):
    """Does one round, and is gone in the next."""

    def round(self, size: int | None) -> Round:
        done = super().round(size)
        if self.diary.read_text().count(self.name) > 1:
            os.write(2, b"out of luck\n")
            os._exit(3)
        return done


class Lonely(Contestant):
    """Needs a package that nobody has."""

    def __init__(self) -> None:
        import no_such_peer  # pyright: ignore[reportMissingImports]  # noqa: F401

    def round(self, size: int | None) -> Round:
        raise NotImplementedError


class Sized(Contestant):
    """Takes as many seconds as its size; one engine is missing."""

    def __init__(self, axis: str, engine: str) -> None:
        if engine == "missing":
            raise ImportError(engine)

    def round(self, size: int | None) -> Round:
        return Round(1.0, float(size or 0), 1.0)
