"""Where things stand in a picture of curves over their ladder, whoever draws it."""

from collections.abc import Sequence

import numpy as np

from lossladder.report.summary import Line
from lossladder.runs.result import RungRecord

MOST_LINES = 7  # more colours are not told apart
MOST_RUNGS = 16  # more labels would not fit


def picked(rungs: Sequence[RungRecord], most: int = MOST_RUNGS) -> list[RungRecord]:
    """As many rungs as can be labelled, ceiling and floor among them."""
    if len(rungs) <= most:
        return list(rungs)
    picks = np.linspace(0, len(rungs) - 1, most).round().astype(int)
    return [rungs[pick] for pick in picks]


def limits(rungs: Sequence[RungRecord], lines: Sequence[Line]) -> tuple[float, float]:
    """Lowest and highest loss that is shown: the ladder, and curves that never came down to it.

    One that stayed far above, as a diverging run does, is left outside: the others would be flat.
    """
    ceiling, floor = rungs[0].loss, rungs[-1].loss
    span = (ceiling - floor) or 1.0
    lowest = [float(line.quartiles()[1].min()) for line in lines]
    near = [loss for loss in lowest if loss <= ceiling + 3 * span] or [min(lowest)]
    return floor - 0.07 * span, max(ceiling, *near) + 0.15 * span


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places nearest to the wanted ones, highest first, with at least `gap` from each to the next.

    Where they crowd, the crowd is centred on the mean of where its members want to be.

    >>> [round(place, 2) for place in spread([0.9, 0.5, 0.5], gap=0.2)]
    [0.9, 0.6, 0.4]
    """
    crowds: list[list[float]] = []  # [sum of wanted places of the first member, members]
    for index, place in enumerate(places):
        crowds.append([place + index * gap, 1])
        while len(crowds) > 1 and crowds[-1][0] / crowds[-1][1] > crowds[-2][0] / crowds[-2][1]:
            total, members = crowds.pop()
            crowds[-1][0] += total
            crowds[-1][1] += members
    firsts = [total / members for total, members in crowds for _ in range(int(members))]
    return [first - index * gap for index, first in enumerate(firsts)]


def across(lines: Sequence[Line]) -> tuple[float, float]:
    """First and last update of a logarithmic axis; round ones where few round ones lie between.

    >>> across([Line("", np.array([10.0, 300.0]), np.zeros((1, 2)))])
    (10.0, 300.0)
    >>> across([Line("", np.array([10.0]), np.zeros((1, 1)))])
    (5.0, 20.0)
    """
    first = min(float(line.updates[0]) for line in lines)
    last = max(float(line.updates[-1]) for line in lines)
    if len(ticks(first, last)) > 1:
        return first, last
    decade = 10.0 ** np.floor(np.log10(first))
    below = max(part * decade for part in (0.5, 1, 2, 5) if part * decade < first)
    above = min(part * decade for part in (2, 5, 10, 20) if part * decade > last)
    return float(below), float(above)


def ticks(first: float, last: float) -> list[int]:
    """Round updates within a logarithmic axis: powers of ten, their double and half where few.

    >>> ticks(8, 300), ticks(0.5, 2)
    ([10, 20, 50, 100, 200], [1, 2])
    """
    few = last < first * 2000
    decades = range(int(np.floor(np.log10(first))), int(np.ceil(np.log10(last))) + 1)
    places = [part * 10.0**decade for decade in decades for part in ((1, 2, 5) if few else (1,))]
    return [int(place) for place in places if max(first, 1) <= place <= last]
