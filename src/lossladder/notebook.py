"""What a notebook calls: a sweep as a table, curves over their ladder, pictures that stay small."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossladder.cli.hydra_errors import quoted
from lossladder.cli.main import run
from lossladder.console import WRONG, line
from lossladder.report.figure import COLOURS, GREY, INK, curves_scene, draw, png
from lossladder.report.summary import read_lines
from lossladder.report.table import results

__all__ = ["COLOURS", "GREY", "INK", "Picture", "curves", "panels", "sweep"]

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
    # the table says it all
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        outcome = run(argv, None if conf is None else Path(conf), packages)
    if outcome.code == WRONG:
        raise ValueError(line(outcome.complaints[0]))
    # what follows in a notebook must not run
    if outcome.interrupted:
        raise KeyboardInterrupt
    return results(folder)


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
