"""What one sees first: what was swept, how the runs ended, and what is best."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossladder.report import troubles
from lossladder.report.folder import Sweep
from lossladder.report.markup import Html, joined, tag
from lossladder.report.runs import GOING, Ladder
from lossladder.report.summary import Row

_MOST_VALUES = 8  # named of what was varied


def headline(sweep: Sweep, title: str) -> Html:
    """The sweep in a few lines, and the command that made it."""
    seeds = {run.seed for run in sweep.runs}
    counted = f"{many(len(set(sweep.settings)), 'setting')}, {many(len(seeds), 'seed')}"
    varied = [joined(tag("dt", key), tag("dd", _some(sweep.values(key)))) for key in sweep.keys]
    numbers = [str(seed) for seed in sorted(seeds)]
    command = tag("pre", tag("code", sweep.command)) if sweep.command else Html()
    return tag(
        "header",
        tag("p", f"Sweep {sweep.folder.resolve().name}", class_="over"),
        tag("h1", title),
        tag("p", tag("b", many(len(sweep.runs), "run")), f": {counted}.", _chips(sweep)),
        tag("dl", *varied, tag("dt", "seed"), tag("dd", _some(numbers))),
        command,
    )


def _chips(sweep: Sweep) -> Html:
    order = ("done", "failed", "diverged", "interrupted", GOING)
    counts = {status: sweep.statuses[status] for status in order} | sweep.statuses
    named = {GOING: "still going"}
    chips = [
        _chip(f"{count} {named.get(status, status)}", status)
        for status, count in counts.items()
        if count
    ]
    if sweep.damaged:
        chips.append(_chip(f"{len(sweep.damaged)} damaged", "damaged"))
    return tag("span", *chips, class_="chips")


def _chip(words: str, status: str) -> Html:
    if status == "done":
        return tag("span", words, class_="chip done")
    return tag("a", words, class_=f"chip {status}", href=f"#{troubles.ID}")


def in_short(sweep: Sweep, shown: Sequence[tuple[Ladder, list[Row]]], out: Path) -> Html:
    """The answer, in as many lines as it takes to say it."""
    told = []
    for ladder, made in shown:
        measured = [row for row in made if row.measured]
        if len(shown) > 1:
            floor = f", floor {ladder.rungs[-1].loss:.4f}:"
            told.append(tag("li", tag("b", ladder.task), floor, class_="task"))
        for word, row in zip(("Best", "Worst"), _ends(measured), strict=False):
            told.append(_setting(word, row))
    runs = [run for run in sweep.runs if run.above_floor is not None]
    runs.sort(key=lambda run: run.above_floor or 0.0)
    for word, run in zip(("Best run", "Worst run"), _ends(runs), strict=False):
        above = f", {run.above_floor:.4f} above the floor."
        told.append(tag("li", f"{word}: ", troubles.link(run, out), above))
    return tag("section", tag("h2", "In short"), tag("ul", *told)) if told else Html()


def _ends(ranked: Sequence[Any]) -> list[Any]:
    """First and last; of one, that one."""
    return [*ranked[:1], *ranked[1:][-1:]]


def _setting(word: str, row: Row) -> Html:
    (rung, count), *_ = Counter(run.rung for run in row.ended).most_common()
    spread = f" ± {row.spread:.4f}" if row.spread is not None else ""
    knows = [r.knows for r in row.ladder.rungs if r.name == rung] if row.ladder else []
    where = f"on “{rung}”" if rung else "on no rung"
    unit = row.ladder.unit if row.ladder else "nats"
    means = f": knows {knows[0]}." if any(knows) else "."
    return tag(
        "li",
        f"{word}: ",
        tag("b", row.label),
        f" ends {row.mean:.4f}{spread} {unit} a step above the floor, "
        f"{count} of {many(len(row.ended), 'seed')} {where}{means}",
    )


def _some(values: Sequence[str]) -> str:
    """All of a few, the ends of many."""
    if len(values) <= _MOST_VALUES:
        return ", ".join(value or "unset" for value in values)
    return f"{', '.join(values[:3])} … {values[-1]} ({len(values)} values)"


def many(count: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
