"""The gradients of weights: sums over steps and sequences of rows times columns.

Three rows by four columns are taken at once: with 12 sums under way, 7 loads serve 12
multiplications, and several additions are under way while one waits for the one before.
"""

from typing import Any

from lossladder.engines.fused.arithmetic import compiled
from lossladder.engines.fused.simd import NARROW, REGISTER, load, total, zeros


@compiled
def add_products(sums: Any, rows: Any, gates: Any, block: Any, steps: int, width: int) -> None:
    """Add a block of products to `sums`.

    `block` is: rows from, to, columns from, to, where in `sums`, and how far its lines lie apart.
    """
    stride = block[5]
    for j in range(block[2], block[3], 4):
        for k in range(block[0], block[1], 3):
            a0 = a1 = a2 = a3 = zeros(rows, NARROW)
            b0 = b1 = b2 = b3 = zeros(rows, NARROW)
            c0 = c1 = c2 = c3 = zeros(rows, NARROW)
            for t in range(steps):
                for i in range(0, width, REGISTER):
                    a = load(rows, (t, k, i), NARROW)
                    b = load(rows, (t, k + 1, i), NARROW)
                    c = load(rows, (t, k + 2, i), NARROW)
                    g = load(gates, (t, j, i), NARROW)
                    a0 += a * g
                    b0 += b * g
                    c0 += c * g
                    g = load(gates, (t, j + 1, i), NARROW)
                    a1 += a * g
                    b1 += b * g
                    c1 += c * g
                    g = load(gates, (t, j + 2, i), NARROW)
                    a2 += a * g
                    b2 += b * g
                    c2 += c * g
                    g = load(gates, (t, j + 3, i), NARROW)
                    a3 += a * g
                    b3 += b * g
                    c3 += c * g
            here = block[4] + (k - block[0]) * stride + j - block[2]
            sums[here] += total(a0)
            sums[here + 1] += total(a1)
            sums[here + 2] += total(a2)
            sums[here + 3] += total(a3)
            here += stride
            sums[here] += total(b0)
            sums[here + 1] += total(b1)
            sums[here + 2] += total(b2)
            sums[here + 3] += total(b3)
            here += stride
            sums[here] += total(c0)
            sums[here + 1] += total(c1)
            sums[here + 2] += total(c2)
            sums[here + 3] += total(c3)
