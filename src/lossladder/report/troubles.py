"""What the page says of runs that did not end well, or not yet."""

import os
from pathlib import Path
from urllib.parse import quote

from lossladder.report.folder import Sweep
from lossladder.report.markup import Html, joined, tag
from lossladder.report.runs import GOING, Run

ID = "not-done"  # of the section, for links to it
_MOST = 50  # named of each kind; the file beside the page holds all
_MOST_ALIKE = 5  # named of those that failed with the same words
_MOST_OPEN = 8  # a longer list is unfolded by the reader
DIVERGED = "the loss became infinite or no number"
_KINDS = {
    "diverged": f"Diverged: {DIVERGED}",
    "interrupted": "Interrupted",
    GOING: "Still going, or killed: no result yet",
}


def section(sweep: Sweep, out: Path) -> Html:
    """Every such run, linked, with what is known of its end; nothing if all is well."""
    lists = [_failures(sweep, out)]
    for status, title in _KINDS.items():
        found = [run for run in sweep.runs if run.status == status]
        told = [tag("li", link(run, out), _after(run)) for run in found[:_MOST]]
        lists.append(_list(title, told, len(found)))
    damaged = [tag("li", tag("code", name), f": {what}") for name, what in sweep.damaged[:_MOST]]
    lists.append(_list("Damaged: left out of everything above", damaged, len(sweep.damaged)))
    if not any(lists):
        return Html()
    return tag("section", tag("h2", "Not done"), *lists, id=ID)


def link(run: Run, out: Path) -> Html:
    """A run's folder, as seen from the page."""
    there = os.fsencode(os.path.relpath(run.folder, out))
    return tag("a", run.folder.name, href=f"{quote(there)}/")


def _failures(sweep: Sweep, out: Path) -> Html:
    """By their last words: a hundred runs often fail for one reason."""
    found: dict[str, list[Run]] = {}
    for run in sweep.runs:
        if run.status == "failed":
            found.setdefault(run.why, []).append(run)
    told = []
    for why, runs in sorted(found.items(), key=lambda pair: -len(pair[1]))[:_MOST]:
        links = [joined(" ", link(run, out)) for run in runs[:_MOST_ALIKE]]
        more = f" and {len(runs) - _MOST_ALIKE} more" if len(runs) > _MOST_ALIKE else ""
        told.append(tag("li", tag("code", why, class_="why"), f"{len(runs)}:", *links, more))
    return _list("Failed", told, sum(map(len, found.values())))


def _after(run: Run) -> str:
    return f" after {run.steps:,} updates" if run.steps is not None else ""


def _list(title: str, told: list[Html], count: int) -> Html:
    if not told:
        return Html()
    more = tag("li", f"and {count - _MOST} more: see report.csv") if count > _MOST else Html()
    return tag(
        "details",
        tag("summary", f"{title} ({count})"),
        tag("ul", *told, *([more] if len(told) == _MOST else []), class_="folders"),
        open="" if len(told) <= _MOST_OPEN else None,
    )
