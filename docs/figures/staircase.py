"""Losses that fall out of short strings onto the rungs of a group, as a picture.

python docs/figures/staircase.py SWEEP [SWEEP ...] --out FILE.png

Each sweep of `task=words` on endless streams is a panel, each of its runs a line: the loss of a
trained network at the first, the second, ... letter of new streams, with the state carried.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from picture import picture
from torch import Generator

from lossladder.drawing import COLOURS, GREY, INK
from lossladder.models import Network
from lossladder.runs.load import load_run
from lossladder.tasks import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STREAMS = 64
_LETTERS = 2**16
_PIECE = 1024  # letters at once
_A_DOUBLING = 8  # points
_BEHIND = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


@torch.no_grad()
def losses(network: Network, task: Words) -> NDArray[np.float64]:
    """Return the mean loss at each letter of new streams, nats."""
    generator, state, past = Generator().manual_seed(0), None, None
    parts: list[NDArray[np.float64]] = []
    for _ in range(_LETTERS // _PIECE):
        draw = task.draw(generator, _STREAMS, _PIECE, past)
        outputs, state = network(task.features(draw.inputs), state)
        parts.append(task.losses(outputs.double(), draw.targets.long()).mean(dim=0).numpy())
        past = draw.after
    return np.concatenate(parts)


def points(by_letter: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return letters, evenly on a logarithmic axis, and the mean loss around each."""
    count = int(math.log2(len(by_letter))) * _A_DOUBLING
    edges = np.unique(np.geomspace(1, len(by_letter) + 1, count + 1).astype(int)) - 1
    means = [by_letter[first:end].mean() for first, end in pairwise(edges)]
    return np.sqrt((edges[:-1] + 1.0) * edges[1:]), np.array(means)


def draw(sweeps: Sequence[Path]) -> "Figure":
    """Return a figure with a panel for each sweep."""
    from matplotlib.figure import Figure

    torch.set_num_threads(1)
    figure = Figure(figsize=(4.6 * len(sweeps), 4.2), dpi=150, facecolor="white")
    grid = figure.add_gridspec(
        1, len(sweeps), left=0.12 / len(sweeps), right=0.975, top=0.86, bottom=0.13, wspace=0.16
    )
    for column, sweep in enumerate(sweeps):
        _panel(figure.add_subplot(grid[0, column]), sweep, named=column == 0)
    return figure


def _panel(axes: "Axes", sweep: Path, named: bool) -> None:
    folders = sorted(path.parent for path in sweep.rglob("result.json"))
    if not folders:
        raise ValueError(f"{sweep}: has no runs that have ended")
    colours: dict[str, str] = {}
    for folder in folders:
        run = load_run(folder)
        task, name = run.task, run.config["names"]["model"]
        if not isinstance(task, Words):
            raise ValueError(f"{folder}: is no run of task=words")
        colour = colours.setdefault(name, COLOURS[len(colours)])
        label = name if len(colours) > len(axes.get_legend_handles_labels()[0]) else None
        letters, means = points(losses(run.network, task))
        axes.plot(letters, means, color=colour, lw=1, alpha=0.75, label=label)
    for rung in task.ladder():
        axes.axhline(rung.loss, color=GREY, lw=0.8, ls=(0, (4, 3)), zorder=0)
        axes.text(0.985 * _LETTERS, rung.loss, f"{rung.name} {rung.loss:.3f}", size=8, color=INK,
                  ha="right", va="center", bbox=_BEHIND)  # fmt: skip
    top = task.ladder().ceiling.loss
    axes.set_xscale("log", base=2)
    axes.set_xlim(1, _LETTERS)
    # far above the ceiling is far above it, however far
    axes.set_ylim(-0.05 * top, 1.35 * top)
    axes.set_title(f"words of {task.group}, {len(folders)} runs", size=11, color=INK, pad=22)
    axes.set_xlabel("letters since the start of the stream", color=INK)
    if named:
        axes.set_ylabel("loss, nats a letter", color=INK)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.99), ncols=3, fontsize=8, frameon=False)


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    picture("staircase.py", __doc__, draw, words, each="sweep")


if __name__ == "__main__":
    main()
