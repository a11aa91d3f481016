"""Pictures over a ladder: what is drawn where is decided once, for the page and for a PNG.

A `Scene` has the axes with their ticks, the rungs with the places of their names, and everything
drawn between them. `draw` hands it to matplotlib; the page's template writes it as SVG.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossladder.drawing import ANY_LETTER, COLOURS, GREY, INK
from lossladder.report.summary import Line, Row, Stated
from lossladder.report.sweep_folder import LadderRecord, are_numbers, labels
from lossladder.runs.result import RungRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = len(COLOURS)  # more are not told apart
MOST_RUNGS = 16  # more names would not fit
_MOST_ORDERED, _MOST_BESIDE = 24, 6  # in a picture of their order, and beside one another in it
_CLEAR, _GAP_WIDTH = 0.22, 0.35  # of a level, that a name takes up and down; of a name's width
_ORDER_LETTERS = 90  # that names beside one another have room for
_GAP = 0.051  # of the height, from the name of a rung to the next
_LETTERS = 18  # of a rung's name at most
_LETTER, _WIDE_LETTER = 0.011, 0.04  # of the width, that a letter takes; where there is little room


# --- scene ------------------------------------------------------------------------------------


class Tick(NamedTuple):
    """A place on an axis and what is written there; spare: not where there is little room."""

    value: float
    words: str
    spare: bool = False


@dataclass(frozen=True)
class Axis:
    """What lies where along an axis."""

    name: str
    first: float
    last: float
    ticks: Sequence[Tick] = ()
    log: bool = False

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where values lie, the ends of the axis at 0 and 1; what is beyond, just outside.

        >>> Axis("updates", 1, 100, log=True).place([0, 1, 10, 1e30]).tolist()
        [-0.05, 0.0, 0.5, 1.05]
        """
        ends, numbers = np.array([self.first, self.last]), np.asarray(values, dtype=np.float64)
        # Zero has no logarithm; what is put in its place lies below every axis.
        if self.log:
            ends, numbers = np.log(ends), np.log(np.maximum(numbers, 1e-300))
        part = (numbers - ends[0]) / (ends[1] - ends[0])
        # A curve that leaves the sheet is drawn to just outside of it, not to where it goes.
        return np.asarray(np.clip(part, -0.05, 1.05))


class RungLine(NamedTuple):
    """A rung across the picture."""

    rung: RungRecord
    value: float  # where it lies on the axis
    name: str  # as far as there is room for it
    name_at: float | None  # from 0 to 1, where the name stands beside it; None: it has none
    is_floor: bool
    dashed: bool = False  # not a rung, but what a theorem says


class Trace(NamedTuple):
    """What is drawn of a setting; a seed has no number where it has no point."""

    label: str
    x: NDArray[np.floating]  # (points,)
    at: Sequence[int | str]  # (points,), the same in words
    middle: NDArray[np.floating]  # (points,), median or mean over seeds
    band: NDArray[np.floating] | None  # (2, points), quartiles over seeds
    seeds: NDArray[np.floating]  # (seeds, points)


@dataclass(frozen=True)
class Scene:
    """A picture over a ladder."""

    title: str
    x: Axis
    y: Axis
    rungs: Sequence[RungLine]  # the ceiling first
    traces: Sequence[Trace]  # in colour
    others: Sequence[Trace] = ()  # in grey, behind
    dots: bool = False  # whether a seed is dots and not a line
    named: bool = False  # whether along x are names, which have no order for a line to follow

    def across(self, value: float) -> float:
        """Return where a value lies, percent of the width from the left."""
        return round(100 * float(self.x.place(value)), 2)

    def down(self, value: float) -> float:
        """Return where a value lies, percent of the height from the top."""
        return round(100 - 100 * float(self.y.place(value)), 2)

    def path(self, x: NDArray[np.floating], *y: NDArray[np.floating]) -> str:
        """Return the `d` of an SVG path on a sheet of 1000 by 1000, one step after another.

        Args:
            x: (points,)
            y: (points,), those that are numbers; a second one is the way back round an area.
        """
        back = [self._points(x, part)[::-1] for part in y[1:]]
        points = np.concatenate([self._points(x, y[0]), *back])
        # Steps have fewer digits than places, and curves are most of a page.
        steps = " ".join(f"{a} {b}" for a, b in np.diff(points, axis=0))
        # A line of no length is seen as a dot, by its round ends.
        start = "".join(f"M{a} {b}l" for a, b in points[:1])
        return f"{start}{steps or '0 0'}{'z' if back else ''}" if start else ""

    def scatter(self, x: NDArray[np.floating], *y: NDArray[np.floating]) -> str:
        """Return the `d` of dots: x is (points,), and so is every y."""
        points = (point for part in y for point in self._points(x, part))
        return "".join(f"M{a} {b}h0" for a, b in points)

    def numbers(self, trace: Trace) -> list[float]:
        """Return the losses of a trace, in four digits: what is shown beside the pointer."""
        return [float(f"{loss:.4g}") for loss in trace.middle]

    def _points(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.int64]:
        seen = np.isfinite(y)
        both = np.stack([self.x.place(x[seen]), 1 - self.y.place(y[seen])], axis=1)
        # A thousandth of the sheet is less than a pixel.
        return np.rint(1000 * both).astype(np.int64)


