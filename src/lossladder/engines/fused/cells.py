"""The three cells as one: which of them runs is chosen when the kernel is compiled."""

from typing import Any

from numba.extending import overload

from lossladder.engines.fused import gru, lstm, rnn
from lossladder.engines.fused.simd import Constant
from lossladder.engines.fused.workspace import GRU, LSTM, RNN

CELLS = {cell: Constant(cell) for cell in (RNN, LSTM, GRU)}


def forward(cell: Any, sizes: Any, work: Any, width: int) -> None:
    """The hidden units of every step of a window."""
    raise NotImplementedError("compiled code only")


def backward(cell: Any, sizes: Any, work: Any, width: int) -> None:
    """The gradient of the recurrent weights, from the derivatives of the logits."""
    raise NotImplementedError("compiled code only")


def _by_cell(promise: Any, passes: dict[int, Any]) -> None:
    @overload(promise, strict=False, inline="always")
    def chosen(cell: Any, sizes: Any, work: Any, width: Any) -> Any:
        run = passes[cell.value]
        return lambda cell, sizes, work, width: run(sizes, work, width)


_by_cell(forward, {RNN: rnn.forward, LSTM: lstm.forward, GRU: gru.forward})
_by_cell(backward, {RNN: rnn.backward, LSTM: lstm.backward, GRU: gru.backward})
