"""What this core can do at all: arithmetic at the peak of matrix products, and vector tanh.

Each probe takes the fastest way it can find here, so that the floor built from them is a hard one.
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.contestant import Clock, Contestant, Round
from benchmarks.ours.polynomial import REPEATS, tanh

_REPEATS = 5


class Probe(Contestant):
    """A contestant that does some work again and again, in the way that proved fastest."""

    work: float  # of one call

    def __init__(self) -> None:
        torch.set_num_threads(1)
        ways = self.ways()
        self.name = min(ways, key=lambda name: _seconds(ways[name]) / self.works[name])
        self.call, self.work = ways[self.name], self.works[self.name]

    works: dict[str, float]

    def ways(self) -> dict[str, Callable[[], object]]:
        """Return the candidates by name; `works` says how much each of them does."""
        raise NotImplementedError

    def round(self, size: int | None) -> Round:
        """Make a few calls."""
        with Clock() as clock:
            for _ in range(_REPEATS):
                self.call()
        return Round(clock.wall, clock.cpu, _REPEATS * self.work)


class Gemm(Probe):
    """float32 matrix products; work in floating-point operations."""

    def ways(self) -> dict[str, Callable[[], object]]:
        """Return NumPy's and torch's, in a few sizes."""
        ways: dict[str, Callable[[], object]] = {}
        self.works = {}
        for size in (128, 256, 512, 1024):
            a, b = (torch.rand(size, size) for _ in range(2))
            out = torch.empty(size, size)
            x, y, z = a.numpy(), b.numpy(), out.numpy()
            ways[f"torch {size}"] = lambda a=a, b=b, out=out: torch.mm(a, b, out=out)
            ways[f"numpy {size}"] = lambda x=x, y=y, z=z: np.matmul(x, y, out=z)
            self.works |= {f"torch {size}": 2.0 * size**3, f"numpy {size}": 2.0 * size**3}
        return ways


class Tanh(Probe):
    """float32 tanh of numbers in the first-level cache; work in values."""

    def ways(self) -> dict[str, Callable[[], object]]:
        """Return NumPy's, torch's, and the compiled engine's polynomials."""
        x = torch.linspace(-4, 4, 2000)
        out = torch.empty_like(x)
        self.works = {
            "torch": float(len(x)),
            "numpy": float(len(x)),
            "polynomial": float(REPEATS * len(x)),
        }
        return {
            "torch": lambda: torch.tanh(x, out=out),
            "numpy": lambda: np.tanh(x.numpy(), out=out.numpy()),
            "polynomial": tanh(x, out),
        }


def _seconds(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few calls."""
    call()
    best = float("inf")
    for _ in range(20):
        since = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - since)
    return best
