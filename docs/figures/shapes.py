"""The shapes of tasks, side by side: what goes in, what comes out, and a loss on its ladder.

python docs/figures/shapes.py RUN [RUN ...] --out FILE.png

Each run is a column. Above, one sequence of its task: inputs from below, targets above, and the
state that goes from step to step. A step carries input if its symbol differs between sequences.
Below, the training loss of the run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from picture import picture
from torch import Generator, Tensor

from lossladder.drawing import GREY, INK
from lossladder.report.figure import set_scale, updates_axis
from lossladder.report.summary import read_lines
from lossladder.runs.load import load_run
from lossladder.runs.result import RungRecord
from lossladder.tasks import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

_INPUT, _TARGET, _CURVE = "#56B4E9", "#E69F00", "#0072B2"  # Okabe and Ito
_STEPS = 10  # of a sequence at most
_HALF = 0.4  # of a box
_MOST_NAMED = 5  # rungs; where there are more, the first and the last have their names
_SEED = 9  # of the sequence shown: unfold gives a 4


def draw(runs: Sequence[Path]) -> "Figure":
    """Return a figure with a column for each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.3 * len(runs), 4.4), dpi=150, facecolor="white")
    grid = figure.add_gridspec(
        2, len(runs), height_ratios=(1, 2.2), left=0.2 / len(runs), right=0.995, top=0.86,
        bottom=0.105, hspace=0.12, wspace=0.16,
    )  # fmt: skip
    for column, folder in enumerate(runs):
        run = load_run(folder)
        above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        _draw_sequence(above, run.task, named=column == 0)
        above.set_title(
            f"{run.task.shape.replace('_', ' ')}\n", size=14, weight="bold", color=INK, pad=8
        )
        name = f"{run.config['names']['task']}, learnt by {run.config['names']['model']}"
        above.text(0.5, 1.1, name, transform=above.transAxes, ha="center", size=10, color=INK)
        unit = _draw_curve(below, folder)
        if column == 0:
            below.set_ylabel(f"loss, {unit} a step", color=INK)
    return figure


def _draw_sequence(axes: "Axes", task: Task, named: bool) -> None:
    """Draw inputs, state and targets of one sequence, and their names if `named`."""
    steps = min(task.num_steps or _STEPS, _STEPS)
    draw = task.draw(Generator().manual_seed(_SEED), 100, steps)
    scored = torch.ones(steps, dtype=torch.bool) if draw.scored is None else draw.scored[0]
    carries = (draw.inputs != draw.inputs[:1]).any(dim=0)
    first = (_STEPS - steps) / 2
    for step in range(steps):
        x = first + step
        axes.add_patch(_circle(x))
        if step > 0 or task.streams:
            _arrow(axes, (x - 1 + 0.3 * (step > 0), 1), (x - 0.3, 1))
        if bool(carries[step]):
            _box(axes, x, 0, _shown(task, draw.inputs[0, step]), _INPUT)
            _arrow(axes, (x, _HALF), (x, 0.7))
        if bool(scored[step]):
            _box(axes, x, 2, str(int(draw.targets[0, step])), _TARGET)
            _arrow(axes, (x, 1.3), (x, 2 - _HALF))
    # A stream has no end.
    if task.streams:
        _arrow(axes, (first + steps - 0.7, 1), (first + steps, 1))
    for row, word in enumerate(("input", "state", "target") if named else ()):
        axes.text(first - 0.8, row, word, ha="right", va="center", size=10, color=INK)
    axes.set_xlim(-0.8, _STEPS)
    axes.set_ylim(-0.5, 2.5)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _shown(task: Task, symbol: Tensor) -> str:
    """Return a symbol's number where it stands for itself, else what a network sees of it."""
    seen = task.encoding[int(symbol)]
    if len(seen) == len(task.encoding):
        return str(int(symbol))
    return "".join(f"{float(value):g}" for value in seen)


def _circle(x: float) -> "Circle":
    from matplotlib.patches import Circle

    return Circle((x, 1), 0.3, facecolor="#E8E8E8", edgecolor=GREY, linewidth=0.8)


def _box(axes: "Axes", x: float, y: float, word: str, colour: str) -> None:
    from matplotlib.patches import Rectangle

    corner = x - _HALF, y - _HALF
    axes.add_patch(Rectangle(corner, 2 * _HALF, 2 * _HALF, facecolor=colour, alpha=0.85))
    axes.text(x, y, word, ha="center", va="center_baseline", size=10, color=INK)


def _arrow(axes: "Axes", start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>,head_width=0.12,head_length=0.2", "color": GREY,
                    "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _draw_curve(axes: "Axes", folder: Path) -> str:
    """Draw the training loss over its rungs; return the unit of both."""
    from matplotlib.ticker import LogLocator

    ladder, (line,) = read_lines([folder])
    rungs = ladder.rungs
    set_scale(axes, updates_axis([line]))
    # In a narrow column there is room for the powers of ten alone.
    axes.xaxis.set_major_locator(LogLocator())
    axes.plot(line.updates, line.losses[0], color=_CURVE, linewidth=1.9)
    ceiling, floor = rungs[0].loss, rungs[-1].loss
    span = ceiling - floor
    axes.set_ylim(floor - 0.13 * span, max(ceiling + 0.15 * span, float(np.max(line.losses))))
    for rung in rungs:
        axes.axhline(rung.loss, color=INK if rung is rungs[-1] else GREY, lw=1.0, zorder=1)
    for rung in rungs if len(rungs) <= _MOST_NAMED else (rungs[0], rungs[-1]):
        _name(axes, rung, is_floor=rung is rungs[-1])
    return ladder.unit


def _name(axes: "Axes", rung: RungRecord, is_floor: bool) -> None:
    """Name a rung where no falling curve passes: at the right above its line, the floor below."""
    axes.annotate(
        f"{rung.name}: {rung.loss:.4f}",
        (1.0, rung.loss),
        (0, -3.5 if is_floor else 2.5),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="top" if is_floor else "bottom",
        size=9,
        weight="bold" if is_floor else "normal",
        color=INK,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    picture("shapes.py", __doc__, draw, words)


if __name__ == "__main__":
    main()
