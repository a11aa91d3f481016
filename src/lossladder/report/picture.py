"""Loss curves falling onto their ladder, as a picture."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from lossladder.report.layout import across, limits, picked, spread, ticks
from lossladder.report.summary import Line
from lossladder.report.sweep_folder import LadderRecord
from lossladder.runs.result import RungRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito: told apart by every kind of eye, and in print
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, GREY = "#333333", "#8C8C8C"
_LABEL_HEIGHT = 0.051  # of the axes
_LEFT, _RIGHT = 0.085, 0.985  # of the figure


def draw(ladder: LadderRecord, lines: Sequence[Line]) -> "Figure":
    """Curves in colour, rungs in grey, each named at its right end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.7), dpi=200, facecolor="white")
    axes = figure.add_axes((_LEFT, 0.115, 0.69, 0.74))
    scale(axes, lines)
    axes.set_ylabel(f"loss, {ladder.unit} a step", color=INK)
    _draw_rungs(axes, picked(ladder.rungs), lines)
    for line, colour in zip(lines, COLOURS * len(lines), strict=False):
        _draw_line(axes, line, colour)
    figure.text(_LEFT, 0.945, ladder.task, size=15, weight="bold", color=INK)
    figure.text(_RIGHT, 0.945, _seeds(lines), size=9.5, ha="right", color=GREY)
    _draw_legend(figure, axes, columns=min(len(lines), 5))
    return figure


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
    first, last = across(lines)
    axes.set_xscale("log")
    axes.set_xlim(first, last)
    axes.set_xticks(ticks(first, last), minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda update, _: f"{update:,.0f}")
    axes.set_xlabel("updates", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK)


def _draw_line(axes: "Axes", line: Line, colour: str) -> None:
    low, middle, high = line.quartiles()
    dot = len(line.updates) == 1  # nothing to draw a line through
    if len(line.losses) > 1:
        width = 6 if dot else 0
        axes.fill_between(line.updates, low, high, color=colour, alpha=0.2, linewidth=width)
    marker = "o" if dot else None
    axes.plot(line.updates, middle, color=colour, linewidth=1.9, label=line.label, marker=marker)


def _draw_rungs(axes: "Axes", rungs: Sequence[RungRecord], lines: Sequence[Line]) -> None:
    """Lines across the picture, and their names beside it, where none covers another."""
    bottom, top = limits(rungs, lines)
    axes.set_ylim(bottom, top)
    heights = [(rung.loss - bottom) / (top - bottom) for rung in rungs]
    beside = {"transform": axes.transAxes, "clip_on": False}
    for rung, height, place in zip(rungs, heights, spread(heights, _LABEL_HEIGHT), strict=True):
        colour, weight = (INK, "bold") if rung is rungs[-1] else (GREY, "normal")
        axes.axhline(rung.loss, color=colour, linewidth=1.1, zorder=1)
        axes.plot([1.0, 1.025, 1.035], [height, place, place], color=colour, lw=0.8, **beside)
        label = f"{rung.name}: {rung.loss:.4f}"
        axes.text(1.043, place, label, va="center", size=9.5, weight=weight, color=INK, **beside)


def save(figure: "Figure", out: Path) -> None:
    """Write any kind of file that matplotlib knows."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix != ".png":
        figure.savefig(out)
        return
    out.write_bytes(png(figure))


def png(figure: "Figure", dpi: float | None = None) -> bytes:
    """A figure as a PNG with a palette, a third the size of one without.

    Args:
        figure: to be drawn.
        dpi: points an inch; None: the figure's own.
    """
    from PIL import Image

    with BytesIO() as drawn, BytesIO() as packed:
        figure.savefig(drawn, format="png", dpi=dpi or "figure")
        Image.open(drawn).convert("RGB").quantize(colors=64).save(packed, "png", optimize=True)
        return packed.getvalue()
