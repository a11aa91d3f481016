"""tanh as the compiled engine computes it, alone: how fast the vector units can go."""

import ctypes
from collections.abc import Callable

import torch
from llvmlite import ir

from lossladder.engines.fused.machine_code import load_function
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.writer import Writer

REPEATS = 100  # in one call: calling from Python costs as much as the work


def tanh(x: torch.Tensor, out: torch.Tensor) -> Callable[[], None]:
    """Return a call that writes the tanh of every number, float32, again and again."""
    processor = this_processor()
    module = ir.Module("tanh")
    module.triple = processor.triple
    w = Writer(module, "tanh", double=False, processor=processor, arguments=("x", "out", "count"))
    given, result = w.array("x"), w.array("out")
    with w.range(REPEATS):
        w.spans(
            w["count"],
            lambda i, width: result.store(i, given.load(i, width).of("tanh"), width),
        )
    w.close()
    call, _ = load_function(str(module), processor, "tanh")
    arguments = (ctypes.c_int64 * 3)(x.data_ptr(), out.data_ptr(), len(x))
    return lambda: call(ctypes.addressof(arguments))
