"""Diagnostics as pictures, small enough for a card, each with the truth in it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossladder.diagnostics import (
    Automaton,
    Counterfactual,
    Decoded,
    Gradients,
    Horizon,
    LengthCurve,
    Memory,
    Recurrence,
    Triviality,
)
from lossladder.report.figure import COLOURS, GREY, INK
from lossladder.tasks import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MINE, OTHER = COLOURS[0], COLOURS[1]
_TRUTH = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 1.4}
_BARE = {"color": GREY, "linewidth": 1.2}
_MOST_DOTS = 1500
_MOST_STATES, _MOST_SYMBOLS = 16, 12  # of a table that can be read


def of_horizon(found: Horizon, task: Task) -> "Figure":
    """Draw the loss by the number of last inputs that are real, over the exact staircase."""
    figure, axes = _sheet("Loss where only the last inputs are real")
    places = np.arange(len(found.known))
    axes.step(places, found.truth, where="mid", label="exact", **_TRUTH)
    axes.errorbar(places, found.loss, found.error, color=MINE, marker="o", markersize=4,
                  linewidth=1.4, label="network")  # fmt: skip
    axes.set_xticks(places, [*map(str, found.known[:-1]), "all"], fontsize=8)
    axes.set_xlabel("number of last inputs that are real")
    return _done(figure, axes, f"loss at the last step, {found.unit}")


def of_memory(found: Memory, task: Task) -> "Figure":
    """Draw how well the state tells past inputs, beside its controls."""
    most = f" of at most {found.floats}" if found.independent else ""
    figure, axes = _sheet(f"Inputs told by the state: {found.total:.1f}{most} in all")
    _mark_lags(axes, task, found.lags)
    axes.axhline(1, **_TRUTH, label="exact")
    axes.plot(found.lags, found.r2, color=MINE, marker="o", markersize=4, label="network")
    axes.plot(found.lags, found.untrained, color=OTHER, marker="s", markersize=3, label="untrained")
    axes.plot(found.lags, found.shuffled, **_BARE, label="shuffled")
    axes.set_ylim(-0.08, 1.08)
    axes.set_xlabel("steps back")
    return _done(figure, axes, "R2 of the input, held out")


def of_decoding(found: Sequence[Decoded], task: Task) -> "Figure":
    """Draw what a linear readout of the state tells, beside its controls and chance."""
    figure, axes = _sheet("Told by a linear readout of the state")
    places = np.arange(len(found))
    bars = (
        ("value", "network", MINE),
        ("untrained", "untrained", OTHER),
        ("shuffled", "shuffled", GREY),
    )
    for number, (name, label, colour) in enumerate(bars):
        heights = [getattr(each, name) for each in found]
        axes.bar(places + 0.27 * (number - 1), heights, 0.25, color=colour, label=label)
    for place, each in zip(places, found, strict=True):
        axes.plot([place - 0.42, place + 0.42], [each.chance] * 2, color=INK, linewidth=1.2,
                  label="chance" if place == 0 else None)  # fmt: skip
    axes.axhline(1, **_TRUTH, label="exact")
    names = [f"{each.name}\n({each.measure})" for each in found]
    axes.set_xticks(places, names, fontsize=8 if len(found) < 5 else 6)
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.set_ylim(min(0.0, -0.05), 1.08)
    return _done(figure, axes, "R2 or accuracy, held out")


def of_counterfactual(found: Counterfactual, task: Task) -> "Figure":
    """Draw by how much predictions change when the state is moved, by how much they should."""
    figure, axes = _sheet(
        f"State moved: slope {found.slope:.2f}, correlation {found.correlation:.2f}"
    )
    few = slice(None, None, max(1, len(found.change) // _MOST_DOTS))
    ends = [float(found.true_change.min()), float(found.true_change.max())]
    axes.scatter(found.true_change[few], found.change[few], s=7, color=MINE, alpha=0.35,
                 linewidths=0, label="network")  # fmt: skip
    axes.plot(ends, ends, **_TRUTH, label="exact")
    axes.axhline(0, **_BARE)
    axes.set_xlabel(f"change by the exact law ({found.belief})", fontsize=9)
    return _done(figure, axes, "change of the prediction")


def of_length(found: LengthCurve, task: Task) -> "Figure":
    """Draw the loss by length, between the best constant and the floor."""
    kept = "never" if found.longest_kept is None else f"up to {found.longest_kept} steps"
    figure, axes = _sheet(f"Nine tenths of what can be known: {kept}")
    axes.plot(found.lengths, found.ceiling, **_BARE, label="best constant")
    axes.plot(found.lengths, found.floor, **_TRUTH, label="floor")
    axes.errorbar(found.lengths, found.loss, found.error, color=MINE, marker="o", markersize=4,
                  label="network")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(found.lengths, map(str, found.lengths), fontsize=8)
    axes.minorticks_off()
    where = "stream, state carried" if found.carried else "sequence"
    axes.set_xlabel(
        f"steps since the start of the {where}; trained: {found.lengths[0]}", fontsize=9
    )
    return _done(figure, axes, f"loss, {found.unit} a step")


def of_automaton(found: Automaton, task: Task) -> "Figure":
    """Draw the table of a machine: the next state by state and symbol, and what each predicts."""
    machine, least = found.machine, "" if found.minimal is None else f", least {found.minimal}"
    states = len(machine)
    figure, axes = _sheet(f"Machine of {states} state{'s' * (states != 1)}{least}; "
                          f"{found.variation:.3f} from the network")  # fmt: skip
    moves = machine.transitions[:_MOST_STATES, :_MOST_SYMBOLS]
    rows, columns = moves.shape
    axes.imshow(moves % 8, cmap="Pastel1", vmin=0, vmax=8, aspect="auto")
    for row in range(rows):
        for column in range(columns):
            axes.text(column, row, moves[row, column], ha="center", va="center", size=9, color=INK)
        best = int(machine.outputs[row].argmax())
        axes.text(columns - 0.4, row, f"class {best}: {machine.outputs[row, best]:.2f}", size=8,
                  va="center", color=INK)  # fmt: skip
    axes.set_xticks(range(columns))
    axes.set_yticks(
        range(rows), [f"{row}{' start' * (row == machine.start)}" for row in range(rows)]
    )
    if (rows, columns) != machine.transitions.shape:
        axes.annotate("…", (1.0, -0.1), xycoords="axes fraction", color=INK)
    axes.set_xlabel(
        "symbol; in the table the next state, beside it the likeliest class", fontsize=9
    )
    axes.set_ylabel("state", color=INK)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.spines[:].set_visible(False)
    axes.set_position((0.14, 0.15, 0.66, 0.7))
    return figure


def of_recurrence(found: tuple[Recurrence, Gradients], task: Task) -> "Figure":
    """Draw eigenvalues of the steps in the unit circle, and gradients by lag."""
    from matplotlib.figure import Figure

    moves, back = found
    figure = Figure(figsize=(5.6, 3.5), dpi=150, facecolor="white")
    left, right = (
        figure.add_axes((0.12, 0.16, 0.36, 0.66)),
        figure.add_axes((0.6, 0.16, 0.38, 0.66)),
    )
    around = np.linspace(0, 2 * math.pi, 200)
    left.plot(np.cos(around), np.sin(around), **_TRUTH)
    size = _cyclic(task)
    for turn in range(size):
        angle = 2 * math.pi * turn / size
        left.plot([0, math.cos(angle)], [0, math.sin(angle)], **_BARE, zorder=0)
    values = moves.eigenvalues[:: max(1, moves.eigenvalues.numel() // _MOST_DOTS)].flatten()
    left.scatter(values.real, values.imag, s=5, color=MINE, alpha=0.35, linewidths=0)
    left.set_aspect("equal", adjustable="datalim")
    left.set_xlabel("real", fontsize=9)
    left.set_ylabel("imaginary", color=INK, fontsize=9)
    rays = f"; lines: 2π/{size}" if size else ""
    left.set_title(f"eigenvalues of steps{rays}", size=10, color=INK)
    _mark_lags(right, task, back.lags)
    for values_by_lag, colour, label in (
        (back.inputs, MINE, "input"),
        (back.states, OTHER, "state"),
    ):
        shown = values_by_lag.clamp(min=1e-12)
        right.plot(back.lags, shown, color=colour, marker="o", markersize=3, label=label)
    right.set_yscale("log")
    right.set_xlabel("steps back", fontsize=9)
    right.set_title("gradient of the loss, per unit", size=10, color=INK)
    right.legend(frameon=False, fontsize=8, labelcolor=INK)
    first = ", ".join(f"{each:.2f}" for each in moves.exponents[:3].tolist())
    figure.text(0.02, 0.93, f"Spectral radius {moves.radius:.2f}; exponents {first} nats a step",
                size=11, weight="bold", color=INK)  # fmt: skip
    for axes in (left, right):
        _plain(axes)
    return figure


def of_triviality(found: Triviality, task: Task) -> "Figure":
    """Draw the losses of random networks, between the best constant and the floor."""
    figure, axes = _sheet(f"{len(found.losses)} networks with random weights")
    # those far above the ceiling are bad in no telling way
    top = found.ceiling + 1.5 * max(found.ceiling - found.floor, 1e-3)
    axes.hist(found.losses.clamp(max=top).numpy(), bins=30, color=OTHER, label="random")
    for value, label, style in (
        (found.floor, "floor", _TRUTH),
        (found.ceiling, "best constant", _BARE),
        (found.network, "network", {"color": MINE, "linewidth": 2}),
    ):
        axes.axvline(value, label=label, **style)
    axes.set_xlabel(f"loss, {found.unit} a step")
    return _done(figure, axes, "random networks")


def _sheet(title: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.5), dpi=150, facecolor="white")
    axes = figure.add_axes((0.12, 0.17, 0.85, 0.64))
    figure.text(0.02, 0.93, title, size=11, weight="bold", color=INK)
    return figure, axes


def _done(figure: "Figure", axes: "Axes", name: str) -> "Figure":
    axes.set_ylabel(name, color=INK)
    _plain(axes)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=5, frameon=False, fontsize=8.5,
        labelcolor=INK, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
    return figure


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)


def _mark_lags(axes: "Axes", task: Task, shown: Sequence[int]) -> None:
    """Mark the lags that a task looks at, where it has some."""
    for lag in getattr(task, "lags", ()):
        if lag in shown:
            axes.axvline(lag, color=GREY, linewidth=5, alpha=0.25, zorder=0)


def _cyclic(task: Task) -> int:
    """Return the order of the cyclic group of a task; 0: it has none."""
    name = getattr(task, "group", "")
    return int(name[1:]) if isinstance(name, str) and name[:1] == "Z" and name[1:].isdigit() else 0
