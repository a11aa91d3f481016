"""Loss curves falling onto their ladder, as a picture.

python -m lossladder.report.picture RUN [RUN ...] --out FILE.png

A run is a folder with a `result.json`; the folder of a sweep stands for its runs. Runs that differ
in nothing but their seed become one line, their median, with a band from quartile to quartile.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from lossladder.report.curves import Line, Rung, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito: told apart by every kind of eye, and in print
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, GREY = "#333333", "#8C8C8C"
_MOST_RUNGS = 16  # more labels would not fit
_LABEL_HEIGHT = 0.051  # of the axes
_LEFT, _RIGHT = 0.085, 0.985  # of the figure
_BINS = 160  # points of a curve at most


def draw(task: str, rungs: Sequence[Rung], lines: Sequence[Line], unit: str = "nats") -> "Figure":
    """Curves in colour, rungs in grey, each named at its right end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.7), dpi=200, facecolor="white")
    axes = figure.add_axes((_LEFT, 0.115, 0.69, 0.74))
    scale(axes, lines)
    axes.set_ylabel(f"loss, {unit} a step", color=INK)
    _draw_rungs(axes, _picked(rungs), lines)
    for line, colour in zip(lines, _COLOURS * len(lines), strict=False):
        _draw_line(axes, line, colour)
    figure.text(_LEFT, 0.945, task, size=15, weight="bold", color=INK)
    figure.text(_RIGHT, 0.945, _seeds(lines), size=9.5, ha="right", color=GREY)
    _draw_legend(figure, axes, columns=min(len(lines), 5))
    return figure


def _picked(rungs: Sequence[Rung]) -> list[Rung]:
    if len(rungs) <= _MOST_RUNGS:
        return list(rungs)
    picks = np.linspace(0, len(rungs) - 1, _MOST_RUNGS).round().astype(int)
    return [rungs[pick] for pick in picks]


def _seeds(lines: Sequence[Line]) -> str:
    """What a line is made of."""
    counts = sorted({len(line.losses) for line in lines})
    if counts == [1]:
        return ""
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else counts[0]
    return f"median of {seeds} seeds, band from quartile to quartile"


def _draw_legend(figure: "Figure", axes: "Axes", columns: int) -> None:
    """Between title and curves, in as many columns as fit; the curves make room for its rows."""
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.015, 0.99),
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handlelength=1.5,
        handletextpad=0.6,
        columnspacing=1.8,
    )
    extent = legend.get_window_extent()
    if columns > 1 and extent.width > (_RIGHT - _LEFT) * figure.bbox.width:
        _draw_legend(figure, axes, columns - 1)
        return
    box = axes.get_position()
    room = 0.93 - box.y1 - extent.height / figure.bbox.height
    axes.set_position((box.x0, box.y0, box.width, box.height + min(0.0, room)))


def scale(axes: "Axes", lines: Sequence[Line]) -> None:
    """A logarithmic axis of updates, from the first to the last."""
    from matplotlib.ticker import LogLocator, NullLocator

    first = min(line.updates[0] for line in lines)
    last = max(line.updates[-1] for line in lines)
    axes.set_xscale("log")
    axes.set_xlim(first, max(last, first + 1))
    few = last / first < 2000  # then there is room for more than the powers of ten
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda update, _: f"{update:,.0f}")
    axes.set_xlabel("updates", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK)


def _draw_line(axes: "Axes", line: Line, colour: str) -> None:
    updates, losses = binned(line.updates, line.losses)
    low, middle, high = np.quantile(losses, (0.25, 0.5, 0.75), axis=0)
    if len(losses) > 1:
        axes.fill_between(updates, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(updates, middle, color=colour, linewidth=1.9, label=line.label)


def binned(
    updates: NDArray[np.float64], losses: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over equal parts of the logarithmic axis, each at its last update.

    Late parts hold many points, which would be drawn over one another as a thick band of noise.
    """
    edges = np.geomspace(updates[0], updates[-1], _BINS + 1)[1:-1]
    _, starts = np.unique(np.searchsorted(edges, updates), return_index=True)
    counts = np.diff(np.append(starts, len(updates)))
    return updates[starts + counts - 1], np.add.reduceat(losses, starts, axis=1) / counts


def _draw_rungs(axes: "Axes", rungs: Sequence[Rung], lines: Sequence[Line]) -> None:
    """Lines across the picture, and their names beside it, where none covers another."""
    ceiling, floor = rungs[0].loss, rungs[-1].loss
    span = (ceiling - floor) or 1.0
    # a curve that never came down to the ladder must be seen nevertheless
    highest = max(ceiling, *(float(np.median(line.losses, axis=0).min()) for line in lines))
    bottom, top = floor - 0.07 * span, highest + 0.15 * span
    axes.set_ylim(bottom, top)
    heights = [(rung.loss - bottom) / (top - bottom) for rung in rungs]
    beside = {"transform": axes.transAxes, "clip_on": False}
    for rung, height, place in zip(rungs, heights, spread(heights, _LABEL_HEIGHT), strict=True):
        colour, weight = (INK, "bold") if rung is rungs[-1] else (GREY, "normal")
        axes.axhline(rung.loss, color=colour, linewidth=1.1, zorder=1)
        axes.plot([1.0, 1.025, 1.035], [height, place, place], color=colour, lw=0.8, **beside)
        label = f"{rung.name}: {rung.loss:.4f}"
        axes.text(1.043, place, label, va="center", size=9.5, weight=weight, color=INK, **beside)


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


def save(figure: "Figure", out: Path) -> None:
    """Write any kind of file that matplotlib knows; a PNG with a palette is a third the size."""
    if out.suffix != ".png":
        figure.savefig(out)
        return
    from PIL import Image

    with BytesIO() as drawn:
        figure.savefig(drawn, format="png")
        Image.open(drawn).convert("RGB").quantize(colors=64).save(out, optimize=True)


class Parser(ArgumentParser):
    """Answers a wrong request in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit with 2."""
        self.exit(2, f"lossladder: {message}\n")


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, draw, and say where the picture is."""
    parser = Parser(prog="python -m lossladder.report.picture", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder of a run")
    parser.add_argument("--out", metavar="FILE.png", type=Path, required=True)
    asked = parser.parse_args(words)
    answer(parser, asked.out, lambda: draw(*read(asked.runs)))


def answer(parser: Parser, out: Path, drawn: Callable[[], "Figure"]) -> None:
    """Draw and save a picture; say where it is, or in one line why there is none."""
    try:
        figure = drawn()
        out.parent.mkdir(parents=True, exist_ok=True)
        save(figure, out)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(" ".join(str(error).split()))
    print(f"picture {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