class OrderedRung(NamedTuple):
    """A rung in the picture of which is part of which."""

    rung: RungRecord
    name: str  # as far as there is room for it
    across: float  # from 0 to 1
    level: int  # from the ceiling, which is 0, down
    is_floor: bool


class OrderLine(NamedTuple):
    """From a rung up to one that it includes, with none between them."""

    low: OrderedRung
    high: OrderedRung
    points: Sequence[tuple[float, float]]  # (across, levels down), past the names on the way


class Order(NamedTuple):
    """Which rungs are part of which, where they do not follow one another."""

    title: str
    rungs: Sequence[OrderedRung]  # the ceiling first
    lines: Sequence[OrderLine]
    levels: int


def plain(text: str) -> str:
    """Return a text as one line that can be written anywhere."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def curves_scene(
    ladder: LadderRecord,
    lines: Sequence[Line],
    others: Sequence[Line] = (),
    log: bool = False,
    theory: Sequence[Stated] = (),
) -> Scene:
    """Return training losses over the rungs of their ladder.

    Args:
        ladder: drawn as lines across.
        lines: in colour, each a median with its quartiles.
        others: in grey, medians only.
        log: whether the axis is logarithmic, and of loss minus floor.
        theory: drawn as dashed lines across.
    """
    zero = ladder.rungs[-1].loss if log else 0.0
    traces = []
    for line in (*lines, *others):
        low, middle, high = line.quartiles() - zero
        band = np.stack([low, high]) if len(line.losses) > 1 else None
        at = line.updates.astype(int).tolist()
        traces.append(Trace(line.label, line.updates, at, middle, band, line.losses - zero))
    lowest = [float(trace.middle.min()) for trace in traces]
    first, last = ladder.rungs[0].loss - zero, ladder.rungs[-1].loss - zero
    # A curve that stayed far above, as a diverging run's does, would make the others flat.
    near = [loss for loss in lowest if loss <= first + 3 * ladder.span] or [min(lowest)]
    bottom, top = last - 0.07 * ladder.span, max(first, *near) + 0.15 * ladder.span
    name = f"{'loss − floor' if log else 'loss'}, {ladder.unit} a step"
    drawn = np.concatenate([trace.middle for trace in traces]) if log else None
    y, x = height_axis(name, bottom, top, drawn), updates_axis([*lines, *others])
    rungs, coloured = _rung_lines(ladder.rungs, zero, y, theory), len(lines)
    return Scene(plain(ladder.task), x, y, rungs, traces[:coloured], traces[coloured:])


def outcome_scene(key: str, values: Sequence[str], rows: Sequence[Row], log: bool = False) -> Scene:
    """Return how far from the exact law runs ended, by what a key was set to.

    Args:
        key: varied.
        values: that it had, in order.
        rows: settings with divergences; those that differ in nothing else are a trace of means.
        log: whether the axis of the divergence is logarithmic.
    """
    # Values that are no numbers stand side by side, in their order.
    named = not are_numbers(values)
    at = {value: float(place if named else value) for place, value in enumerate(values)}
    rest = [tuple(pair for pair in row.setting if pair[0] != key) for row in rows]
    names, series = labels(rest), dict[str, dict[str, list[float]]]()
    for row, setting in zip(rows, rest, strict=True):
        series.setdefault(names[setting], {})[dict(row.setting)[key]] = row.measured
    # Dots of other settings at the same name would lie on top of each other.
    apart = min(0.12, 0.6 / len(series)) if named else 0.0
    traces = []
    for number, (name, ends) in enumerate(series.items()):
        used = [value for value in values if value in ends]
        # Where fewer seeds are done than elsewhere, the column ends in NaN.
        seeds = np.array([*zip_longest(*(ends[value] for value in used), fillvalue=np.nan)])
        x = np.array([at[value] for value in used]) + apart * (number - (len(series) - 1) / 2)
        traces.append(Trace(name, x, used, np.nanmean(seeds, axis=0), None, seeds))
    ladders = list(dict.fromkeys(row.ladder for row in rows if row.ladder is not None))
    span = max(ladder.span for ladder in ladders)
    ended = [loss for row in rows for loss in row.measured]
    top = 1.12 * max([loss for loss in ended if loss <= 4 * span] or [min(ended)])
    top = top if top > 0 else 0.1 * span
    words = f"divergence from the exact law, {ladders[0].unit} a step"
    y = height_axis(words, min(0.0, *ended) - 0.07 * top, top, ended if log else None)
    # Of several ladders only the floor is common: a rung of one is none of another.
    floor = RungRecord("floor", 0.0, "all there is to know")
    rungs = ladders[0].rungs if len(ladders) == 1 else (floor,)
    ticks = [(at[value], plain(value) or "unset") for value in values]
    first, last = ticks[0][0], ticks[-1][0]
    if named:
        x = _axis(plain(key), first - 0.5, last + 0.5, ticks, margin=0.0)
    else:
        # What spans a decade is nearly always tried at even steps of its logarithm.
        x = _axis(plain(key), first, last, ticks, 0 < 9 * first < last, margin=0.04)
    return Scene(
        f"Divergence from the exact law by {plain(key)}",
        x,
        y,
        _rung_lines(rungs, rungs[-1].loss, y),
        traces[:MOST_LINES],
        traces[MOST_LINES:],
        dots=True,
        named=named,
    )


def order_of(ladder: LadderRecord) -> Order | None:
    """Return the order of rungs as a Hasse diagram; None: a line, not known, or too many to show.

    A rung lies as many levels below the ceiling as the longest way down to it has.

    >>> rungs = [RungRecord("none", 0.7, includes=()), RungRecord("left", 0.6, includes=("none",)),
    ...          RungRecord("right", 0.6, includes=("none",)),
    ...          RungRecord("both", 0.5, includes=("left", "right"))]
    >>> [(r.name, r.across, r.level) for r in order_of(LadderRecord("echo", tuple(rungs))).rungs]
    [('none', 0.5, 0), ('left', 0.25, 1), ('right', 0.75, 1), ('both', 0.5, 2)]
    >>> order_of(LadderRecord("echo", tuple(rungs[:2]))) is None
    True
    """
    above = {rung.name: rung.includes or () for rung in ladder.rungs}
    unknown = any(rung.includes is None for rung in ladder.rungs)
    if unknown or len(ladder.rungs) > _MOST_ORDERED:
        return None
    level: dict[str, int] = {}
    for rung in ladder.rungs:
        # a file may name what is not there, or what comes later
        if any(name not in level for name in above[rung.name]):
            return None
        level[rung.name] = 1 + max((level[name] for name in above[rung.name]), default=-1)
    beside = [[n for n in above if level[n] == number] for number in range(max(level.values()) + 1)]
    if not 1 < max(map(len, beside)) <= _MOST_BESIDE:
        return None
    ways = [_way(low, high, level) for low, highs in above.items() for high in highs]
    places = _places(beside, ways)
    shown: dict[str, OrderedRung] = {}
    for rung in ladder.rungs:
        name, number = plain(rung.name), level[rung.name]
        letters = _ORDER_LETTERS // len(beside[number])
        name = name if len(name) <= letters else f"{name[: letters - 1]}…"
        across, is_floor = places[rung.name], rung is ladder.rungs[-1]
        shown[rung.name] = OrderedRung(rung, name, across, number, is_floor)
    lines: list[OrderLine] = []
    for way in ways:
        points = [(places[at], float(number)) for number, at in way]
        # from the lower edge of a name to the upper edge of one
        points[0] = points[0][0], points[0][1] - _CLEAR
        points[-1] = points[-1][0], points[-1][1] + _CLEAR
        lines.append(OrderLine(shown[way[0][1]], shown[way[-1][1]], points))
    return Order(plain(ladder.task), [*shown.values()], lines, len(beside))


def _way(low: str, high: str, level: Mapping[str, int]) -> list[tuple[int, str]]:
    """Return the levels from a rung up to another and what stands there: between them, a gap."""
    # no name of a rung has a line break
    gaps = range(level[low] - 1, level[high], -1)
    return [(level[low], low), *((n, f"{low}\n{high}\n{n}") for n in gaps), (level[high], high)]


def _places(
    beside: Sequence[Sequence[str]], ways: Sequence[Sequence[tuple[int, str]]]
) -> dict[str, float]:
    """Return where across the names of each level and the gaps between them stand."""
    above: dict[str, list[str]] = {}
    for way in ways:
        for (_, low), (_, high) in pairwise(way):
            above.setdefault(low, []).append(high)
    places: dict[str, float] = {}
    for number, names in enumerate(beside):
        gaps = [at for way in ways for there, at in way[1:-1] if there == number]
        # near what they include, so that few lines cross
        middle = {
            at: float(np.mean([places[high] for high in above.get(at, ())] or 0.5))
            for at in (*names, *gaps)
        }
        row = sorted(middle, key=middle.__getitem__)
        widths = np.array([_GAP_WIDTH if "\n" in at else 1.0 for at in row])
        ends = widths.cumsum()
        places |= dict(zip(row, ((ends - widths / 2) / ends[-1]).tolist(), strict=True))
    return places


# --- axes -------------------------------------------------------------------------------------


def updates_axis(lines: Sequence[Line]) -> Axis:
    """Return a logarithmic axis from the first update to the last, or to round ones near them.

    >>> axis = updates_axis([Line("", np.array([10.0]), np.zeros((1, 1)))])
    >>> [tick.words for tick in axis.ticks]
    ['5', '10', '20']
    """
    first = min(float(line.updates[0]) for line in lines)
    last = max(float(line.updates[-1]) for line in lines)
    # A run of one point has no span; its axis goes to the round numbers on either side.
    if len(log_ticks(first, last)) < 2:
        decade = 10.0 ** np.floor(np.log10(first))
        first = max(part * decade for part in (0.5, 1, 2, 5) if part * decade < first)
        last = min(part * decade for part in (2, 5, 10, 20) if part * decade > last)
    whole = [update for update in log_ticks(first, last) if update >= 1]
    return _axis("updates", first, last, [(u, f"{u:,.0f}") for u in whole], log=True)


def height_axis(
    name: str, bottom: float, top: float, log_of: Iterable[float] | None = None
) -> Axis:
    """Return an axis upwards; logarithmic down to the least of `log_of` that is positive."""
    if log_of is not None:
        least = min((loss for loss in log_of if loss > 0), default=top / 10)
        # A curve that touches the floor by chance would else leave the others little height.
        bottom = max(least / 1.3, top / 1e7)
        ticks = [Tick(loss, f"{loss:g}") for loss in log_ticks(bottom, top)]
        return Axis(name, bottom, top, ticks, log=True)
    # The smallest round step that makes at most six ticks.
    power = 10.0 ** np.floor(np.log10((top - bottom) / 10))
    step = next(p * power for p in (1, 2, 5, 10, 20) if (top - bottom) / (p * power) <= 6)
    digits = max(0, -int(np.floor(np.log10(step))))
    places = step * np.arange(np.ceil(bottom / step), np.floor(top / step) + 1)
    return Axis(name, bottom, top, [Tick(p, f"{p:z.{digits}f}") for p in places])


def log_ticks(first: float, last: float) -> list[float]:
    """Return round places within a logarithmic axis: powers of ten, double and half where few.

    >>> log_ticks(8, 300), log_ticks(0.5, 2)
    ([10.0, 20.0, 50.0, 100.0, 200.0], [0.5, 1.0, 2.0])
    """
    decades = range(int(np.floor(np.log10(first))), int(np.ceil(np.log10(last))) + 1)
    # Beyond three decades there is no room between powers of ten.
    parts = (1, 2, 5) if last < first * 2000 else (1,)
    places = [float(f"{part}e{decade}") for decade in decades for part in parts]
    return [place for place in places if first <= place <= last]


def _axis(
    name: str,
    first: float,
    last: float,
    ticks: Sequence[tuple[float, str]],
    log: bool = False,
    margin: float = 0.015,
) -> Axis:
    """Return an axis with those of its ticks whose words have room.

    Values lie between `first` and `last`; `margin` is the share of the width beyond either end, so
    that dots there are seen whole.
    """
    axis = Axis(name, first, last, log=log)
    kept: list[Tick] = []
    end = spare_end = -1.0
    for (value, words), at in zip(ticks, axis.place([value for value, _ in ticks]), strict=True):
        half, wide = _LETTER * (len(words) + 2) / 2, _WIDE_LETTER * (len(words) + 1) / 2
        if at - half >= end:
            # On a narrow page letters are as large, and the same axis has room for fewer words.
            spare = at - wide < spare_end
            kept.append(Tick(value, words, spare))
            end, spare_end = at + half, spare_end if spare else at + wide
    if log:
        ratio = (last / first) ** margin
        return Axis(name, first / ratio, last * ratio, kept, log)
    beyond = margin * (last - first)
    return Axis(name, first - beyond, last + beyond, kept)


def _rung_lines(
    rungs: Sequence[RungRecord], zero: float, y: Axis, theory: Sequence[Stated] = ()
) -> list[RungLine]:
    """Return the rungs an axis shows and what theorems say, with names where none covers another.

    Of several at one loss, the theorem's name stands below.
    """
    stated = [RungRecord(one.statement, one.loss, one.says) for one in theory]
    # rounded, so that of two at one loss the rung comes first
    both = sorted((*rungs, *stated), key=lambda rung: -round(rung.loss, 6))
    shown = [rung for rung in both if y.first <= rung.loss - zero <= y.last]
    picks = np.linspace(0, len(shown) - 1, min(len(shown), MOST_RUNGS)).round().astype(int)
    named = [shown[pick] for pick in picks]
    places = spread([float(y.place(rung.loss - zero)) for rung in named], _GAP)
    # Many rungs near the floor would push the lowest name off the sheet.
    raised = max(0.0, -0.01 - places[-1]) if places else 0.0
    name_at = {rung: place + raised for rung, place in zip(named, places, strict=True)}
    lines = []
    for rung in shown:
        name = plain(rung.name)
        name = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
        is_floor, dashed = rung is rungs[-1], rung in stated
        line = RungLine(rung, rung.loss - zero, name, name_at.get(rung), is_floor, dashed)
        lines.append(line)
    return lines


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return places nearest to the wanted ones, highest first, at least `gap` apart.

    Where they crowd, the crowd is centred on the mean of where its members want to be.

    >>> [round(place, 2) for place in spread([0.9, 0.5, 0.5], gap=0.2)]
    [0.9, 0.6, 0.4]
    """
    # Of a crowd is kept where its first member should be, summed over members, and their number:
    # the mean of those is nearest to all by least squares (as in isotonic regression).
    crowds: list[list[float]] = []
    for index, place in enumerate(places):
        crowds.append([place + index * gap, 1])
        while len(crowds) > 1 and crowds[-1][0] / crowds[-1][1] > crowds[-2][0] / crowds[-2][1]:
            total, members = crowds.pop()
            crowds[-1][0] += total
            crowds[-1][1] += members
    firsts = [total / members for total, members in crowds for _ in range(int(members))]
    return [first - index * gap for index, first in enumerate(firsts)]


