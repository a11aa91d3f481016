"""The report of a sweep: one page that opens anywhere, a table and a picture beside it."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lossladder.report import troubles
from lossladder.report.curves import Line
from lossladder.report.folder import Sweep, read_sweep
from lossladder.report.layout import MOST_LINES
from lossladder.report.markup import Html, joined, tag
from lossladder.report.results import write_csv
from lossladder.report.runs import GOING, Ladder
from lossladder.report.summary import Row, by_ladder, rows
from lossladder.report.svg import chart
from lossladder.report.tables import heat_map, settings_table
from lossladder.report.troubles import link

PAGE, TABLE, PICTURE = "report.html", "report.csv", "report.png"
_MOST_LADDERS = 6  # each has a picture of its own
_MOST_OTHERS = 60  # grey lines behind the coloured ones
_MOST_VALUES = 8  # named of what was varied
# nothing is loaded and nothing runs, whatever a run's folder says
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write `report.html`, `report.csv` and, where there are curves, `report.png`.

    Args:
        folder: of the sweep.
        out: folder to write to; None: the sweep's own.
    Returns:
        The page.
    Raises:
        NoSweepError: if the folder holds no runs.
        OSError: if `out` cannot be written.
    """
    sweep = read_sweep(folder)
    out = out or folder
    out.mkdir(parents=True, exist_ok=True)
    climbed = by_ladder(rows(sweep))
    write_csv(sweep, out / TABLE)
    _draw(climbed, out / PICTURE)
    # names of folders may hold bytes that are no text
    (out / PAGE).write_text(_page(sweep, climbed, out), encoding="utf-8", errors="replace")
    return out / PAGE


def _draw(climbed: dict[Ladder, list[Row]], out: Path) -> None:
    """The first ladder's picture, for slides and for those who cannot open a page."""
    from lossladder.report.picture import draw, save

    for ladder, made in climbed.items():
        if lines := _lines(made[:MOST_LINES]):
            save(draw(ladder.task, ladder.rungs, lines), out)
            return


def _lines(made: Sequence[Row]) -> list[Line]:
    return [line for row in made if (line := row.line()) is not None]


