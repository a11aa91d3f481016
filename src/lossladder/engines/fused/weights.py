"""Between parameters as torch has them and weights as the loops read them.

Each is a list of (to, of, by): target[to] += by * source[of]. The way there packs the weights of
every loop in the order in which it reads them; the way back unpacks sums of products, which are the
gradients of weights, and so the same list backwards.

Two things are rewritten, so that less is computed:
* Inputs are `base + code @ directions` (`codes.py`), so what they add to a sum is
  x W + b = code @ (directions W) + (b + base W).
* Of a cross entropy only differences between logits matter: class 0 has logit 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossladder.engines.fused.graph import Node, Weight, places
from lossladder.engines.fused.layout import OUT, Layout, up
from lossladder.engines.fused.loops import Loop, SumBatch

Map = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]
# places in some vector, and what each is multiplied by
_Sources = list[tuple[NDArray[np.int64], float]]


@dataclass
class Weights:
    """The maps, and what they lead to.

    Args:
        pack: from `flat` to packed weights; `unpack`: from sums of products to the gradient.
        packed, sums: numbers in the two vectors.
        out_at, out_sums_at: where the readout's begin in them.
        blocks: of sums of products: rows from, to, columns from, to, where, how far lines lie
            apart.
        vectors: rows of `temp` to be summed: row, count, where.
    """

    pack: Map
    unpack: Map
    packed: int
    sums: int
    out_at: int
    out_sums_at: int
    blocks: NDArray[np.int64]
    vectors: NDArray[np.int64]


def map_weights(layout: Layout) -> Weights:
    """Return the maps of a layout, and set where each batch of sums has its weights."""
    pack, unpack = _Entries(), _Entries()
    mapper = _Mapper(layout)
    at = 0
    for loop in (*layout.forward, *layout.backward, *layout.begin):
        for batch in loop.batches:
            at = mapper.pack(loop, batch, at, pack)
    layout.packed = out_at = up(at, 16)
    fours, lines = up(layout.outputs, 4) // 4, 1 + up(layout.hidden, 4)
    mapper.pack_readout(out_at, lines, pack)
    blocks, sums = mapper.unpack_blocks(unpack)
    vectors = []
    for (base, picked), row in layout.vectors:
        to = layout.offsets[base] + np.array(picked)
        unpack.add(to, sums + np.arange(len(picked)), 1.0)
        vectors.append((row, len(picked), sums))
        sums += len(picked)
    out_sums_at = up(sums, 16)
    mapper.unpack_readout(out_sums_at, lines, unpack)
    return Weights(
        pack.columns(),
        unpack.columns(),
        packed=out_at + fours * lines * 4,
        sums=out_sums_at + layout.outputs * lines + 16,
        out_at=out_at,
        out_sums_at=out_sums_at,
        blocks=np.array(blocks, np.int64).reshape(-1, 6),
        vectors=np.array(vectors, np.int64).reshape(-1, 3),
    )


class _Entries:
    """A map under construction."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def add(self, to: Any, of: Any, by: float) -> None:
        """Add entries; shapes are broadcast."""
        if by != 0:
            to, of, by_ = np.broadcast_arrays(to, of, by)
            self._parts.append((to.ravel(), of.ravel(), by_.ravel()))

    def columns(self) -> Map:
        """Return the map."""
        empty = (np.zeros(0), np.zeros(0), np.zeros(0))
        to, of, by = map(np.concatenate, zip(empty, *self._parts, strict=True))
        return to.astype(np.int32), of.astype(np.int32), by.astype(np.float64)


