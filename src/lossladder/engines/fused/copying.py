"""Between torch's memory and the loop's: a network's many small tensors, copied in one call.

One by one, from Python, they would take a tenth as long as a small network's chunk.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from lossladder.engines.fused.machine_code import MachineCode, load_function
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.writer import Array, Writer


class Copying:
    """Copies of pieces of memory.

    Args:
        pieces: (pieces, 3): an address, another, and how many times four bytes lie there.
    """

    def __init__(self, pieces: NDArray[np.int64]) -> None:
        self._pieces = pieces  # held, as its address is
        self._function, _ = _compiled()
        self._there, self._back = self._arguments(0), self._arguments(1)

    def _arguments(self, back: int) -> Any:
        return (ctypes.c_int64 * 3)(self._pieces.ctypes.data, len(self._pieces), back)

    def there(self) -> None:
        """Copy from the first addresses to the second ones."""
        self._function(self._there)

    def back(self) -> None:
        """Copy from the second addresses to the first ones."""
        self._function(self._back)


@cache
def _compiled() -> tuple[Callable[[Any], None], MachineCode]:
    """Return the function as Python can call it, and what holds its code in memory."""
    processor = this_processor()
    module = ir.Module("copying")
    module.triple = processor.triple
    w = Writer(
        module, "copy", double=False, processor=processor, arguments=("pieces", "count", "back")
    )
    pieces = w.array("pieces", 3, bytes_=8)
    back = w["back"].is_(1)
    with w.range(w["count"]) as k:
        addresses = pieces[k, 0], pieces[k, 1]
        source, target = (
            Array(w, w.pointer(w.chosen(back, *pair))) for pair in (addresses[::-1], addresses)
        )
        w.spans(pieces[k, 2], lambda i, n: target.store(i, source.load(i, n), n))
    w.close()
    return load_function(str(module), processor, "copy")
