"""Loss against bits of state, over the bound that no network of so many bits goes below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossladder.drawing import COLOURS, GREY, INK
from lossladder.runs.load import Run
from lossladder.theory.state_bits import least_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_bits(panels: Sequence[Sequence[Run]]) -> "Figure":
    """Return a figure with a panel for each task.

    Args:
        panels: runs of a task with different `model.bits` and `model.hidden_size`; each is a dot.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 3.8), dpi=150, facecolor="white")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, runs in zip(places, panels, strict=True):
        _panel(axes, runs)
    places[0].set_ylabel("loss, nats a scored step", color=INK)
    figure.tight_layout()
    return figure


def _panel(axes: "Axes", runs: Sequence[Run]) -> None:
    found: dict[int, list[tuple[int, float]]] = {}
    for run in runs:
        dynamics, loss = run.network.recurrent.dynamics, run.result.loss
        if dynamics is not None and dynamics.bits is not None and loss is not None:
            found.setdefault(run.config["model"]["bits"], []).append((dynamics.bits, loss))
    task, ladder = runs[0].task, runs[0].parts.data.ladder()
    most = max(bits for dots in found.values() for bits, _ in dots)
    bits = np.arange(most + 1)
    bound = np.array([least_loss(task, int(b), ladder) or 0.0 for b in bits])
    axes.fill_between(bits, 0, bound, color=GREY, alpha=0.25, lw=0)
    axes.plot(bits, bound, color=INK, lw=1.2, label="nobody below")
    for colour, (each, dots) in zip(COLOURS, sorted(found.items()), strict=False):
        kept, losses = zip(*dots, strict=True)
        unit = "1 bit a unit" if each == 1 else f"{each} bits a unit"
        axes.plot(kept, losses, "o", ms=4, alpha=0.7, color=colour, label=unit)
    axes.set_xlim(0, most * 1.03)
    axes.set_ylim(0, 1.08 * ladder.ceiling.loss)
    axes.set_title(f"{runs[0].result.task}, {len(runs)} runs", size=11, color=INK)
    axes.set_xlabel("bits of state", color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper right")
