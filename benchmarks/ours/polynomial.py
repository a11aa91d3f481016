"""tanh as a ratio of two polynomials, compiled: how fast the vector units can go."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

REPEATS = 100  # in one call: calling from Python costs as much as the work


@njit(fastmath=True, error_model="numpy", cache=True)
def tanh(x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write the tanh of every number, to float32 precision on [-8.2, 8.2], again and again."""
    f = np.float32
    for _ in range(REPEATS):
        for i in range(x.size):
            v = min(max(x[i], f(-8.2)), f(8.2))
            s = v * v
            p = f(1.110280327e-5) * s + f(2.919356828e-3)
            p = p * s + f(1.289537035e-1)
            p = p * s + f(9.999992177e-1)
            q = f(2.358115844e-7) * s + f(2.342943737e-4)
            q = q * s + f(2.368377652e-2)
            q = q * s + f(4.622842017e-1)
            q = q * s + f(1.0)
            out[i] = v * p / q
