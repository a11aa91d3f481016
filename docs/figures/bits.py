"""Loss against bits of state, over the bound that no network of so many bits goes below.

python docs/figures/bits.py SWEEP [SWEEP ...] --out FILE.png

Each sweep is a panel, of one task with different `model.bits` and `model.hidden_size`; each of its
runs is a dot.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from picture import picture

from lossladder.drawing import COLOURS, GREY, INK
from lossladder.models.bits import Bits
from lossladder.runs.load import Run, load_run
from lossladder.theory.state_bits import least_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(sweeps: Sequence[Path]) -> "Figure":
    """Return a figure with a panel for each sweep."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(sweeps), 3.8), dpi=150, facecolor="white")
    panels = figure.subplots(1, len(sweeps), squeeze=False)[0]
    for axes, sweep in zip(panels, sweeps, strict=True):
        _panel(axes, [load_run(path.parent) for path in sorted(sweep.glob("*/result.json"))])
    panels[0].set_ylabel("loss, nats a scored step", color=INK)
    figure.tight_layout()
    return figure


def _panel(axes: "Axes", runs: Sequence[Run]) -> None:
    found: dict[int, list[tuple[int, float]]] = {}
    for run in runs:
        recurrent = run.network.recurrent
        assert isinstance(recurrent, Bits)
        assert recurrent.dynamics is not None
        assert recurrent.dynamics.bits is not None
        if run.result.loss is not None:
            dot = recurrent.dynamics.bits, run.result.loss
            found.setdefault(recurrent.bits, []).append(dot)
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


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    picture("bits.py", __doc__, draw, words, each="sweep")


if __name__ == "__main__":
    main()