# --- matplotlib -------------------------------------------------------------------------------

_LEFT, _RIGHT = 0.085, 0.985  # of the figure


def draw(scene: Scene) -> "Figure":
    """Return a scene as a figure: curves in colour, rungs in grey, each named at its right end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.7), dpi=200, facecolor="white")
    axes = figure.add_axes((_LEFT, 0.115, 0.69, 0.74))
    set_scale(axes, scene.x)
    axes.set_ylim(scene.y.first, scene.y.last)
    axes.set_ylabel(scene.y.name, color=INK)
    beside = {"transform": axes.transAxes, "clip_on": False}
    for line in scene.rungs:
        colour, weight = (INK, "bold") if line.is_floor else (GREY, "normal")
        # a theorem may lie on a rung, and is to be seen there: dark on grey, grey on the floor
        on_floor = abs(line.value - scene.rungs[-1].value) < 1e-6
        stroke = colour if not line.dashed else GREY if on_floor else INK
        # Behind the curves, which may lie on a rung for long.
        style = (0, (4, 3)) if line.dashed else "solid"
        axes.axhline(line.value, color=stroke, linewidth=1.1, linestyle=style, zorder=1)
        if line.name_at is not None:
            height, at = float(scene.y.place(line.value)), line.name_at
            axes.plot([1.0, 1.025, 1.035], [height, at, at], color=colour, lw=0.8, **beside)
            axes.text(1.043, at, f"{line.name}: {line.rung.loss:.4f}", va="center", size=9.5,
                      weight=weight, style="italic" if line.dashed else "normal", color=INK,
                      parse_math=False, **beside)  # fmt: skip
    for trace, colour in zip(scene.traces, COLOURS * len(scene.traces), strict=False):
        # Through a single point there is no line to draw.
        dot = len(trace.x) == 1
        if trace.band is not None:
            width = 6 if dot else 0
            axes.fill_between(trace.x, *trace.band, color=colour, alpha=0.2, linewidth=width)
        label, marker = plain(trace.label), "o" if dot else None
        # Matplotlib leaves names with an underscore in front out of its legend.
        label = f" {label}" if label.startswith("_") else label
        axes.plot(trace.x, trace.middle, color=colour, linewidth=1.9, label=label, marker=marker)
    # A task may be called `$x^$`, which is no mathematics.
    figure.text(_LEFT, 0.945, scene.title, size=15, weight="bold", color=INK, parse_math=False)
    figure.text(_RIGHT, 0.945, _seeds(scene.traces), size=9.5, ha="right", color=GREY)
    with warnings.catch_warnings(**ANY_LETTER):
        _draw_legend(figure, axes, columns=min(len(scene.traces), 5))
    return figure


def draw_order(order: Order) -> "Figure":
    """Return the order of rungs as a figure, the ceiling on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 0.6 * order.levels), dpi=200, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(order.levels - 0.5, -0.5)
    for line in order.lines:
        across, down = zip(*line.points, strict=True)
        axes.plot(across, down, color=GREY, linewidth=0.8)
    for one in order.rungs:
        axes.text(one.across, one.level, f"{one.name}  {one.rung.loss:.4f}", size=9.5, color=INK,
                  ha="center", va="center", weight="bold" if one.is_floor else "normal",
                  parse_math=False)  # fmt: skip
    return figure


