"""Runs that ended badly, by their last words; what the page says of them and of unfinished ones."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from lossladder.report.markup import Html, joined, tag
from lossladder.report.summary import many
from lossladder.report.sweep_folder import GOING, RunSummary, Sweep

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
        lists.append(_list(title, told, len(found), _more(found)))
    damaged = [tag("li", tag("code", name), f": {what}") for name, what in sweep.damaged[:_MOST]]
    title = "Damaged: left out of everything above"
    lists.append(_list(title, damaged, len(sweep.damaged), _more(sweep.damaged)))
    if sweep.not_begun:
        words = f"{sweep.not_begun:,} of the {many(sweep.asked, 'run')} that were asked for"
        lists.append(tag("p", tag("b", "Not begun: "), f"{words}.", class_="not-begun"))
    if not any(lists):
        return Html()
    return tag("section", tag("h2", "Not done"), *lists, id=ID)


def link(run: RunSummary, out: Path) -> Html:
    """A run's folder, as seen from the page."""
    there = os.fsencode(os.path.relpath(run.folder, out))
    return tag("a", run.folder.name, href=f"{quote(there)}/")


def bad_ends(sweep: Sweep) -> dict[tuple[str, str], list[RunSummary]]:
    """Return (status, last words) -> runs that ended so: a hundred often fail for one reason."""
    alike: dict[tuple[str, str], list[RunSummary]] = {}
    for run in sweep.runs:
        if run.status in ("failed", "diverged"):
            why = run.why if run.status == "failed" else DIVERGED
            alike.setdefault((run.status, why), []).append(run)
    return dict(sorted(alike.items(), key=lambda pair: -len(pair[1])))


def _failures(sweep: Sweep, out: Path) -> Html:
    found = [(why, runs) for (kind, why), runs in bad_ends(sweep).items() if kind == "failed"]
    told = []
    for why, runs in found[:_MOST]:
        links = [joined(" ", link(run, out)) for run in runs[:_MOST_ALIKE]]
        more = f" and {len(runs) - _MOST_ALIKE} more" if len(runs) > _MOST_ALIKE else ""
        told.append(tag("li", tag("code", why, class_="why"), f"{len(runs)}:", *links, more))
    rest = sum(len(runs) for _, runs in found[_MOST:])
    more = f"{many(len(found) - _MOST, 'more reason')}, of {many(rest, 'run')}" if rest else ""
    return _list("Failed", told, sum(len(runs) for _, runs in found), more)


def _after(run: RunSummary) -> str:
    return f" after {run.steps:,} updates" if run.steps is not None else ""


def _more(found: Sequence[object]) -> str:
    """What is beyond those that are named."""
    return f"{len(found) - _MOST} more" if len(found) > _MOST else ""


def _list(title: str, told: list[Html], count: int, more: str) -> Html:
    if not told:
        return Html()
    rest = [tag("li", f"and {more}: see report.csv")] if more else []
    return tag(
        "details",
        tag("summary", f"{title} ({count})"),
        tag("ul", *told, *rest, class_="folders"),
        open="" if len(told) <= _MOST_OPEN else None,
    )
