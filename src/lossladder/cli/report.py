"""The command that writes the report of a sweep."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lossladder.console import Parser

HELP = """Write the report of a sweep: report.html, report.csv and report.png.

python report.py logs/<sweep>                 into the sweep's own folder
python report.py logs/<sweep> --out FOLDER    elsewhere"""


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, write, and say where the page is."""
    from argparse import RawDescriptionHelpFormatter

    parser = Parser(
        prog="python report.py", description=HELP, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="folder of a sweep")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write to")
    asked = parser.parse_args(words)
    # Only now, so that --help and a wrong command line are answered at once.
    from lossladder.report.page import write_report

    try:
        page = write_report(asked.sweep, asked.out)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    print(f"report {page}", file=sys.stderr)
