"""Published results beside ours, as a table, from the passports of suite=published and suite=mqar.

python docs/figures/published.py logs/published/passport.csv --into docs/tasks.md --mark published

A cell is how many seeds stand on the floor and what the median one knows, or where longer sequences
were tried: what it knows of the trained ones, and of eight times as many steps.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from map import cell
from overview import put

from lossladder.console import Parser
from lossladder.report.passport import PassportRow, level_and_task, read_passport, seeds_of, solved
from lossladder.report.passport_page import networks_of

_LONGER = 8  # times the trained length


def table(rows: Sequence[PassportRow]) -> str:
    """Return a Markdown table, a row for each network."""
    names, tasks = sorted(networks_of(rows), key=_in_order), seeds_of(rows)
    titles = [level_and_task(entry)[1] for entry, _ in tasks]
    lines = list[str]()
    for name in names:
        cells = [_cell(of[name]) if name in of else "–" for of in tasks.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([f"| network | {' | '.join(titles)} |", f"|---|{'---|' * len(tasks)}", *lines])


def _in_order(name: str) -> list[str]:
    """Return what sorts names by the numbers in them, not by their digits."""
    return [part.zfill(6) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _cell(rows: Sequence[PassportRow]) -> str:
    lengths = next((row.lengths for row in rows if row.lengths), ())
    if not lengths:
        return cell(rows)
    share, trained = solved(rows), lengths[0][0]
    known = dict(lengths)
    near, far = (max(0.0, known[trained * times]) for times in (1, _LONGER))
    return f"{share.count}/{share.of}: {100 * near:.0f} %, {100 * far:.0f} % at {_LONGER} times"


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/published.py", description=__doc__)
    parser.add_argument("passport", metavar="PASSPORT.csv", type=Path)
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    parser.add_argument("--mark", default="published")
    with parser.refusing():
        asked = parser.parse_args()
        put(table(read_passport(asked.passport)), asked.into, asked.mark)
