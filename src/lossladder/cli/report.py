"""The command that writes the report of a sweep."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from pathlib import Path

from lossladder.console import Parser, take_any_text

HELP = """Write the report of a sweep: report.html, report.csv and report.png.

%(prog)s logs/<sweep>                 into the sweep's own folder
%(prog)s logs/<sweep> --out FOLDER    elsewhere
%(prog)s logs/<sweep> --diagnostics all    with what the best and the median network learned

--diagnostics takes names, too (horizon,decoding): docs/diagnostics.md. They take minutes."""


def main(
    words: Sequence[str] | None = None,
    program: str | None = None,
    packages: Collection[str] = (),
) -> None:
    """Read the command line, write, and say where the page is.

    Args:
        words: of the command line; None: those that the program was started with.
        program: what was typed before them; None: this script, or the command that is installed.
        packages: that configs of runs may name classes of, besides the library's own.
    """
    take_any_text()
    # argparse would leave out the `python` that has to be typed before a file
    script = Path(sys.argv[0]).stem
    program = program or (script if script == "lossladder-report" else "python report.py")
    parser = Parser(program, description=HELP, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="folder of a sweep")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write to")
    parser.add_argument(
        "--diagnostics", metavar="NAMES", default="", help="of the best and the median network"
    )
    asked = parser.parse_args(words)
    # drawing takes a second to import, and --help needs none of it
    from lossladder.report.page import write_report

    with parser.refusing():
        names = [name for name in asked.diagnostics.split(",") if name]
        page = write_report(asked.sweep, asked.out, names, packages)
    print(f"report {page}", file=sys.stderr)
