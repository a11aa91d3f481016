"""Loss curves falling onto their ladder, as SVG that takes its colours from the page."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.report.layout import across, limits, picked, spread, ticks
from lossladder.report.markup import Html, joined, tag
from lossladder.report.summary import Line
from lossladder.report.sweep_folder import LadderRecord
from lossladder.runs.result import RungRecord


class Sheet(NamedTuple):
    """A size to draw for: an SVG that is shrunk to a telephone has letters nobody can read.

    Args:
        name: class of the SVG; the page shows the one that fits.
        width, height: pixels.
        left, right, top, bottom: margins, pixels.
        letters: most of a rung's name.
        rungs: most that are labelled.
    """

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    letters: int
    rungs: int


SHEETS = (
    Sheet("wide", 900, 430, left=52, right=176, top=26, bottom=44, letters=18, rungs=16),
    Sheet("narrow", 360, 340, left=34, right=132, top=24, bottom=40, letters=12, rungs=12),
)
_GAP = 18  # pixels between two labels
_DOT = 4  # pixels, the radius of a curve that is one point; see page.css


class _Axes(NamedTuple):
    """From updates and losses to pixels of a sheet."""

    sheet: Sheet
    first: float
    last: float
    lowest: float
    highest: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the plot, pixels."""
        s = self.sheet
        return s.width - s.left - s.right, s.height - s.top - s.bottom

    def x(self, updates: NDArray[np.floating] | float) -> NDArray[np.floating]:
        part = np.log(np.asarray(updates) / self.first) / np.log(self.last / self.first)
        return np.asarray(part * self.size[0])

    def y(self, losses: NDArray[np.floating] | float) -> NDArray[np.floating]:
        part = (self.highest - np.asarray(losses)) / (self.highest - self.lowest)
        return np.asarray(part * self.size[1])


def chart(ladder: LadderRecord, lines: Sequence[Line], others: Sequence[Line]) -> Html:
    """Curves over the rungs of their ladder, once for every size of page.

    Args:
        ladder: drawn as lines across.
        lines: medians with their quartiles; the page gives colours to the classes c0, c1, …
        others: medians only, in grey.
    """
    everything = (*lines, *others)
    first, last = across(everything)
    lowest, highest = limits(ladder.rungs, everything)
    sizes = (_Axes(sheet, first, last, lowest, highest) for sheet in SHEETS)
    return joined(*(_drawn(axes, ladder, lines, others) for axes in sizes))


def _drawn(
    axes: _Axes, ladder: LadderRecord, lines: Sequence[Line], others: Sequence[Line]
) -> Html:
    sheet, (width, height) = axes.sheet, axes.size
    curves = tag(  # an inner svg clips what is in it; at its sides there is room for a dot
        "svg",
        *(_rung_line(axes, rung) for rung in ladder.rungs),
        *(_median(axes, line, "other") for line in others),
        *(_band(axes, line, f"c{place}") for place, line in enumerate(lines)),
        *(_median(axes, line, f"c{place}") for place, line in enumerate(lines)),
        x=-_DOT,
        width=width + 2 * _DOT,
        height=height,
        viewBox=f"{-_DOT} 0 {width + 2 * _DOT} {height}",
    )
    plot = tag(
        "g",
        curves,
        tag("path", d=f"M0 0V{height}H{width}", class_="axis"),
        _updates(axes),
        _losses(axes),
        _text(f"loss, {ladder.unit} a step", -sheet.left + 4, -12, "start"),
        _names(axes, picked(ladder.rungs, sheet.rungs)),
        transform=f"translate({sheet.left} {sheet.top})",
    )
    return tag(
        "svg",
        plot,
        class_=sheet.name,
        viewBox=f"0 0 {sheet.width} {sheet.height}",
        role="img",
        aria_label=f"Training loss of {ladder.task} by updates, over the ladder",
    )


def _rung_line(axes: _Axes, rung: RungRecord) -> Html:
    height = f"{axes.y(rung.loss):.1f}"
    return tag("line", x1=0, x2=axes.size[0], y1=height, y2=height, class_="rung")


def _median(axes: _Axes, line: Line, colour: str) -> Html:
    points = _points(axes.x(line.updates), axes.y(line.quartiles()[1]))
    kind = f"median {colour}"
    if len(line.updates) == 1:  # a line of no length, of which its round ends are seen
        points, kind = f"{points}h0", f"{kind} dot"
    return tag("path", tag("title", line.label), d=f"M{points}", class_=kind)


def _band(axes: _Axes, line: Line, colour: str) -> Html:
    if len(line.losses) < 2:
        return Html()
    (low, _, high), x = axes.y(line.quartiles()), axes.x(line.updates)
    if len(x) == 1:
        ends = _points(np.repeat(x, 2), np.concatenate((low, high)))
        return tag("path", d=f"M{ends}", class_=f"band {colour} dot")
    return tag(
        "path", d=f"M{_points(x, low)}L{_points(x[::-1], high[::-1])}Z", class_=f"band {colour}"
    )


def _points(x: NDArray[np.floating], y: NDArray[np.floating]) -> str:
    # far outside, where nothing is seen, numbers need not be exact, but must not be huge
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, np.clip(y, -9999, 9999), strict=True))


def _updates(axes: _Axes) -> Html:
    width, height = axes.size
    apart = [-np.inf]  # on a narrow sheet, not every tick has room for its number
    labels = []
    for update in ticks(axes.first, axes.last):
        x = float(axes.x(update))
        if x - apart[-1] > 34:
            apart.append(x)
            labels.append(_text(f"{update:,.0f}", x, height + 18, "middle"))
    return joined(*labels, _text("updates", width / 2, height + 36, "middle", "name"))


def _losses(axes: _Axes) -> Html:
    room = axes.highest - axes.lowest
    step = next(s for s in _steps(room) if room / s <= 6)
    first = int(np.ceil(axes.lowest / step))
    digits = max(0, -int(np.floor(np.log10(step))))
    places = [n * step for n in range(first, first + 8) if n * step < axes.highest]
    return joined(*(_text(f"{p:.{digits}f}", -7, float(axes.y(p)) + 4, "end") for p in places))


def _steps(room: float) -> list[float]:
    power = 10.0 ** np.floor(np.log10(room / 10))
    return [part * power for part in (1, 2, 5, 10, 20)]


def _names(axes: _Axes, rungs: Sequence[RungRecord]) -> Html:
    """Names and losses beside their lines, where none covers another."""
    width, height = axes.size
    heights = [float(axes.y(rung.loss)) for rung in rungs]
    places = [-place for place in spread([-h for h in heights], _GAP)]
    over = max(0.0, places[-1] - height - 4)  # the floor's name must not fall off the sheet
    labels = []
    for rung, at, place in zip(rungs, heights, places, strict=True):
        y = place - over
        labels.append(tag("path", d=f"M{width} {at:.1f}l7 {y - at:.1f}h3", class_="rung"))
        weight = "floor" if rung is rungs[-1] else "step"
        named = (tag("title", rung.knows), f"{_short(rung.name, axes.sheet.letters)} ")
        loss = tag("tspan", f"{rung.loss:.4f}", class_="loss")
        labels.append(tag("text", *named, loss, x=width + 14, y=f"{y + 4:.1f}", class_=weight))
    return joined(*labels)


def _short(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _text(words: str, x: float, y: float, anchor: str, kind: str = "tick") -> Html:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)
