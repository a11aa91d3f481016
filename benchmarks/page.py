"""The pages, and their pictures, from the results: every number that was measured is written here.

A page's own words stand between the marks and are left alone; what stands between `<!-- name -->`
and `<!-- end -->` is replaced.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks import pictures, tables

_REGION = re.compile(r"(<!-- (?!end)(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(results: Path, page: Path) -> None:
    """Bring the page up to date, and scale.md beside it; draw the pictures."""
    names = "contests", "growth", "cells", "widths", "networks", "suite", "clusters"
    contests, growth, *others = (_read(results / f"{name}.json") for name in names)
    for one in filter(Path.exists, (page, page.with_name("scale.md"))):
        one.write_text(filled(one.read_text(), contests, growth, *others))
    folder = page.parent / "pictures"
    folder.mkdir(exist_ok=True)
    if contests:
        pictures.speeds(contests, folder / "performance_speeds.png")
    if growth:
        pictures.growth(growth, folder / "performance_growth.png")


def filled(text: str, *results: dict[str, Any]) -> str:
    """Return the page with every table in its place.

    Args:
        text: of the page.
        results: of contests, growth, cells, widths, networks, a suite and clusters.
    Raises:
        ValueError: if the page has a mark that nobody knows.
    """
    written = tables.all_of(*results)

    def replaced(match: re.Match[str]) -> str:
        before, name, after = match.groups()
        if name not in written:
            raise ValueError(f"page: no table is called {name}; there are {', '.join(written)}")
        return f"{before}{written[name]}\n{after}"

    return _REGION.sub(replaced, text)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}
