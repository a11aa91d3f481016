"""The pictures of the page: speeds as bars, growth as curves. Light, legible, small files."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fits import curve, slope
from benchmarks.results import floor, measured, per_second

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _PEERS, _INK, _GREY = "#0072B2", "#C4C4C4", "#333333", "#8C8C8C"
_ENGINES = {"fused": "#0072B2", "stacked": "#009E73", "autograd": "#D55E00"}
_SHOWN = ("echo-4", "echo-16", "count", "parity")


def speeds(contests: Mapping[str, Any], path: Path) -> None:
    """Draw the updates a CPU-second of everybody, contest by contest; the floor is a line."""
    from matplotlib.figure import Figure

    shown = [c for name in _SHOWN if (c := contests["contests"].get(name)) and measured(c)]
    if not shown:
        return
    heights = [len(measured(contest)) + 1.6 for contest in shown]
    figure = Figure(figsize=(8.4, 0.235 * sum(heights) + 0.5), dpi=150, facecolor="white")
    axes = figure.subplots(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axis, contest in zip(axes, shown, strict=True):
        _bars(axis, contest)
    axes[-1].set_xlabel("updates of all members a CPU-second of one core", color=_INK, size=9)
    figure.tight_layout()
    _save(figure, path)


def _bars(axes: "Axes", contest: Mapping[str, Any]) -> None:
    from matplotlib.ticker import NullFormatter

    entries = sorted(measured(contest).values(), key=lambda entry: per_second(entry, "cpu"))
    values = [per_second(entry, "cpu") for entry in entries]
    colours = [_OURS if "**" in entry["label"] else _PEERS for entry in entries]
    labels = [entry["label"].replace("**", "").replace("`", "") for entry in entries]
    axes.barh(labels, values, color=colours, height=0.72)
    for place, value in enumerate(values):
        axes.text(value * 1.08, place, f"{value:,.0f}" if value >= 10 else f"{value:.1f}",
                  va="center", size=8, color=_INK, zorder=3,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
    seconds = floor(contest)
    most = max(values)
    if seconds is not None:
        most = max(most, 1 / seconds)
        axes.axvline(1 / seconds, color=_INK, lw=1, ls=(0, (4, 3)))
        axes.text(1 / seconds, len(values) - 0.35, "floor", ha="center", size=8, color=_INK)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())  # over one decade they would overlap
    axes.set_xlim(min(values) * 0.6, most * 2.2)
    axes.set_title(contest["title"], loc="left", size=10, weight="bold", color=_INK, pad=12)
    _plain(axes)
    axes.tick_params(axis="y", length=0, labelsize=8.5)


def growth(results: Mapping[str, Any], path: Path) -> None:
    """Draw the cost of an update against each size, and memory against the stream."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 7.6), dpi=150, facecolor="white")
    places = figure.subplots(3, 2).ravel()
    used = 0
    for axis in results["axes"].values():
        _curves(places[used], axis)
        used += 1
    streams = results["axes"].get("stream")
    if streams:
        _memory(places[used], streams)
        used += 1
    for place in places[used:]:
        place.set_axis_off()
    figure.tight_layout()
    _save(figure, path)


def _curves(axes: "Axes", axis: Mapping[str, Any]) -> None:
    for engine, points in axis["points"].items():
        sizes, micros = curve(points)
        label = f"{engine}, slope {slope(sizes, micros):+.2f}"
        axes.plot(sizes, micros, "o-", color=_ENGINES[engine], lw=1.6, ms=3.5, label=label)
    of = "a symbol" if "stream" in axis["title"] else "a member's update"
    axes.set_title(f"µs {of}, by {axis['title']}", loc="left", size=9.5, color=_INK)
    axes.set_xscale("log")
    axes.set_yscale("log")
    if axis["points"]:
        axes.legend(fontsize=8, frameon=False)
    _plain(axes)


def _memory(axes: "Axes", axis: Mapping[str, Any]) -> None:
    for engine, points in axis["points"].items():
        sizes = [point["size"] for point in points]
        peaks = [max(one["peak_mb"] for one in point["rounds"]) for point in points]
        axes.plot(sizes, peaks, "o-", color=_ENGINES[engine], lw=1.6, ms=3.5, label=engine)
    axes.set_title(f"peak MB, by {axis['title']}", loc="left", size=9.5, color=_INK)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0, top=1.15 * axes.get_ylim()[1])
    _plain(axes)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.tick_params(labelsize=8, colors=_INK)


def _save(figure: "Figure", path: Path) -> None:
    from PIL import Image

    with BytesIO() as drawn:
        figure.savefig(drawn, format="png")
        Image.open(drawn).convert("RGB").quantize(colors=32).save(path, optimize=True)
