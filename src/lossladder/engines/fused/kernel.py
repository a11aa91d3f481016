"""A network's compiled kernel: from its step to machine code, its tables and its working memory."""

import llvmlite
import numpy as np
from numpy.typing import DTypeLike, NDArray

from lossladder.engines.fused import loop, store
from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.emission import ARRAYS, Emitter
from lossladder.engines.fused.layout import lay_out, reads_features, up
from lossladder.engines.fused.machine_code import MachineCode, compile_module
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.readout import CROSS_ENTROPY
from lossladder.engines.fused.simd import REGISTER
from lossladder.engines.fused.tracing import StepGraph
from lossladder.engines.fused.weights import map_weights

# sequences times steps in a slab: the best of 300 to 5000 measured
SLAB = 1200

_LOADED: dict[str, MachineCode] = {}


class Kernel:
    """A step in compiled form, for one way to tell inputs apart.

    Args:
        graph: of the step.
        codes: how inputs are told apart.
        names: of the parameters that are trained.
        loss: which, as in `readout.py`.
        dtype: float32 or float64.
    """

    def __init__(
        self,
        graph: StepGraph,
        codes: Codes,
        names: list[str],
        loss: int,
        dtype: DTypeLike,
    ) -> None:
        self.codes = codes.as_features() if reads_features(graph) else codes
        self.dtype, self.loss = np.dtype(dtype), loss
        (_, _, (_, outputs), _) = graph.weight
        relative = loss == CROSS_ENTROPY
        self.layout = lay_out(graph, self.codes, outputs, relative, names)
        self.weights = map_weights(self.layout)
        processor = this_processor()
        emitter = Emitter(self.layout, self.dtype == np.float64, processor)
        self.text = emitter.write()
        self.key = repr((self.text, processor, llvmlite.__version__))
        self._tables = np.array(emitter.tables or [0], np.int64)
        self._behind = np.array(emitter.behind, self.dtype)
        self._flat_size = emitter.flat_size
        self._plan: loop.Plan | None = None

    @property
    def kept(self) -> bool:
        """Return whether its machine code is loaded, or lies whole on disk."""
        return self.key in _LOADED or store.find(self.key) is not None

    def load(self) -> loop.Plan:
        """Return the tables of the loop; compile or load the code, the first time."""
        if self._plan is None:
            w, dtype = self.weights, self.dtype
            to, of, by = w.pack
            back_to, back_of, back_by = w.unpack
            self._plan = loop.Plan(
                *(to, of, by.astype(dtype), back_to, back_of, back_by.astype(dtype)),
                blocks=w.blocks,
                vectors=w.vectors,
                state_rows=np.array(self.layout.state_rows, np.int64),
                starts=np.array(self.layout.starts, np.int64),
                functions=np.array(_load(self.key, self.text).addresses, np.int64),
            )
        return self._plan

    def sizes(self, steps: int, batch: int) -> loop.Sizes:
        """Return what the loop must know of windows of this size."""
        layout = self.layout
        return loop.Sizes(
            codes=self.codes.count,
            hidden=layout.hidden,
            outputs=layout.outputs,
            loss=self.loss,
            steps=steps,
            batch=batch,
            learned=layout.learned,
            derived=layout.flat,
            begins=any(start >= 0 for start in layout.starts),
        )

    def allocate(self, sizes: loop.Sizes, targets: DTypeLike) -> loop.Work:
        """Return working memory, all zero but for the row of ones.

        Args:
            sizes: of the windows.
            targets: type of the classes.
        """
        layout, weights, dtype = self.layout, self.weights, self.dtype
        steps, width = sizes.steps, slab_width(sizes)
        lines = 1 + up(layout.hidden, 4)
        fours = up(layout.outputs, 4)
        packed = aligned((weights.packed + 64,), dtype)
        sums = aligned((weights.sums,), dtype)
        # passes read whole registers, so that the last numbers need some room behind them
        whole = aligned((self._flat_size + len(self._behind) + 64,), dtype)
        flat = whole[: self._flat_size + len(self._behind)]
        flat[self._flat_size :] = self._behind
        addresses = np.zeros(len(ARRAYS) + 2, np.int64)
        readout = packed[weights.out_at : weights.out_at + fours * lines]
        out_sums = sums[weights.out_sums_at : weights.out_sums_at + layout.outputs * lines]
        real = self.loss != CROSS_ENTROPY
        work = loop.Work(
            rows=aligned((steps + 1, layout.rows + 3, width), dtype),
            gates=aligned((steps, layout.gates + 3, width), dtype),
            temp=aligned((max(layout.temp, 1), width), dtype),
            flat=flat,
            logits=aligned((steps, fours, width), dtype),
            packed=packed,
            gradient=aligned((self._flat_size,), dtype),
            scored=np.ones(steps, np.bool_),
            targets=aligned((steps, width), dtype),
            values=aligned((steps, layout.outputs if real else 0, width), dtype),
            weights=aligned((steps, width), dtype),
            surprise=aligned((3, width), dtype),
            out=readout.reshape(fours // 4, lines, 4),
            sums=sums,
            out_sums=out_sums.reshape(layout.outputs, lines),
            addresses=addresses,
            where=addresses.ctypes.data,
        )
        work.rows[:, 0] = 1
        named = {**work._asdict(), "weights": work.packed, "tables": self._tables}
        addresses[:] = [*(named[name].ctypes.data for name in ARRAYS), steps, width]
        return work


def _load(key: str, text: str) -> MachineCode:
    """Return machine code: from memory, from disk, or compiled."""
    if key not in _LOADED:
        processor = this_processor()
        if (content := store.find(key)) is not None:
            try:
                _LOADED[key] = MachineCode(content, processor)
                return _LOADED[key]
            except RuntimeError:  # as it was written, and still nothing that LLVM can load
                store.discard(key)
        content = compile_module(text, processor)
        _LOADED[key] = MachineCode(content, processor)
        store.keep(key, content)
    return _LOADED[key]


def slab_width(sizes: loop.Sizes) -> int:
    """Return how many sequences are computed side by side: whole registers, no more than needed."""
    # slabs of one width, so that the last is not a narrow rest
    most = max(2 * REGISTER, SLAB // sizes.steps)
    slabs = -(-sizes.batch // most)
    return up(-(-sizes.batch // slabs), REGISTER)


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Return zeros that start on a cache line."""
    # a vector that straddles two lines costs two loads
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)