class _Mapper:
    """Knows where weights come from.

    Args:
        layout: says where parameters and columns are.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.codes = layout, layout.codes
        self.input = layout.input
        base, offset, shape, strides = layout.graph.weight
        self.readout = places(shape, strides, layout.offsets[base] + offset)  # (hidden, outputs)
        self.biases = [
            layout.offsets[base] + np.array(picked) for base, picked in layout.graph.biases
        ]

    def sources(self, weight: Weight) -> _Sources:
        """Return where the numbers of a matrix (in, out) come from."""
        base, offset, shape, strides = weight
        if base == OUT:  # from outputs back to what is read
            of = self.readout[offset : offset + shape[1]].T
            if not self.layout.relative:
                return [(of, 1.0)]
            return [(of[1:], 1.0), (np.broadcast_to(of[:1], of[1:].shape), -1.0)]
        return [(places(shape, strides, self.layout.offsets[base] + offset), 1.0)]

    def constants(self, operand: Node, weight: Weight) -> _Sources:
        """Return what an operand adds to a sum whatever its value: base W."""
        if operand is not self.input:
            return []
        found = self.sources(weight)
        lines = np.flatnonzero(self.codes.base)
        return [(of[i], by * float(self.codes.base[i])) for i in lines for of, by in found]

    def lines(self, operand: Node, weight: Weight) -> list[tuple[Any, _Sources]]:
        """Return the weights of rows of an operand, with the number of the row or of all rows."""
        found = self.sources(weight)
        if operand is not self.input:
            return [(np.arange(len(of))[:, None], [(of, by)]) for of, by in found]
        directions = self.codes.directions
        return [
            (c, [(of[i], by * float(directions[c, i])) for of, by in found])
            for c in range(len(directions))
            for i in np.flatnonzero(directions[c])
        ]

    def pack(self, loop: Loop, batch: SumBatch, at: int, entries: _Entries) -> int:
        """Lay out the weights of a batch of sums from `at`; return where they end."""
        unroll, count = loop.unroll, len(batch.sums)
        batch.weights = at
        batch.stride = unroll * (count + sum(s.count * len(s.sums) for s in batch.segments))
        group, lane = np.divmod(np.arange(loop.size), unroll)
        start = at + group * batch.stride + lane
        for s, affine in enumerate(batch.sums):
            place = start + s * unroll
            for base, picked in affine.attr[1]:
                entries.add(place, self.layout.offsets[base] + np.array(picked), 1.0)
            for operand, weight in zip(affine.inputs, affine.attr[0], strict=True):
                for of, by in self.constants(operand, weight):
                    entries.add(place, of, by)
        here = start + count * unroll
        for segment in batch.segments:
            width = len(segment.sums) * unroll
            for operand, first in segment.parts:
                for p, s in enumerate(segment.sums):
                    for mine, weight in zip(
                        batch.sums[s].inputs, batch.sums[s].attr[0], strict=True
                    ):
                        for row, sources in self.lines(mine, weight) if mine is operand else ():
                            for of, by in sources:
                                entries.add(here + (first + row) * width + p * unroll, of, by)
            here = here + segment.count * width
        return up(at + -(-loop.size // unroll) * batch.stride, 4)

    def pack_readout(self, at: int, lines: int, entries: _Entries) -> None:
        """Lay out the readout's weights, four outputs at a time, each after its constant."""
        for c in range(self.layout.outputs):
            here = at + (c // 4) * lines * 4 + c % 4
            for line, of, by in self._of_output(c):
                entries.add(here + line * 4, of, by)

    def unpack_readout(self, at: int, lines: int, entries: _Entries) -> None:
        """Take the readout's gradients from sums, an output after the other."""
        for c in range(self.layout.outputs):
            for line, of, by in self._of_output(c):
                entries.add(of, at + c * lines + line, by)

    def _of_output(self, c: int) -> list[tuple[Any, NDArray[np.int64], float]]:
        """Return (line, sources, factor) of an output: line 0 is its constant."""
        lines = 1 + np.arange(self.layout.hidden)
        relative = self.layout.relative
        found = [(lines, self.readout[:, c + relative], 1.0)]
        found += [(0, bias[c + relative :][:1], 1.0) for bias in self.biases]
        if relative:
            found += [(lines, self.readout[:, 0], -1.0)]
            found += [(0, bias[:1], -1.0) for bias in self.biases]
        return found

    def unpack_blocks(self, entries: _Entries) -> tuple[list[tuple[int, ...]], int]:
        """Return products of rows and columns to be summed; take gradients from the sums."""
        layout, blocks, at = self.layout, [], 0
        groups: list[list[Node]] = []
        for affine in sorted(layout.columns, key=lambda a: layout.columns[a]):
            if groups and layout.hulls[groups[-1][-1]] == layout.hulls[affine]:
                groups[-1].append(affine)
            else:
                groups.append([affine])
        for group in groups:
            first, end = layout.columns[group[0]], layout.columns[group[-1]] + group[-1].size
            stride = up(end - first, 4)
            for start, stop in layout.hulls[group[0]]:
                blocks.append((start, stop, first, end, at, stride))
                for affine in group:
                    column = at + layout.columns[affine] - first
                    self._unpack(affine, start, stop, column, stride, entries)
                at += up(stop - start, 3) * stride
        return blocks, at

    def _unpack(
        self, affine: Node, start: int, stop: int, at: int, stride: int, entries: _Entries
    ) -> None:
        here = at + np.arange(affine.size)
        for base, picked in affine.attr[1] if start == 0 else ():
            entries.add(self.layout.offsets[base] + np.array(picked), here, 1.0)
        for operand, weight in zip(affine.inputs, affine.attr[0], strict=True):
            for of, by in self.constants(operand, weight) if start == 0 else ():
                entries.add(of, here, by)
            row = self.layout.places[1][operand][2]
            if start <= row < stop:
                for line, sources in self.lines(operand, weight):
                    for of, by in sources:
                        entries.add(of, here + (row - start + line) * stride, by)
