"""Loss curves falling onto their ladder, as a picture.

python docs/figures/curves.py RUN [RUN ...] --out FILE.png

A run is a folder with a `result.json`; the folder of a sweep stands for its runs. Runs that differ
in nothing but their seed become one line, their median, with a band from quartile to quartile.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from picture import picture

from lossladder.report.figure import curves_scene, draw
from lossladder.report.summary import read_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _curves(runs: Sequence[Path]) -> "Figure":
    return draw(curves_scene(*read_lines(runs)))


def main(words: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    picture("curves.py", __doc__, _curves, words)


if __name__ == "__main__":
    main()
