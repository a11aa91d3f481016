"""What a notebook calls: a sweep as a table, curves over their ladder, pictures that stay small."""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossladder.cli.hydra_errors import quoted
from lossladder.cli.main import run
from lossladder.console import WRONG, line
from lossladder.drawing import COLOURS, GREY, INK, png
from lossladder.report.figure import curves_scene, draw
from lossladder.report.search_figure import read_search
from lossladder.report.summary import read_lines
from lossladder.report.sweep_folder import typed
from lossladder.report.table import results

__all__ = ["COLOURS", "GREY", "INK", "Picture", "curves", "panels", "search", "sweep"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

_DPI = 100  # of a picture in a page
_WIDTH = 8.4  # inches, as that of the pictures of a report


def sweep(
    *words: str,
    folder: str | Path,
    jobs: Sequence[Mapping[str, Any]] = (),
    conf: str | Path | None = None,
    packages: Collection[str] = (),
) -> "DataFrame":
    """Make the runs that `python train.py -m *words` would make; none is made twice.

    Args:
        words: as on the command line: "model=rnn,lstm", "seed=range(8)".
        folder: of the sweep; where it holds some of these runs already, they are only read.
        jobs: settings besides the words' combinations, which are made in each of them:
            `[{"optimizer.lr": 0.1, "model.hidden_size": 4}, {"optimizer.lr": 0.01}]`.
        conf: config folder of one's own.
        packages: that a config may name classes of, besides the library's own.
    Returns:
        The table of `results`: one row a run. `status` says which ended badly.
    Raises:
        ValueError: if the request is wrong, with the line that the command would say.
        KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
    """
    argv = ["-m", "trainer.progress=false", *words, f"hydra.sweep.dir={quoted(str(folder))}"]
    if jobs:
        settings = [[f"{key}={quoted(value)}" for key, value in job.items()] for job in jobs]
        argv.append(f"hydra.sweeper.jobs={quoted(settings)}")
    _do(argv, conf, packages)
    return results(folder)


def search(
    *words: str,
    folder: str | Path,
    trials: int = 64,
    conf: str | Path | None = None,
    packages: Collection[str] = (),
) -> "DataFrame":
    """Search settings as `python train.py search=optuna *words` would; go on where it stopped.

    Args:
        words: as on the command line: "optimizer.lr=tag(log,interval(1e-4,1e-1))",
            "model.hidden_size=choice(4,8)", "search.seeds=2".
        folder: of the search; its runs are those of a sweep, and `results` has them one by one.
        trials: how many settings are tried, those included that the folder has already.
        conf: config folder of one's own.
        packages: that a config may name classes of, besides the library's own.
    Returns:
        One row a trial, the best first: what was set, `above_floor` (the median over its seeds,
        nats a step; NaN where it came to no good end), `least` and `most` of its seeds,
        `not_done` (what became of the others), `trial`, its number, and `folders` of its runs.
    Raises:
        ValueError: if the request is wrong, with the line that the command would say.
        KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
    """
    from pandas import DataFrame

    own = ("search=optuna", f"search.trials={trials}", f"hydra.sweep.dir={quoted(str(folder))}")
    _do(["-m", "trainer.progress=false", *words, *own], conf, packages)
    found = read_search(Path(folder))
    return DataFrame(
        {
            **{key: typed(str(value)) for key, value in trial.setting.items()},
            "above_floor": math.nan if trial.above_floor is None else trial.above_floor,
            "least": min(trial.members, default=math.nan),
            "most": max(trial.members, default=math.nan),
            "not_done": trial.not_done,
            "trial": trial.number,
            "folders": [str(Path(folder) / name) for name in trial.folders],
        }
        for trial in (found.trials if found else ())
    )


def _do(argv: Sequence[str], conf: str | Path | None, packages: Collection[str]) -> None:
    """Do what a command line asks for, in silence: a table says it all.

    Raises:
        ValueError: as of `sweep`.
        KeyboardInterrupt: as of `sweep`.
    """
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        outcome = run(argv, None if conf is None else Path(conf), packages)
    if outcome.code == WRONG:
        raise ValueError(line(outcome.complaints[0]))
    # what follows in a notebook must not run
    if outcome.interrupted:
        raise KeyboardInterrupt


class Picture:
    """A figure as a notebook shows it, small enough to be kept with the page.

    Args:
        figure: of matplotlib; its own resolution does not matter.
    """

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    def _repr_png_(self) -> bytes:
        return png(self.figure, _DPI)

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"<a picture of {width * _DPI:.0f} by {height * _DPI:.0f} points>"


def curves(*folders: str | Path) -> Picture:
    """Draw training losses over the exact ladder; a setting's seeds are a median with a band.

    Args:
        folders: of runs or sweeps, all of one task.
    Raises:
        ValueError: if a folder is no run, or climbs another ladder than the first.
    """
    return Picture(draw(curves_scene(*read_lines([Path(folder) for folder in folders]))))


def panels(count: int = 1, height: float = 3.2) -> tuple["Figure", Sequence["Axes"]]:
    """Return a figure and its axes, side by side and as plain as those of `curves`.

    `Picture(figure)` shows it.

    Args:
        count: of axes.
        height: of the figure, inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), facecolor="white", layout="constrained")
    every = [figure.add_subplot(1, count, place + 1) for place in range(count)]
    for axes in every:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(colors=INK, labelcolor=INK)
    return figure, every
