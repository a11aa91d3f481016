"""What the page says of runs that did not end well, or not yet."""

import os
from pathlib import Path
from urllib.parse import quote

from lossladder.report.folder import Sweep
from lossladder.report.markup import Html, tag
from lossladder.report.runs import GOING, Run

_MOST = 50  # named of each kind; the file beside the page holds all
_KINDS = {
    "failed": "Failed",
    "diverged": "Diverged: the loss became infinite or no number",
    "interrupted": "Interrupted",
    GOING: "Still going, or killed: no result yet",
}


def section(sweep: Sweep, out: Path) -> Html:
    """Every such run, linked, with what is known of its end; nothing if all is well."""
    lists = []
    for status, title in _KINDS.items():
        found = [run for run in sweep.runs if run.status == status]
        told = [tag("li", link(run, out), _end(run)) for run in found[:_MOST]]
        lists.append(_list(title, told, len(found)))
    damaged = [tag("li", tag("code", name), f" {what}") for name, what in sweep.damaged[:_MOST]]
    lists.append(_list("Damaged: left out of everything above", damaged, len(sweep.damaged)))
    if not any(lists):
        return Html()
    return tag("section", tag("h2", "Not done"), *lists)


def link(run: Run, out: Path) -> Html:
    """A run's folder, as seen from the page."""
    there = os.fsencode(os.path.relpath(run.folder, out))
    return tag("a", run.folder.name, href=f"{quote(there)}/")


def _end(run: Run) -> Html:
    if run.why:
        return tag("code", run.why, class_="why")
    return tag("span", f" after {run.steps:,} updates") if run.steps is not None else Html()


def _list(title: str, told: list[Html], count: int) -> Html:
    if not told:
        return Html()
    more = tag("li", f"and {count - _MOST} more: see report.csv") if count > _MOST else Html()
    return tag("div", tag("h3", f"{title} ({count})"), tag("ul", *told, more, class_="folders"))
