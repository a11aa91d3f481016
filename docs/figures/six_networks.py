"""What six kinds of networks learn of echo: flips and horizons beside the truth, in one figure.

python docs/figures/six_networks.py SWEEP [SWEEP ...] --out FILE.png --into docs/diagnostics.md

Runs that differ in nothing but their seed are one kind; `make six` trains them. The table goes
between the marks `<!-- six networks -->` and `<!-- /six networks -->`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from overview import machine
from picture import picture

from lossladder.data.datamodule import seeded
from lossladder.diagnostics import Horizon, horizon, memory
from lossladder.drawing import COLOURS, GREY, INK
from lossladder.runs.load import Run, load_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LAGS = range(13)  # flipped
_HEAD = (
    "| network | seeds | loss | flip 3 back, of +.5 | flip 8 back, of -.25 | elsewhere: mean, any "
    "| horizon off by | memory |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Looked:
    """A network, looked into.

    Args:
        loss: of the run.
        effects: of a flip, by lag.
        true_effects: the same of the exact law.
        horizon: of the network.
        memory: of its state, floats.
    """

    loss: float
    effects: np.ndarray
    true_effects: np.ndarray
    horizon: Horizon
    memory: float

    @property
    def off(self) -> float:
        """Return how far the horizon is from the exact staircase, at most."""
        return float((self.horizon.loss - self.horizon.truth).abs().max())


@cache
def looked_into(sweeps: tuple[Path, ...]) -> Mapping[str, list[Looked]]:
    """Return the networks of sweeps by their kind, those of lowest loss first."""
    found: dict[str, list[Looked]] = {}
    for path in sorted(path.parent for sweep in sweeps for path in sweep.glob("*/result.json")):
        run = load_run(path)
        found.setdefault(_kind(run), []).append(_look(run))
    return dict(sorted(found.items(), key=lambda pair: np.mean([each.loss for each in pair[1]])))


def _kind(run: Run) -> str:
    units, steps = run.config["model"]["hidden_size"], run.config["data"]["bptt_steps"]
    alone = run.config["readout"]["alone"]
    return f"{units} units, " + ("frozen" if alone else f"bptt {steps}")


def _look(run: Run) -> Looked:
    assert run.result.loss is not None
    by_lag = {use["lag"]: use for use in run.result.uses or ()}
    effects, true_effects = (
        np.array([by_lag[lag][key] for lag in _LAGS]) for key in ("effect", "true_effect")
    )
    random = seeded("measuring", run.parts.data.validation_seed)
    return Looked(
        run.result.loss,
        effects,
        true_effects,
        horizon(run.network, run.task, random),
        memory(run.network, run.task, random).total,
    )


def draw(sweeps: Sequence[Path]) -> "Figure":
    """Return a figure with a column for each kind: flips above, horizons below."""
    from matplotlib.figure import Figure

    kinds = looked_into(tuple(sweeps))
    figure = Figure(figsize=(2.1 * len(kinds) + 0.8, 5.0), dpi=110, facecolor="white")
    panels = figure.subplots(2, len(kinds), sharey="row", squeeze=False)
    for (kind, networks), (above, below) in zip(kinds.items(), panels.T, strict=True):
        above.set_title(kind, size=11, color=INK)
        _flips(above, networks)
        _horizons(below, networks)
    panels[0, 0].set_ylabel("change of the chance of a one", color=INK)
    panels[1, 0].set_ylabel("loss at the last step, nats", color=INK)
    panels[0, -1].legend(frameon=False, fontsize=8, loc="upper right", labelcolor=INK)
    figure.tight_layout()
    return figure


def _flips(axes: "Axes", networks: Sequence[Looked]) -> None:
    axes.bar(_LAGS, networks[0].true_effects, 0.8, color=GREY, alpha=0.4, label="exact")
    for number, each in enumerate(networks):
        axes.plot(_LAGS, each.effects, "o", ms=2.8, color=COLOURS[0], alpha=0.7,
                  label="a network" if number == 0 else None)  # fmt: skip
    axes.axhline(0, color=INK, lw=0.6)
    axes.set_xlabel("input flipped, steps back", fontsize=9, color=INK)
    axes.set_xticks(_LAGS[::4])


def _horizons(axes: "Axes", networks: Sequence[Looked]) -> None:
    first = networks[0].horizon
    places = np.arange(len(first.known))
    axes.step(places, first.truth, where="mid", color=INK, ls=(0, (4, 2)), lw=1.4)
    for each in networks:
        axes.plot(places, each.horizon.loss, "o-", ms=2.8, lw=0.8, color=COLOURS[0], alpha=0.7)
    shown = [*range(0, len(places) - 2, 4), len(places) - 1]
    names = [*map(str, first.known[:-1]), "all"]
    axes.set_xticks(shown, [names[place] for place in shown])
    axes.set_xlabel("last inputs that are real", fontsize=9, color=INK)


def table(sweeps: Sequence[Path]) -> str:
    """Return a Markdown table, a row for each kind."""
    kinds = looked_into(tuple(sweeps))
    rows = [_row(kind, networks) for kind, networks in kinds.items()]
    return "\n".join([_HEAD, *rows, "", f"Mean ± standard deviation over seeds, on {machine()}."])


def _row(kind: str, networks: Sequence[Looked]) -> str:
    effects = np.array([each.effects for each in networks])
    vain = networks[0].true_effects == 0
    elsewhere = abs(effects[:, vain].mean(axis=0)).max(), abs(effects[:, vain]).max()
    losses, off, held = (
        np.array([getattr(each, name) for each in networks]) for name in ("loss", "off", "memory")
    )
    cells = (
        *(kind, str(len(networks)), _spread(losses, 4), _spread(effects[:, 3], 3, "+")),
        _spread(effects[:, 8], 3, "+"),
        "{:.3f}, {:.3f}".format(*elsewhere),
        f"{_spread(off, 4)}; {off.max():.4f}",
        _spread(held, 1),
    )
    return f"| {' | '.join(cells)} |"


def _spread(values: np.ndarray, digits: int, sign: str = "") -> str:
    return f"{values.mean():{sign}.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    torch.set_num_threads(1)  # matrices so small gain nothing from more
    picture("six_networks.py", __doc__, draw, words, each="sweep", table=table, mark="six networks")


if __name__ == "__main__":
    main()
