"""The map: what the networks that come with the library learn, as a table of networks by tasks.

python docs/figures/map.py --into docs/passport.md

replaces what stands between the marks `<!-- map -->` and `<!-- /map -->`.
"""

from collections.abc import Sequence
from pathlib import Path

from overview import put

from lossladder.console import Parser
from lossladder.report.passport import PassportRow, median_known, references, seeds_of, solved
from lossladder.report.passport_page import networks_of


def table(rows: Sequence[PassportRow]) -> str:
    """Return how many seeds stand on the floor, or else what they know, and theory's bounds."""
    names, lines = networks_of(rows), list[str]()
    for (entry, _), networks in seeds_of(rows).items():
        cells = [cell(networks[name]) if name in networks else "–" for name in names]
        lines.append(f"| {entry.partition('/')[2].replace('_', ' ')} | {' | '.join(cells)} |")
    head = f"| task | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    return "\n".join([head, *lines])


def cell(rows: Sequence[PassportRow]) -> str:
    """Return the seeds of a network on a task in a few letters."""
    share = solved(rows)
    bound = any(mark[2] == "lower" for row in rows for mark in row.theory)
    known = "" if share.count == share.of else f", {100 * max(0.0, median_known(rows)):.0f} %"
    return f"{share.count}/{share.of}{known}{' ≥' if bound else ''}"


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/map.py", description=__doc__)
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    with parser.refusing():
        put(table(references()), parser.parse_args().into, "map")
