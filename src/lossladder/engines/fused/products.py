"""The gradients of weights: sums over steps and sequences of rows times columns.

Three rows by four columns are taken at once: with 12 sums under way, 7 loads serve 12
multiplications, and several additions are under way while one waits for the one before.
"""

from lossladder.engines.fused.writer import Array, Whole, Writer

ROWS, COLUMNS = 3, 4


def add_products(
    w: Writer, sums: Array, rows: Array, gates: Array, block: list[Whole], width: Whole
) -> None:
    """Write the sum of a block of products.

    Args:
        w: writes the code.
        sums: where the results are added.
        rows: (steps, rows, width).
        gates: (steps, columns, width).
        block: rows from, to, columns from, to, where in `sums`, and how far its lines lie apart.
        width: lanes.
    """
    first, end, first_column, last_column, at, stride = block
    with w.range(first_column, last_column, step=COLUMNS) as j:

        def add(k: Whole, ones: bool) -> None:
            under_way = [[w.variable() for _ in range(COLUMNS)] for _ in range(ROWS)]
            with w.range(w["steps"]) as t, w.range(0, width, step=w.register) as i:
                row = [rows.load((t, k + r, i), w.register) for r in range(ROWS)]
                for c in range(COLUMNS):
                    column = gates.load((t, j + c, i), w.register)
                    for r in range(ROWS):
                        more = column if ones and r == 0 else row[r] * column
                        under_way[r][c].add(more)
            here = at + (k - first) * stride + (j - first_column)
            for r in range(ROWS):
                totals = w.totals([total.get() for total in under_way[r]])
                sums.add(here + stride * r, totals, COLUMNS)

        with_ones = first.is_(0)
        # a multiplication by the row of ones is none: additions have units of their own
        with w.when(with_ones):
            add(first, ones=True)
        with w.range(w.chosen(with_ones, ROWS, first), end, step=ROWS) as k:
            add(k, ones=False)


def add_vectors(w: Writer, sums: Array, temp: Array, vectors: Array, width: Whole) -> None:
    """Write the sums over sequences of some rows of `temp`; `vectors` are row, count, where."""
    with w.range(w["vector_count"]) as v, w.range(vectors[v, 1]) as j:
        total = w.variable()
        with w.range(0, width, step=w.register) as i:
            total.add(temp.load((vectors[v, 0] + j, i), w.register))
        sums.add(vectors[v, 2] + j, total.get().total())
