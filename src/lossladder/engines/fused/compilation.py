"""Getting the kernel compiled without making anybody wait for it in vain.

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
from lossladder.engines.fused.torch_interop import CELLS as KINDS
from lossladder.engines.fused.torch_interop import code_features
from lossladder.engines.fused.workspace import Sizes, allocate
from lossladder.models import Network

_COMPILERS: list[subprocess.Popen[bytes]] = []  # held: nobody waits for them


class Variant(NamedTuple):
    """What the kernel is compiled for.

    Args:
        cell: which one.
        dtype: precision.
        targets: integers that hold the classes.
    """

    cell: int
    dtype: str
    targets: str


def variant(network: Network) -> Variant:
    """What a network needs the kernel to be compiled for."""
    double = next(network.parameters()).dtype == torch.float64
    few = network.readout.out_features <= 256
    return Variant(
        cell=KINDS[type(network.recurrent)],
        dtype="float64" if double else "float32",
        targets="uint8" if few else "int64",
    )


def compiled(wanted: Variant) -> bool:
    """Whether the kernel is in memory or on disk. Numba has no public way to ask: unsure is no."""
    signature = _signature(wanted)
    if signature in train.overloads:
        return True
    try:
        cache = train._cache
        key = cache._index_key(signature, train.targetctx.codegen())
        return key in cache._cache_file._load_index()
    except Exception:  # a damaged index, or one that another version of this package left
        return False


def compile_now(wanted: Variant) -> None:
    """Load the kernel from disk, or compile it."""
    try:
        train.compile(_signature(wanted))
    except Exception:  # what lies on disk cannot be read: it is forgotten, and compiled anew
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
        start_new_session=True,  # it outlives the run, and a Ctrl-C that ends the run
    )
    _COMPILERS.append(compiling)


def _signature(wanted: Variant) -> tuple[Any, ...]:
    """The types of the kernel's arguments, taken from the smallest arguments there are."""
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
    from fcntl import LOCK_EX, LOCK_NB, flock  # not on Windows, where each run compiles for itself

    os.nice(19)
    with (Path(gettempdir()) / f"lossladder-{'-'.join(words)}.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except OSError:
            return  # another process is at it
        compile_now(Variant(int(words[0]), *words[1:]))


if __name__ == "__main__":
    _main(sys.argv[1:])
