"""What a notebook calls: a sweep as a table, curves over their ladder, pictures that stay small."""

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from lossladder import cli
from lossladder.report.picture import COLOURS, GREY, INK, draw, png, read
from lossladder.report.results import results

__all__ = ["COLOURS", "GREY", "INK", "Picture", "curves", "panels", "sweep"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

_DPI = 100  # of a picture in a page
_WIDTH = 8.4  # inches, as that of the pictures of a report


def sweep(*words: str, folder: str | Path) -> "DataFrame":
    """Make the runs that `python train.py -m *words` would make; none is made twice.

    Args:
        words: as on the command line: "model=rnn,lstm", "seed=range(8)".
        folder: of the sweep; where it holds some of these runs already, they are only read.
    Returns:
        The table of `results`: one row a run. `status` says which ended badly.
    Raises:
        ValueError: if the request is wrong, with the line that the command would say.
        KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
    """
    asked = ["train.py", "-m", "trainer.progress=false", *words, f"hydra.sweep.dir={_word(folder)}"]
    said = StringIO()
    before, sys.argv = sys.argv, asked  # Hydra reads the command line, and nothing else
    try:
        with redirect_stdout(StringIO()), redirect_stderr(said):
            code = cli.run()
    finally:
        sys.argv = before
    if code == cli.WRONG:
        raise ValueError(said.getvalue().strip())
    _, _, last = said.getvalue().rpartition("lossladder: ")
    if last.startswith("interrupted"):  # what follows in a notebook must not run
        raise KeyboardInterrupt
    return results(folder)


def _word(folder: str | Path) -> str:
    """A folder as Hydra reads it back, quoted where its grammar wants it."""
    name = str(folder)
    if re.fullmatch(r"[\w./-]+", name):
        return name
    escaped = name.replace("'", "\\'")
    return f"'{escaped}'"


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
    """Training losses over the exact ladder; a setting's seeds are a median with a band.

    Args:
        folders: of runs or sweeps, all of one task.
    Raises:
        ValueError: if a folder is no run, or climbs another ladder than the first.
    """
    return Picture(draw(*read([Path(folder) for folder in folders])))


def panels(count: int = 1, height: float = 3.2) -> tuple["Figure", Sequence["Axes"]]:
    """A figure with axes side by side, as plain as those of `curves`; show it by `Picture`.

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
