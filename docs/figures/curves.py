"""Loss curves falling onto their ladder, as a picture.

python docs/figures/curves.py RUN [RUN ...] --out FILE.png

A run is a folder with a `result.json`; the folder of a sweep stands for its runs. Runs that differ
in nothing but their seed become one line, their median, with a band from quartile to quartile.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lossladder.console import Parser
from lossladder.report.figure import curves_scene, draw, save
from lossladder.report.summary import read_lines


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, draw, and say where the picture is."""
    parser = Parser(prog="python docs/figures/curves.py", description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder of a run")
    parser.add_argument("--out", metavar="FILE.png", type=Path, required=True)
    asked = parser.parse_args(words)
    with parser.refusing():
        save(draw(curves_scene(*read_lines(asked.runs))), asked.out)
    print(f"picture {asked.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