def _page(sweep: Sweep, climbed: dict[Ladder, list[Row]], out: Path) -> str:
    tasks = dict.fromkeys(run.task for run in sweep.runs)
    swept = " × ".join(key for key in sweep.keys if key != "task") or "one setting"
    title = f"{swept} on {', '.join(tasks)}"
    body = tag(
        "main",
        _head(sweep, title),
        _in_short(sweep, climbed, out),
        *(_ladder(ladder, made) for ladder, made in list(climbed.items())[:_MOST_LADDERS]),
        _left_out(climbed),
        heat_map(sweep, [row for made in climbed.values() for row in made]),
        troubles.section(sweep, out),
        _foot(sweep),
    )
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'),
        tag("title", f"{title} – lossladder"),
        tag("style", Html(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _head(sweep: Sweep, title: str) -> Html:
    seeds = {run.seed for run in sweep.runs}
    counted = f"{_many(len(set(sweep.settings)), 'setting')}, {_many(len(seeds), 'seed')}"
    varied = [
        joined(tag("dt", key), tag("dd", _some(sweep.values(key)))) for key in sweep.keys
    ]
    numbers = [str(seed) for seed in sorted(seeds)]
    command = tag("pre", tag("code", sweep.command)) if sweep.command else Html()
    return tag(
        "header",
        tag("p", f"Sweep {sweep.folder.resolve().name}", class_="over"),
        tag("h1", title),
        tag("p", tag("b", _many(len(sweep.runs), "run")), f": {counted}.", _chips(sweep)),
        tag("dl", *varied, tag("dt", "seed"), tag("dd", _some(numbers))),
        command,
    )


def _chips(sweep: Sweep) -> Html:
    order = ("done", "failed", "diverged", "interrupted", GOING)
    counts = {status: sweep.statuses[status] for status in order} | sweep.statuses
    named = {GOING: "still going"}
    chips = [
        tag("span", f"{count} {named.get(status, status)}", class_=f"chip {status}" if status in order else "chip")
        for status, count in counts.items()
        if count
    ]
    if sweep.damaged:
        chips.append(tag("span", f"{len(sweep.damaged)} damaged", class_="chip failed"))
    return tag("span", *chips, class_="chips")


def _in_short(sweep: Sweep, climbed: dict[Ladder, list[Row]], out: Path) -> Html:
    """The answer, in as many lines as it takes to say it."""
    told = []
    for ladder, made in list(climbed.items())[:_MOST_LADDERS]:
        measured = [row for row in made if row.measured]
        if len(climbed) > 1:
            told.append(tag("li", tag("b", ladder.task), f", floor {ladder.rungs[-1].loss:.4f}:", class_="task"))
        for word, row in zip(("Best", "Worst"), (measured[:1] + measured[1:][-1:]), strict=False):
            told.append(_setting(word, row))
    runs = [run for run in sweep.runs if run.above_floor is not None]
    runs.sort(key=lambda run: run.above_floor or 0.0)
    for word, run in zip(("Best run", "Worst run"), runs[:1] + runs[1:][-1:], strict=False):
        told.append(
            tag("li", f"{word}: ", link(run, out), f", {run.above_floor:.4f} above the floor.")
        )
    return tag("section", tag("h2", "In short"), tag("ul", *told)) if told else Html()


def _setting(word: str, row: Row) -> Html:
    rung, count = max(
        ((rung, sum(run.rung == rung for run in row.ended)) for rung in {r.rung for r in row.ended}),
        key=lambda pair: pair[1],
    )
    spread = f" ± {row.spread:.4f}" if row.spread is not None else ""
    where = f"on “{rung}”" if rung else "on no rung"
    return tag(
        "li",
        f"{word}: ",
        tag("b", row.label),
        f" ends {row.mean:.4f}{spread} nats a step above the floor, "
        f"{count} of {_many(len(row.ended), 'seed')} {where}.",
    )


def _ladder(ladder: Ladder, made: Sequence[Row]) -> Html:
    lines = _lines(made[:MOST_LINES])
    others = made[MOST_LINES:]
    behind = _lines(others[:: max(1, -(-len(others) // _MOST_OTHERS))])
    note = f"The {MOST_LINES} best settings in colour, others in grey. " if others else ""
    legend = [
        tag("li", tag("i", class_=f"chip-line c{place}"), line.label)
        for place, line in enumerate(lines)
    ]
    picture = (
        tag("ul", *legend, class_="legend"),
        tag("figure", chart(ladder, lines, behind)),
        tag("p", f"{note}Training loss, nats a step: median over seeds, band from quartile to "
            "quartile, drawn as far as more than half of the seeds go. Across: the rungs, each an "
            "exact loss; nobody can do better than the last.", class_="note"),
    ) if lines else (tag("p", "No run has a curve yet.", class_="note"),)  # fmt: skip
    return tag(
        "section",
        tag("h2", f"Loss on {ladder.task}, and its ladder"),
        *picture,
        settings_table(ladder, made),
    )


def _left_out(climbed: dict[Ladder, list[Row]]) -> Html:
    more = len(climbed) - _MOST_LADDERS
    return tag("p", f"{_many(more, 'more ladder')}: see {TABLE}.") if more > 0 else Html()


def _foot(sweep: Sweep) -> Html:
    versions = ", ".join(f"{name} {' and '.join(v)}" for name, v in sweep.versions.items())
    made = f"Written {time.strftime('%Y-%m-%d %H:%M')} by lossladder {version('lossladder')}. "
    return tag(
        "footer",
        tag("p", "Every run, one row each: ", tag("a", TABLE, href=TABLE), f". {made}"),
        tag("p", f"Runs made with {versions}.") if versions else Html(),
    )


def _some(values: Sequence[str]) -> str:
    """All of a few, the ends of many."""
    if len(values) <= _MOST_VALUES:
        return ", ".join(value or "unset" for value in values)
    return f"{', '.join(values[:3])} … {values[-1]} ({len(values)} values)"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
