"""The few numbers that tell the inputs of a step apart.

The network sees features; the kernel multiplies weights with codes, and always

    features = base + code @ directions

With real inputs, or fewer features than symbols, the code is the features themselves. With one-hot
symbols the code is one-hot without the first symbol, whose code is zero: two symbols need one
number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Codes(NamedTuple):
    """How the inputs of a step are told apart; see the module.

    Args:
        table: code of each symbol (symbols, codes); empty for real inputs.
        base: features of the code zero (inputs,).
        directions: what each number of the code adds to them (codes, inputs).
    """

    table: NDArray
    base: NDArray
    directions: NDArray

    @property
    def count(self) -> int:
        """Return how many numbers a code has."""
        return self.table.shape[1]

    def as_features(self) -> "Codes":
        """Return codes that are the features themselves, for a step that reads them."""
        inputs = self.base.size
        table = np.ascontiguousarray(self.base + self.table @ self.directions)
        return code_features(inputs, self.base.dtype)._replace(table=table)


def code_symbols(encoding: NDArray) -> Codes:
    """Return codes for symbols that the network sees as the lines of `encoding` (symbols, inputs).

    >>> codes = code_symbols(np.eye(2))
    >>> codes.table.ravel().tolist(), codes.base.tolist(), codes.directions.tolist()
    ([0.0, 1.0], [1.0, 0.0], [[-1.0, 1.0]])
    """
    symbols, inputs = encoding.shape
    if inputs < symbols:
        return code_features(inputs, encoding.dtype)._replace(table=np.ascontiguousarray(encoding))
    others = np.ascontiguousarray(np.eye(symbols, dtype=encoding.dtype)[:, 1:])
    return Codes(others, encoding[0].copy(), np.ascontiguousarray(encoding[1:] - encoding[0]))


def code_features(inputs: int, dtype: DTypeLike) -> Codes:
    """Return codes for real inputs, which are the features themselves."""
    return Codes(np.zeros((0, inputs), dtype), np.zeros(inputs, dtype), np.eye(inputs, dtype=dtype))
