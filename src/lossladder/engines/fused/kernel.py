"""A network's compiled kernel: from its step to machine code, its tables and its working memory."""

import math
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lossladder.engines.fused import loop, machine_code
from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.emission import ARRAYS, FUNCTIONS, HANDED, emit
from lossladder.engines.fused.layout import LINE, WHOLE, lay_out, reads_features, up
from lossladder.engines.fused.processor import this_processor
from lossladder.engines.fused.readout import CROSS_ENTROPY, factors_to_a_logarithm
from lossladder.engines.fused.tracing import StepGraph
from lossladder.engines.fused.weights import map_weights

# sequences times steps in a slab: the best of 300 to 5000 measured
SLAB = 1200


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
        module = emit(self.layout, self.dtype == np.float64, processor)
        self.text, self.processor = module.text, processor
        self._tables = np.array(module.tables or [0], np.int64)
        self._behind = np.array(module.behind, self.dtype)
        self._flat_size = module.flat_size
        self._plan: loop.Plan | None = None
        self._sizes: dict[tuple[int, int], loop.Sizes] = {}

    @property
    def key(self) -> str:
        """Return all that its machine code depends on, by which it is kept."""
        return machine_code.store_key(self.text, self.processor)

    @cached_property
    def digest(self) -> str:
        """Return a hash of all that it goes by: its machine code and its tables."""
        w = self.weights
        tables = (*w.pack, *w.unpack, w.blocks, w.vectors, self._tables)
        whole = self.key.encode() + b"".join(table.tobytes() for table in tables)
        return sha256(whole).hexdigest()

    def load(self) -> loop.Plan:
        """Return the tables of the loop; compile or load the code, the first time."""
        if self._plan is None:
            w, dtype = self.weights, self.dtype
            # held, as long as its addresses are
            self._code = code = machine_code.load(self.text, self.processor, FUNCTIONS)
            to, of, by = w.pack
            back_to, back_of, back_by = w.unpack
            self._plan = loop.Plan(
                *(to, of, by.astype(dtype), back_to, back_of, back_by.astype(dtype)),
                blocks=w.blocks,
                vectors=w.vectors,
                state_rows=np.array(self.layout.state_rows, np.int64),
                starts=np.array(self.layout.starts, np.int64),
                functions=np.array(code.addresses, np.int64),
            )
        return self._plan

    def sizes(self, steps: int, batch: int) -> loop.Sizes:
        """Return what the loop must know of windows of this size."""
        if (steps, batch) not in self._sizes:
            self._sizes[steps, batch] = self._sizes_of(steps, batch)
        return self._sizes[steps, batch]

    def _sizes_of(self, steps: int, batch: int) -> loop.Sizes:
        layout, lines = self.layout, 1 + up(self.layout.hidden, 4)
        slab = slab_width(steps, batch)
        return loop.Sizes(
            codes=self.codes.count,
            hidden=layout.hidden,
            outputs=layout.outputs,
            loss=self.loss,
            together=factors_to_a_logarithm(layout.outputs),
            steps=steps,
            batch=batch,
            slab=slab,
            lanes=up(slab, this_processor().register),
            row_count=layout.allocated["rows"],
            gate_count=layout.allocated["gates"],
            temp_count=max(layout.temp, 1),
            fours=layout.allocated["logits"],
            lines=lines,
            learned=layout.learned,
            fixed_at=layout.fixed_at,
            fixed=layout.flat - layout.fixed_at,
            derived=len(layout.graph.derived) > 0,
            begins=any(start >= 0 for start in layout.starts),
        )

    def allocate(self, sizes: loop.Sizes) -> loop.Work:
        """Return working memory for windows of these sizes, all zero but for the row of ones."""
        weights, dtype = self.weights, self.dtype
        steps, lanes = sizes.steps, sizes.lanes
        packed, sums = aligned((weights.packed,), dtype), aligned((weights.sums,), dtype)
        flat = aligned((self._flat_size + len(self._behind),), dtype)
        flat[self._flat_size : self._flat_size + len(self._behind)] = self._behind
        out = packed[weights.out_at : weights.out_at + sizes.fours * sizes.lines]
        out_sums = sums[weights.out_sums_at : weights.out_sums_at + sizes.outputs * sizes.lines]
        real = self.loss != CROSS_ENTROPY
        work = loop.Work(
            rows=aligned((steps + 1, sizes.row_count, lanes), dtype),
            gates=aligned((steps, sizes.gate_count, lanes), dtype),
            temp=aligned((sizes.temp_count, lanes), dtype),
            flat=flat,
            logits=aligned((steps, sizes.fours, lanes), dtype),
            packed=packed,
            gradient=aligned((self._flat_size,), dtype),
            scored=np.zeros(steps, np.uint8),
            targets=aligned((steps, lanes), dtype),
            values=aligned((steps, sizes.outputs if real else 0, lanes), dtype),
            weights=aligned((steps, lanes), dtype),
            surprise=aligned((2, lanes), dtype),
            out=out,
            sums=sums,
            out_sums=out_sums,
            handed=np.zeros(len(HANDED), np.int64),
        )
        work.rows[:, 0] = 1
        named = {**work._asdict(), "weights": work.packed, "tables": self._tables}
        # the width is the loop's to say
        work.handed[:-1] = [*(named[name].ctypes.data for name in ARRAYS), steps, lanes]
        return work


def slab_width(steps: int, batch: int) -> int:
    """Return how many sequences are computed side by side, no more than needed."""
    # slabs of one width, so that the last is not a narrow rest
    processor = this_processor()
    slabs = -(-batch // max(2 * processor.register, SLAB // steps))
    return up(-(-batch // slabs), processor.fewest)


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Return zeros that start on a cache line, with room behind them."""
    # a vector that straddles two lines costs two loads; the last of an array may reach beyond it
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.zeros(size + LINE + 8 * WHOLE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)
