"""The command line of the programs that draw folders of runs: which ones, and where it goes."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from overview import put

from lossladder.console import Parser
from lossladder.drawing import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(
    program: str,
    about: str | None,
    draw: "Callable[[Sequence[Path]], Figure]",
    words: Sequence[str] | None,
    each: str = "run",
    table: Callable[[Sequence[Path]], str] | None = None,
    mark: str = "",
) -> None:
    """Read the command line, draw, and say where the picture is.

    Args:
        program: name of its file.
        about: what it says of itself.
        draw: folders -> figure.
        words: of the command line; None: those that the program was started with.
        each: what the folders are of.
        table: folders -> Markdown, if the program makes a table as well.
        mark: between which of a page it goes; see `put`.
    """
    parser = Parser(prog=f"python docs/figures/{program}", description=about)
    parser.add_argument(
        "folders", metavar=each.upper(), nargs="+", type=Path, help=f"folder of a {each}"
    )
    parser.add_argument("--out", metavar="FILE.png", type=Path, required=True)
    if table is not None:
        parser.add_argument("--into", metavar="PAGE.md", type=Path, help="page with the marks")
    asked = parser.parse_args(words)
    with parser.refusing():
        save(draw(asked.folders), asked.out)
        if table is not None and asked.into is not None:
            put(table(asked.folders), asked.into, mark)
    print(f"picture {asked.out}", file=sys.stderr)
