"""What one sees first: what was swept, how the runs ended, and what is best."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lossladder.report import failures
from lossladder.report.markup import Html, joined, tag
from lossladder.report.summary import Row, from_floor, many
from lossladder.report.sweep_folder import GOING, LadderRecord, RunSummary, Sweep

_MOST_VALUES = 8  # named of what was varied
_MOST_COMMANDS = 5  # shown, the latest
_Ranked = TypeVar("_Ranked", Row, RunSummary)


def headline(sweep: Sweep, title: str) -> Html:
    """The sweep in a few lines, and the commands that made it."""
    seeds = {run.seed for run in sweep.runs}
    counted = f"{many(len(set(sweep.settings)), 'setting')}, {many(len(seeds), 'seed')}"
    varied = [joined(tag("dt", key), tag("dd", _some(sweep.values(key)))) for key in sweep.keys]
    numbers = [str(seed) for seed in sorted(seeds)]
    return tag(
        "header",
        tag("p", f"Sweep {sweep.folder.resolve().name}", class_="over"),
        tag("h1", title),
        tag("p", tag("b", many(len(sweep.runs), "run")), f": {counted}.", _chips(sweep)),
        tag("dl", *varied, tag("dt", "seed"), tag("dd", _some(numbers))),
        *_commands(sweep.commands),
    )


def _commands(commands: Sequence[str]) -> list[Html]:
    shown = [tag("pre", tag("code", command)) for command in commands[-_MOST_COMMANDS:]]
    earlier = len(commands) - len(shown)
    note = tag("p", f"After {many(earlier, 'earlier command')}:", class_="note")
    return [note, *shown] if earlier else shown


def _chips(sweep: Sweep) -> Html:
    order = ("done", "failed", "diverged", "interrupted", GOING)
    counts = {status: sweep.statuses[status] for status in order} | sweep.statuses
    named = {GOING: "still going"}
    chips = [
        _chip(f"{count} {named.get(status, status)}", status)
        for status, count in counts.items()
        if count
    ]
    if sweep.not_begun:
        chips.append(_chip(f"{sweep.not_begun:,} not begun", "not-begun"))
    if sweep.damaged:
        chips.append(_chip(f"{len(sweep.damaged)} damaged", "damaged"))
    return tag("span", *chips, class_="chips")


def _chip(words: str, status: str) -> Html:
    if status == "done":
        return tag("span", words, class_="chip done")
    return tag("a", words, class_=f"chip {status}", href=f"#{failures.ID}")


def in_short(sweep: Sweep, shown: Sequence[tuple[LadderRecord, list[Row]]], out: Path) -> Html:
    """The answer, in as many lines as it takes to say it."""
    told: list[Html] = []
    for ladder, made in shown:
        rows = [row for row in made if row.measured]
        if len(shown) > 1:
            floor = f", floor {ladder.rungs[-1].loss:.4f}:"
            told.append(tag("li", tag("b", ladder.task), floor, class_="task"))
        if len(rows) == 1:
            told.append(tag("li", *_alone(rows[0], ladder), *_setting(rows[0], ladder)))
        for word, row in zip(("Best", "Worst"), _ends(rows), strict=False):
            told.append(
                tag("li", f"{word}: ", tag("b", row.label), " ends", *_setting(row, ladder))
            )
        runs = [run for row in rows for run in row.done if run.above_floor is not None]
        runs.sort(key=lambda run: run.above_floor or 0.0)
        for word, run in zip(("Best run", "Worst run"), _ends(runs), strict=False):
            above = f", {from_floor(run.above_floor or 0.0, run.standard_error)}."
            told.append(tag("li", f"{word}: ", failures.link(run, out), above))
    return tag("section", tag("h2", "In short"), tag("ul", *told)) if told else Html()


def _ends(ranked: Sequence[_Ranked]) -> Sequence[_Ranked]:
    """First and last; nothing where there is nothing to compare with."""
    return (ranked[0], ranked[-1]) if len(ranked) > 1 else ()


def _alone(row: Row, ladder: LadderRecord) -> tuple[str, ...]:
    """The only setting of a ladder, which need not be named twice."""
    return ("Ends",) if row.label == ladder.task else (tag("b", row.label), " ends")


def _setting(row: Row, ladder: LadderRecord) -> tuple[str, str]:
    (rung, count), *_ = Counter(run.rung for run in row.ended).most_common()
    spread = f" ± {row.spread:.4f}" if row.spread is not None else ""
    # beside a spread over seeds, that of sampling matters only where the floor is in question
    error = row.standard_error if row.spread is None or row.mean < 0 else None
    above = from_floor(row.mean, error, f"{spread} {ladder.unit} a step")
    seeds = f"{count} of {many(len(row.ended), 'seed')} " if len(row.ended) > 1 else ""
    where = f"on “{rung}”" if rung else "on no rung"
    knows = [r.knows for r in ladder.rungs if r.name == rung]
    means = f": knows {knows[0]}." if any(knows) else "."
    return f" {above}, ", f"{seeds}{where}{means}"


def _some(values: Sequence[str]) -> str:
    """All of a few, the ends of many."""
    if len(values) <= _MOST_VALUES:
        return ", ".join(value or "unset" for value in values)
    return f"{', '.join(values[:3])} … {values[-1]} ({len(values)} values)"
