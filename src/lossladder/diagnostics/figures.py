"""Diagnostics as pictures, small enough for a card, each with the truth in it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossladder.diagnostics import (
    Automaton,
    Calibration,
    Counterfactual,
    Decoded,
    Gradients,
    Horizon,
    LengthCurve,
    Memory,
    Recurrence,
    Triviality,
)
from lossladder.drawing import COLOURS, GREY, INK
from lossladder.ladder import Rung
from lossladder.runs.result import RungRecord, SnapshotsRecord
from lossladder.tasks import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MINE, OTHER = COLOURS[0], COLOURS[1]
_TRUTH = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 1.4}
_BARE = {"color": GREY, "linewidth": 1.2}
_EDGE = 0.005  # of the width, left free
_MOST_DOTS = 1500
_UP = np.array([0.0, 1.0])
_MOST_STATES = 16  # of a graph that can be read


def of_behaviour(
    found: tuple[SnapshotsRecord, Sequence[Rung | RungRecord]], task: Task
) -> "Figure":
    """Draw how far a network was from the predictor of each rung, by update.

    Args:
        found: the snapshots of a run, and the rungs of its ladder.
        task: of the run.
    """
    record, rungs = found
    figure, axes = _sheet(f"Most like “{record.nearest[-1]}” after {record.updates[-1]:,} updates")
    floor = rungs[-1]
    kept = [rung for rung in rungs if rung.name in record.divergences]
    # those that it was ever like, and both ends
    shown = [rung for rung in kept if rung.name in {*record.nearest, floor.name, rungs[0].name}]
    shown = [*shown[: len(COLOURS) - 1], floor] if len(shown) > len(COLOURS) else shown
    low = min(min(filter(None, record.divergences[rung.name]), default=1.0) for rung in shown)
    low = min(max(low, 1e-6), 1e-2) / 3
    for rung, colour in zip(shown, COLOURS, strict=False):
        away = [max(each or low, low) for each in record.divergences[rung.name]]
        axes.plot(record.updates, away, color=colour, marker="o", markersize=3, label=rung.name)
        if rung is not floor:
            # as far from the floor's predictor is who knows just what this rung knows
            axes.axhline(rung.loss - floor.loss, color=colour, linestyle=(0, (4, 2)), linewidth=1)
        near = [
            at for at, name in zip(record.updates, record.nearest, strict=True) if name == rung.name
        ]
        axes.plot(near, [low] * len(near), color=colour, marker="|", markersize=11,
                  markeredgewidth=3, linewidth=0, clip_on=False)  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(bottom=low)
    if record.updates[-1] > 5 * record.updates[0]:
        axes.set_xscale("log")
    axes.set_xlabel(
        "updates; ticks: the nearest; dashed: the floor's line if just on a rung", fontsize=9
    )
    return _done(figure, axes, f"from its predictor, {task.loss.unit} a step")


def of_calibration(found: Calibration, task: Task) -> "Figure":
    """Draw what is predicted by the exact law, before and after the readout was fitted again."""
    figure, axes = _sheet(
        f"Readout fitted again saves {found.saved:.4f} of {found.refitted.loss + found.saved:.4f}"
    )
    ends = [float(found.law.min()), float(found.law.max())]
    axes.plot(ends, ends, **_TRUTH, label="exact")
    few = slice(None, None, max(1, found.law.numel() // _MOST_DOTS))
    both = (found.own, MINE, "network"), (found.fitted, OTHER, "fitted again")
    for place, (said, colour, label) in enumerate(both):
        # side by side, because many laws are few numbers
        beside = (2 * place - 1) * 0.006 * (ends[1] - ends[0])
        axes.scatter(found.law.flatten()[few] + beside, said.flatten()[few], s=6, color=colour,
                     alpha=0.3, linewidths=0, label=label)  # fmt: skip
    of = "chance of a class" if task.loss.unit == "nats" else "value"
    axes.set_xlabel(f"{of} by the exact law")
    return _done(figure, axes, f"{of}, predicted")


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
    figure, axes = _sheet(f"Nine tenths of what can be known: {found.span}")
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
    """Draw the states of a machine and the symbols that lead from one to another."""
    from matplotlib.patches import FancyArrowPatch

    machine, least = found.machine, "" if found.minimal is None else f", least {found.minimal}"
    states = len(machine)
    figure, axes = _sheet(f"Machine of {states} state{'s' * (states != 1)}{least}; "
                          f"{found.variation:.3f} from the network")  # fmt: skip
    shown = min(states, _MOST_STATES)
    angles = np.pi / 2 - 2 * np.pi * np.arange(shown) / shown
    places = np.stack([1.9 * np.cos(angles), np.sin(angles)], axis=1) * (shown > 1)
    size = 0.24 if shown < 9 else 0.15
    arrows = _arrows(machine.transitions, shown)
    alphabet = machine.transitions.shape[1]
    for (start, end), symbols in arrows.items():
        both_ways = start != end and arrows.get((end, start)) == symbols
        if both_ways and start > end:
            continue  # drawn as the other one, with two heads
        colour = COLOURS[symbols[0]] if len(symbols) == 1 and alphabet <= len(COLOURS) else GREY
        if start == end:
            # outward, where no other arrow comes from
            out = places[start] / max(np.hypot(*places[start]), 1e-9) if shown > 1 else _UP
            aside = np.array([-out[1], out[0]]) * size * 0.5
            ends = [places[start] + out * size * 0.8 + sign * aside for sign in (1, -1)]
            bend, at = -2.2, places[start] + out * size * 2.3
        else:
            way = (places[end] - places[start]) / np.hypot(*(places[end] - places[start]))
            aside = np.array([-way[1], way[0]]) * (not both_ways)
            ends = [
                place + sign * way * size * 1.1 + aside * 0.04
                for place, sign in ((places[start], 1), (places[end], -1))
            ]
            bend, at = -0.12 * (not both_ways), ends[0] + 0.36 * (ends[1] - ends[0]) + aside * 0.11
        arrow = FancyArrowPatch(
            *ends, connectionstyle=f"arc3,rad={bend}", arrowstyle="<|-|>" if both_ways else "-|>",
            mutation_scale=9, color=colour, linewidth=1, shrinkA=0, shrinkB=0,
        )  # fmt: skip
        axes.add_patch(arrow)
        axes.text(at[0], at[1], _symbols_in_words(symbols, alphabet), size=7.5, color=colour,
                  ha="center", va="center",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    for state, (x, y) in enumerate(places):
        likely, ring = int(machine.outputs[state].argmax()), 2.5 * (state == machine.start)
        axes.plot(x, y, "o", markersize=90 * size, color="#E8E8E8", markeredgecolor=INK,
                  markeredgewidth=ring)  # fmt: skip
        axes.text(x, y, f"{likely}\n{machine.outputs[state, likely]:.2f}", size=7.5, color=INK,
                  ha="center", va="center")  # fmt: skip
    axes.set_xlim(-2.75, 2.75)
    axes.set_ylim(-1.65, 1.65)
    axes.axis("off")
    axes.set_position((0.0, 0.09, 1.0, 0.82))
    more = f"; {states - shown} more states" if states > shown else ""
    figure.text(0.02, 0.03, "in a state the likeliest class and its chance; beside an arrow its "
                f"symbols; ringed: the start{more}", size=8, color=INK)  # fmt: skip
    return figure


def _arrows(transitions: NDArray[np.int64], shown: int) -> dict[tuple[int, int], list[int]]:
    """Return the symbols that lead from one state to another, of the first states."""
    found: dict[tuple[int, int], list[int]] = {}
    for start, row in enumerate(transitions[:shown].tolist()):
        for symbol, end in enumerate(row):
            if end < shown:
                found.setdefault((start, end), []).append(symbol)
    return found


def _symbols_in_words(symbols: Sequence[int], of: int) -> str:
    """Return symbols in few letters.

    >>> _symbols_in_words([0, 1, 2], 3), _symbols_in_words([1], 3)
    ('any', '1')
    """
    if len(symbols) == of > 1:
        return "any"
    return ",".join(map(str, symbols[:4])) + "…" * (len(symbols) > 4)


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
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=5, frameon=False, fontsize=8.5,
        labelcolor=INK, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)  # dots are pale where there are many
    # numbers such as -0.75 are wide, and would push the name over the edge
    drawn = axes.yaxis.get_tightbbox()
    over = (_EDGE * figure.bbox.width - drawn.x0) / figure.bbox.width if drawn else 0.0
    if over > 0:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((left + over, bottom, width - over, height))
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
