"""How many of the last inputs may be known: which numbers of them make rungs that can be read."""

_ALL = 12  # inputs of which every number makes a rung


def numbers_known(count: int) -> list[int]:
    """Return the numbers of inputs, out of so many, that may make rungs, none and all among them.

    >>> numbers_known(3), numbers_known(50)
    ([0, 1, 2, 3], [0, 1, 2, 4, 8, 16, 32, 49, 50])
    """
    # all for a short string; the powers of two and the last ones for a long one
    if count <= _ALL:
        return list(range(count + 1))
    return [0, *powers_below(count - 1), count - 1, count]


def powers_below(limit: int) -> list[int]:
    """Return the powers of two below a number.

    >>> powers_below(8)
    [1, 2, 4]
    """
    return [2**k for k in range(limit.bit_length()) if 2**k < limit]
