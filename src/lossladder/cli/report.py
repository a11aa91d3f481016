"""The command that writes the report of a sweep."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from pathlib import Path

from lossladder.console import Parser, take_any_text

HELP = """Write the report of a sweep: report.html, report.csv and report.png; of a suite also its
passport: passport.html, passport.csv and passport.png.

%(prog)s logs/<sweep>                 into the sweep's own folder
%(prog)s logs/<sweep> --out FOLDER    elsewhere
%(prog)s logs/<sweep> --diagnostics all    with what the best and the median network learned
%(prog)s passports A.csv B.csv ...    several passports on one page, passport.html, here

--diagnostics takes names, too (horizon,decoding): docs/diagnostics.md. They take minutes."""
_PASSPORTS = "passports"


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
    words = sys.argv[1:] if words is None else words
    if words[:1] == [_PASSPORTS]:
        _passports(words[1:], f"{program} {_PASSPORTS}")
        return
    parser = Parser(program, description=HELP, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP", type=Path, help="folder of a sweep")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="folder to write to")
    parser.add_argument(
        "--diagnostics", metavar="NAMES", default="", help="of the best and the median network"
    )
    asked = parser.parse_args(words)
    # drawing takes a second to import, and --help needs none of it
    from lossladder.report.page import write_report
    from lossladder.report.passport import runs_asked
    from lossladder.report.passport_page import write_passport_page
    from lossladder.report.sweep_folder import read_sweep

    with parser.refusing():
        names = [name for name in asked.diagnostics.split(",") if name]
        sweep = read_sweep(asked.sweep)
        # of a suite, its passport has them, of every task
        own = [] if runs_asked(sweep) else names
        print(f"report {write_report(sweep, asked.out, own, packages)}", file=sys.stderr)
        if (passport := write_passport_page(sweep, asked.out, names, packages)) is not None:
            print(f"passport {passport}", file=sys.stderr)


def _passports(words: Sequence[str], program: str) -> None:
    """Put several passports on one page."""
    parser = Parser(program, description="Put several passports on one page, with one picture.")
    parser.add_argument("tables", metavar="PASSPORT.csv", nargs="+", type=Path)
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="default: here")
    asked = parser.parse_args(words)
    from lossladder.report.passport_page import compare_passports

    with parser.refusing():
        page = compare_passports(asked.tables, asked.out)
    print(f"passports {page}", file=sys.stderr)
