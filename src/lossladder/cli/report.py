"""The command that writes the report of a sweep."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from lossladder.console import Parser, take_any_text

HELP = """Write the report of a sweep: report.html, report.csv and report.png.

%(prog)s logs/<sweep>                 into the sweep's own folder
%(prog)s logs/<sweep> --out FOLDER    elsewhere"""


def main(words: Sequence[str] | None = None, program: str | None = None) -> None:
    """Read the command line, write, and say where the page is.

    Args:
        words: of the command line; None: those that the program was started with.
        program: what was typed before them; None: this script, or the command that is installed.
    """
    take_any_text()
    # argparse would leave out the `python` that has to be typed before a file
    script = Path(sys.argv[0]).stem
    program = program or (script if script == "lossladder-report" else "python report.py")
    parser = Parser(program, description=HELP, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="folder of a sweep")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write to")
    asked = parser.parse_args(words)
    # drawing takes a second to import, and --help needs none of it
    from lossladder.report.page import write_report

    with parser.refusing():
        page = write_report(asked.sweep, asked.out)
    print(f"report {page}", file=sys.stderr)
