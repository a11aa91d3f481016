"""The networks that come with the library, which passports are held against.

python docs/figures/references.py logs/references/passport.csv

keeps of a passport what a comparison needs, in src/lossladder/report/references.csv.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lossladder.console import Parser
from lossladder.report.passport import REFERENCES, PassportRow, read_passport, write_passport
from lossladder.runs.atomic import atomic_write


def kept(rows: Sequence[PassportRow]) -> list[PassportRow]:
    """Return rows without what only a page of their own needs; the first of a network says how."""
    found: list[PassportRow] = []
    for row in rows:
        first = all(row.network != other.network for other in found)
        made = {} if first else {"command": "", "machine": "", "versions": ""}
        found.append(replace(row, rungs=(), lengths=(), keeps="", horizon=None, **made))
    return found


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/references.py", description=__doc__)
    parser.add_argument("passport", metavar="PASSPORT.csv", type=Path)
    with parser.refusing():
        table = kept(read_passport(parser.parse_args().passport))
    with atomic_write(REFERENCES) as scratch:
        write_passport(table, scratch)
