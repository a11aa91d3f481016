"""The random numbers of a network's own: their state in checkpoints, and apart from measuring.

What this library draws comes from generators that depend on seed and update. A network may draw
from torch, NumPy or Python all the same, as dropout does.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator

# the state behind the functions of np.random, from which a network may draw
_NUMPY: Any = np.random


def random_state() -> dict[str, Any]:
    """Return the state of every global generator, as a checkpoint may hold it."""
    _, keys, place, has_gauss, gauss = _NUMPY.get_state()
    version, numbers, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        # a NumPy array is none of the plain values that a checkpoint is loaded with
        "numpy": [torch.from_numpy(np.array(keys, np.int64)), place, has_gauss, gauss],
        "python": [version, torch.tensor(numbers), next_gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Take up what `random_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
    keys, place, has_gauss, gauss = state["numpy"]
    _NUMPY.set_state(("MT19937", keys.numpy().astype(np.uint32), place, has_gauss, gauss))
    version, numbers, next_gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), next_gauss))


@contextmanager
def random_numbers_of(generator: Generator) -> Iterator[None]:
    """Let a network draw from this seed meanwhile; training then goes on as if nothing had been.

    Whoever measures often does not train another network, and measures the same twice.
    """
    seed = generator.initial_seed()
    of_numpy, of_python = _NUMPY.get_state(), random.getstate()
    _NUMPY.seed(seed % 2**32)
    random.seed(seed)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            _NUMPY.set_state(of_numpy)
            random.setstate(of_python)
