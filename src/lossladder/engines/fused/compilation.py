"""How the loop is compiled without making anybody wait for it in vain.

Compiling takes a while, once for each precision and version of this package, whatever the cell: the
result is kept by `store.py`. Loading it takes a quarter of a second.
"""

import hashlib
import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numba
import numpy as np
import torch
from numba import typeof
from numba.core import config
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from lossladder.engines.fused import store
from lossladder.engines.fused.loop import MemberState, Plan, Sizes, Windows, Work, train
from lossladder.models import Network

# seconds a run waits for another that compiles the same; then it does so too
_PATIENCE = 30.0
# of Numba's: a kernel that was slow or careful for once must not be found by every later run
_OPTIONS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")

# what the loop calls; how a cell's step is compiled is none of it
_SOURCES = ("loop", "readout", "products", "updates", "arithmetic", "instructions", "simd")

# held, because Python warns of a child process that is dropped while it runs: nobody waits for them
_COMPILERS: list[subprocess.Popen[bytes]] = []


class Variant(NamedTuple):
    """What the loop is compiled for.

    Args:
        dtype: precision, as NumPy calls it.
        targets: integers that hold the classes, as NumPy calls them.
    """

    dtype: str
    targets: str


def variant(network: Network) -> Variant:
    """Return what the loop must be compiled for to train a network."""
    double = next(network.parameters()).dtype == torch.float64
    few = network.output_size <= 256
    return Variant(
        dtype="float64" if double else "float32",
        targets="uint8" if few else "int64",
    )


def compiled(wanted: Variant) -> bool:
    """Return whether the kernel is in memory, or lies whole on disk."""
    signature = _signature(wanted)
    return signature in train.overloads or _KEPT.has(_key(signature))


def compile_now(wanted: Variant) -> None:
    """Load the kernel from disk, or compile it."""
    if compiled(wanted):
        train.compile(_signature(wanted))
        return
    # whether its turn came or not: a run goes on
    with store.turn(_key(_signature(wanted)), _PATIENCE):
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


class _Kept(NullCache):
    """What Numba asks for compiled code before it compiles, and hands what it has compiled."""

    def __init__(self) -> None:
        self._found: dict[str, bytes] = {}  # whole, and not loaded yet

    def has(self, key: str) -> bool:
        """Return whether there is code under a key, which is then read and checked but once."""
        content = self._found.get(key) or store.find(key)
        if content is not None:
            self._found[key] = content
        return content is not None

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the code kept for types of arguments; None: there is none."""
        key = _key(sig)
        if not self.has(key):
            return None
        target_context.refresh()
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(self._found.pop(key)))
        # as it was written, and still nothing that Numba can load
        except Exception:
            store.discard(key)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code compiled for types of arguments."""
        # addresses of this process mean nothing to others
        if not data.library.has_dynamic_globals:
            store.keep(_key(sig), dumps(data._reduce()))


# Numba's own cache trusts what it finds, in places that others may write to
train._cache = _KEPT = _Kept()


def _fingerprint() -> str:
    """Return a hash of all that the loop is compiled from."""
    sources = [Path(__file__).with_name(f"{name}.py") for name in _SOURCES]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


# now: what is imported is what is compiled, though the files may change before it is
_FINGERPRINT = _fingerprint()


def _key(signature: Any) -> str:
    """Return all that compiled code depends on."""
    code = train.targetctx.codegen().magic_tuple()
    versions = numba.__version__, llvmlite.__version__, sys.version
    options = [vars(config).get(name) for name in _OPTIONS]
    return repr((_FINGERPRINT, code, versions, options, signature))


@cache
def _signature(wanted: Variant) -> tuple[Any, ...]:
    """Return the types of the loop's arguments, taken from the smallest arguments there are."""
    dtype, targets = wanted
    sizes = Sizes(0, 1, 1, 0, 1, 1, 1, 1, begins=False)

    def numbers(axes: int) -> Any:
        return np.zeros((1,) * axes, dtype)

    index, whole = np.zeros(1, np.int32), np.zeros(1, np.int64)
    work = Work(
        rows=numbers(3),
        gates=numbers(3),
        temp=numbers(2),
        flat=numbers(1),
        logits=numbers(3),
        packed=numbers(1),
        gradient=numbers(1),
        scored=np.zeros(1, np.bool_),
        targets=numbers(2),
        values=numbers(3),
        weights=numbers(2),
        surprise=numbers(2),
        out=numbers(3),
        sums=numbers(1),
        out_sums=numbers(2),
        addresses=whole,
        where=0,
    )
    plan = Plan(
        *(index, index, numbers(1), index, index, numbers(1)),
        blocks=np.zeros((1, 6), np.int64),
        vectors=np.zeros((1, 3), np.int64),
        state_rows=whole,
        starts=whole,
        functions=whole,
    )
    windows = Windows(
        symbols=np.zeros((1, 1, 1), np.uint8),
        features=numbers(4),
        targets=np.zeros((1, 1, 1), targets),
        values=numbers(4),
        scored=np.zeros((1, 1, 1), np.bool_),
        codes=numbers(2),
        carried=True,
        fresh=True,
    )
    member = MemberState(
        parameters=numbers(1),
        fixed=numbers(1),
        memory=numbers(2),
        knobs=np.zeros(5),
        rates=np.zeros(1),
        steps=whole,
        state=numbers(2),
        losses=np.zeros(1),
        rule=0,
        largest=1.0,
    )
    return tuple(typeof(argument) for argument in (sizes, work, plan, windows, member))


def _main(words: list[str]) -> None:
    """Compile one variant, giving way to everything else; once, however many runs ask for it."""
    os.nice(19)
    signature = _signature(Variant(*words))
    with store.turn(_key(signature), patience=0) as came:
        if came:
            train.compile(signature)


if __name__ == "__main__":
    _main(sys.argv[1:])
