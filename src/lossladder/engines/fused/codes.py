"""How few numbers tell the inputs of a step apart.

The network sees features; the kernel multiplies weights with codes. Always

    features = base + code @ directions

With real inputs, or fewer features than symbols, the code is the features themselves. With one-hot
symbols the code is one-hot without the first symbol, which is nothing: two symbols need one number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Codes(NamedTuple):
    """See the module.

    Args:
        table: code of each symbol (symbols, codes); empty for real inputs.
        base: (inputs,).
        directions: (codes, inputs).
    """

    table: NDArray
    base: NDArray
    directions: NDArray


def code_symbols(encoding: NDArray) -> Codes:
    """For symbols that the network sees as the lines of `encoding` (symbols, inputs).

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
    """For real inputs: the code is the features."""
    return Codes(np.zeros((0, inputs), dtype), np.zeros(inputs, dtype), np.eye(inputs, dtype=dtype))
