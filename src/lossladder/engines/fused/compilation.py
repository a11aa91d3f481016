"""How the kernel is compiled without making anybody wait for it in vain.

Compiling takes a while, once for each cell, precision and version of this package: Numba keeps the
result on disk, beside the package or, where that may not be written, in the user's cache folder
(NUMBA_CACHE_DIR chooses another). Loading it takes a quarter of a second.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import typeof

from lossladder.engines.fused.cells import CELLS
from lossladder.engines.fused.kernel import MemberState, Windows, train
from lossladder.engines.fused.torch_interop import KINDS, code_features
from lossladder.engines.fused.workspace import Sizes, allocate
from lossladder.models import Network

# held, because Python warns of a child process that is dropped while it runs: nobody waits for them
_COMPILERS: list[subprocess.Popen[bytes]] = []


class Variant(NamedTuple):
    """What the kernel is compiled for.

    Args:
        cell: RNN, LSTM or GRU of `workspace.py`.
        dtype: precision, as NumPy calls it.
        targets: integers that hold the classes, as NumPy calls them.
    """

    cell: int
    dtype: str
    targets: str


def variant(network: Network) -> Variant:
    """Return what the kernel must be compiled for to train a network."""
    double = next(network.parameters()).dtype == torch.float64
    few = network.readout.out_features <= 256
    return Variant(
        cell=KINDS[type(network.recurrent)],
        dtype="float64" if double else "float32",
        targets="uint8" if few else "int64",
    )


def compiled(wanted: Variant) -> bool:
    """Return whether the kernel is in memory or on disk; False where that is unsure."""
    signature = _signature(wanted)
    if signature in train.overloads:
        return True
    # Numba has no public way to ask. A wrong no costs a compilation; a wrong yes would cost a
    # user the wait for one, unannounced.
    try:
        cache = train._cache
        key = cache._index_key(signature, train.targetctx.codegen())
        return key in cache._cache_file._load_index()
    # a damaged index, or one that another version of this package left
    except Exception:
        return False


def compile_now(wanted: Variant) -> None:
    """Load the kernel from disk, or compile it."""
    try:
        train.compile(_signature(wanted))
    # what lies on disk cannot be read: it is forgotten, and compiled anew
    except Exception:
        train._cache.flush()
        train.compile(_signature(wanted))


def compile_for_later(wanted: Variant) -> None:
    """Compile the kernel for the next run, in a process that gives way to everything else.

    In the run's own process the compiler, which is written in Python, would take turns with it.
    """
    compiling = subprocess.Popen(
        [sys.executable, "-m", __name__, *map(str, wanted)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # it outlives the run, and a Ctrl-C that ends the run
        start_new_session=True,
    )
    _COMPILERS.append(compiling)


def _signature(wanted: Variant) -> tuple[Any, ...]:
    """Return the types of the kernel's arguments, taken from the smallest arguments there are."""
    # taken from real arguments, so that they cannot differ from those of a call
    cell, dtype, targets = wanted
    sizes = Sizes(cell=cell, inputs=1, codes=1, hidden=1, classes=2, biases=1, steps=1, batch=1)
    codes = code_features(1, dtype)
    windows = Windows(
        symbols=np.zeros((1, 1, 1), np.uint8),
        features=np.zeros((1, 1, 1, 1), dtype),
        targets=np.zeros((1, 1, 1), targets),
        scored=np.zeros((1, 1, 1), np.bool_),
        codes=codes.table,
        base=codes.base,
        directions=codes.directions,
        carried=True,
    )
    learner = MemberState(
        parameters=np.zeros(1, dtype),
        memory=np.zeros((1, 1), dtype),
        knobs=np.zeros(4),
        steps=np.zeros(1, np.int64),
        state=np.zeros((1, 1, 1), dtype),
        losses=np.zeros(1),
        rule=0,
        largest=1.0,
    )
    arguments = (CELLS[cell], sizes, allocate(sizes, dtype), windows, learner)
    return tuple(typeof(argument) for argument in arguments)


def _main(words: list[str]) -> None:
    """Compile one variant, giving way to everything else; once, however many runs ask for it."""
    # not on Windows, where each run compiles for itself
    from fcntl import LOCK_EX, LOCK_NB, flock

    os.nice(19)
    # the system lets go of a lock when its process ends, however it ends
    with (Path(gettempdir()) / f"lossladder-{'-'.join(words)}.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            return  # another process is at it
        compile_now(Variant(int(words[0]), *words[1:]))


if __name__ == "__main__":
    _main(sys.argv[1:])