def set_scale(axes: "Axes", x: Axis) -> None:
    """Give matplotlib's axes the updates of a scene."""
    axes.set_xscale("log")
    axes.set_xlim(x.first, x.last)
    axes.set_xticks([tick.value for tick in x.ticks], [tick.words for tick in x.ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(x.name, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK)


def _seeds(traces: Sequence[Trace]) -> str:
    """Return what a line is made of."""
    counts = {len(trace.seeds) for trace in traces}
    if counts == {1}:
        return ""
    seeds = " to ".join(map(str, sorted({min(counts), max(counts)})))
    return f"median of {seeds} seeds, band from quartile to quartile"


def _draw_legend(figure: "Figure", axes: "Axes", columns: int) -> None:
    """Draw it above the curves, in as many columns as fit; the curves make room for its rows."""
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(-0.015, 0.99), ncols=columns, frameon=False,
        fontsize=9.5, labelcolor=INK, handlelength=1.5, handletextpad=0.6, columnspacing=1.8,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    extent = legend.get_window_extent()
    if columns > 1 and extent.width > (_RIGHT - _LEFT) * figure.bbox.width:
        _draw_legend(figure, axes, columns - 1)
        return
    box = axes.get_position()
    room = 0.93 - box.y1 - extent.height / figure.bbox.height
    axes.set_position((box.x0, box.y0, box.width, box.height + min(0.0, room)))
