"""What few seeds tell: intervals of shares, times that may not have come, differences between two.

Sources: Wilson (1927), Journal of the American Statistical Association 22; Newcombe (1998),
Statistics in Medicine 17, method 10; Fisher (1935); Holm (1979), Scandinavian Journal of Statistics
6; Kaplan and Meier (1958), Journal of the American Statistical Association 53.
"""

import math
import statistics
from collections.abc import Sequence
from math import comb
from typing import NamedTuple


class Share(NamedTuple):
    """How many of some seeds have something."""

    count: int
    of: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return Wilson's interval of the chance of it.

        >>> [round(end, 4) for end in Share(5, 5).interval()]
        [0.5655, 1.0]
        >>> [round(end, 4) for end in Share(81, 263).interval()]  # of Newcombe's tables
        [0.2553, 0.3662]
        >>> Share(0, 0).interval()
        (0.0, 1.0)
        """
        if self.of == 0:
            return 0.0, 1.0
        z = statistics.NormalDist().inv_cdf(0.5 + level / 2)
        p, n = self.count / self.of, self.of
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
        low, high = ((middle + side * half) / (1 + z * z / n) for side in (-1, 1))
        # the ends are these numbers exactly, whatever the last digit says
        return (0.0 if self.count == 0 else low), (1.0 if self.count == n else high)


def difference(one: Share, other: Share, level: float = 0.95) -> tuple[float, float]:
    """Return Newcombe's interval of the difference of two chances.

    >>> [round(end, 4) for end in difference(Share(56, 70), Share(48, 80))]  # of his table II, a
    [0.0524, 0.3339]
    """
    p, q = one.count / one.of, other.count / other.of
    (low, high), (below, above) = one.interval(level), other.interval(level)
    return (
        p - q - math.hypot(p - low, above - q),
        p - q + math.hypot(high - p, q - below),
    )


def fisher(one: Share, other: Share) -> float:
    """Return the chance of shares at least this unlikely if both have one chance, by Fisher.

    >>> round(fisher(Share(5, 5), Share(0, 5)), 6)  # 2 of the 252 ways to choose 5 of 10
    0.007937
    >>> round(fisher(Share(3, 4), Share(1, 4)), 6)  # the lady tasting tea: 34 of 70
    0.485714
    """
    both, of = one.count + other.count, one.of + other.of
    ways = [
        comb(one.of, k) * comb(other.of, both - k) if k <= both else 0 for k in range(one.of + 1)
    ]
    return sum(way for way in ways if way <= ways[one.count]) / comb(of, both)


def holm(chances: Sequence[float]) -> list[tuple[float, int]]:
    """Return p-values corrected for their number, by Holm, and by what each was multiplied.

    Equal ones are multiplied alike, so that their order says nothing.

    >>> [(round(p, 3), times) for p, times in holm([0.01, 0.04, 0.03, 0.005])]
    [(0.03, 3), (0.06, 1), (0.06, 2), (0.02, 4)]
    >>> holm([0.25, 0.25])
    [(0.5, 2), (0.5, 2)]
    """
    corrected, least = [(0.0, 0)] * len(chances), 0.0
    for index in sorted(range(len(chances)), key=chances.__getitem__):
        times = sum(chance >= chances[index] for chance in chances)
        least = max(least, min(1.0, times * chances[index]))
        corrected[index] = least, times
    return corrected


def kaplan_meier_median(times: Sequence[float], came: Sequence[bool]) -> float:
    """Return the time by which half have come, infinite if they never do.

    Args:
        times: when it came, or until when it had not.
        came: whether it had.

    >>> kaplan_meier_median([10, 20, 30], [True, True, True])
    20
    >>> kaplan_meier_median([10, 30, 30, 30], [True, False, False, False])
    inf
    >>> kaplan_meier_median([6, 10, 15, 20, 25], [True, False, True, True, False])
    20
    """
    alive, left = 1.0, len(times)
    for time in sorted(set(times)):
        events = sum(t == time and c for t, c in zip(times, came, strict=True))
        alive *= 1 - events / left
        # ten halves of a tenth are not a half to the last digit
        if alive <= 0.5 + 1e-12:
            return time
        left -= sum(t == time for t in times)
    return math.inf


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return first quartile, median and third quartile, linear between neighbours.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0]), quartiles([7.0])
    ((2.0, 3.0, 4.0), (7.0, 7.0, 7.0))
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, middle, third
