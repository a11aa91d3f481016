"""The report of a sweep: one page that opens anywhere, a table and a picture beside it."""

import base64
import hashlib
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossladder.report.failures import DIVERGED, bad_ends
from lossladder.report.figure import MOST_LINES, Scene, curves_scene, draw, outcome_scene, save
from lossladder.report.summary import Line, Row, by_ladder, from_floor, many, rows, standard_error
from lossladder.report.sweep_folder import (
    LadderRecord,
    RunSummary,
    Sweep,
    read_sweep,
    short,
    typed,
)  # fmt: skip
from lossladder.report.table import write_csv
from lossladder.runs.atomic import atomic_write

PAGE, TABLE, PICTURE = "report.html", "report.csv", "report.png"
# What is shown at most keeps the page below 1.5 MB, whatever the sweep; the table holds all.
_MOST_LADDERS = 6  # each with a picture and a table of its own
_MOST_OTHERS, _MOST_SEEDS = 60, 70  # curves in grey, and thin ones
_MOST_ROWS, _MOST_CELLS = 200, 6000  # of settings, and of their rungs
_MOST_VALUES, _MOST_COLUMNS = 8, 30  # named of what was varied; of a map


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write `report.html`, `report.csv` and, where there are curves, `report.png`.

    Args:
        folder: of the sweep.
        out: folder to write to; None: the sweep's own.
    Returns:
        The page.
    Raises:
        RequestError: if the folder holds no runs.
        OSError: if `out` cannot be written.
    """
    return write(read_sweep(folder), out)


def write(sweep: Sweep, out: Path | None = None) -> Path:
    """Do the same for a sweep that has been read."""
    out = out or sweep.folder
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / TABLE) as table:
        write_csv(sweep, table)
    climbed = by_ladder(rows(sweep))
    names, parts = _names(climbed), min(len(climbed), _MOST_LADDERS)
    sections = [_Section(names[ladder], ladder, climbed[ladder], parts)
                for ladder in list(climbed)[:parts]]  # fmt: skip
    # for slides, and for those who cannot open a page
    if picture := next((section.picture for section in sections if section.picture), None):
        with atomic_write(out / PICTURE) as scratch:
            save(draw(picture.scene), scratch)
    with atomic_write(out / PAGE) as page:
        # names of folders may hold bytes that are no text
        page.write_text(_html(sweep, climbed, sections, out), encoding="utf-8", errors="replace")
    return out / PAGE


# --- pictures ---------------------------------------------------------------------------------


class _Picture(NamedTuple):
    """A picture of the page.

    Args:
        scene, log_scene: with the axis of the loss as it is, and with a logarithmic one.
        seeds: how many single ones of a setting can be shown.
        note: under it.
    """

    scene: Scene
    log_scene: Scene
    seeds: int
    note: str


class _Section:
    """What the page has of a ladder: its settings, nearest to the floor first, and their curves."""

    def __init__(self, name: str, ladder: LadderRecord, made: Sequence[Row], parts: int) -> None:
        self.name, self.ladder, self.rows, self.parts = name, ladder, made, parts
        self.shown = max(20, min(_MOST_ROWS, _MOST_CELLS // (len(ladder.rungs) * parts)))
        self.lost = any(row.share(None) for row in made)
        self.picture = self._picture()

    def _picture(self) -> _Picture | None:
        lines, others = _lines(self.rows[:MOST_LINES]), self.rows[MOST_LINES:]
        if not lines:
            return None
        behind = _lines(others[:: max(1, math.ceil(len(others) * self.parts / _MOST_OTHERS))])
        seeds = max(len(line.losses) for line in lines)
        shown = min(seeds, max(1, _MOST_SEEDS // (self.parts * len(lines))))
        note = f"The {MOST_LINES} settings nearest to the floor in colour, others in grey. "
        less = f"Of single seeds, the first {shown} of a setting. "
        return _Picture(
            curves_scene(self.ladder, lines, behind),
            curves_scene(self.ladder, lines, behind, log=True),
            shown if seeds > 1 else 0,
            (note if others else "") + (less if shown < seeds else ""),
        )


def _names(climbed: Mapping[LadderRecord, Sequence[Row]]) -> dict[LadderRecord, str]:
    """Return the tasks of ladders; of a task with several, what all runs of each have in common."""
    tasks = Counter(ladder.task for ladder in climbed)
    names = {}
    for ladder, made in climbed.items():
        found = [set(row.setting) for row in made]
        shared = set.intersection(*found) if tasks[ladder.task] > 1 else set()
        said = [f"{short(key)} {value}" for key, value in made[0].setting
                if (key, value) in shared and key.startswith("task.")]  # fmt: skip
        names[ladder] = ", ".join([ladder.task, *said])
    return names


def _lines(made: Sequence[Row]) -> list[Line]:
    return [line for row in made if (line := row.line()) is not None]


def _outcomes(sweep: Sweep, climbed: Mapping[LadderRecord, Sequence[Row]]) -> _Picture | None:
    """Return the losses by what was varied: a number, or what makes the ladders many."""
    made = [row for alike in climbed.values() for row in alike if row.measured]
    numbers = [k for k in sweep.keys if all(not isinstance(typed(v), str) for v in sweep.values(k))]
    of_task = [key for key in sweep.keys if key.partition(".")[0] == "task"]
    key = numbers[0] if len(numbers) == 1 else None
    if len(climbed) > 1 and of_task:
        key = next((key for key in of_task if key in numbers), of_task[0])
    units = {ladder.unit for ladder in climbed}
    used = {dict(row.setting)[key] for row in made} if key else set()
    if key is None or len(units) > 1 or len(used) < 2:
        return None
    values = [value for value in sweep.values(key) if value in used]
    without = len(sweep.runs) - sum(len(row.measured) for row in made)
    left_out = f" {many(without, 'run')} without such a loss: not drawn." if without else ""
    return _Picture(
        outcome_scene(key, values, made),
        outcome_scene(key, values, made, log=True),
        0,
        f"A dot is a seed that is done; lines go through means over seeds.{left_out}",
    )


def _map(sweep: Sweep, made: Sequence[Row]) -> dict[str, Any] | None:
    """Return two settings against each other; None where not exactly two were varied."""
    if len(sweep.keys) != 2:
        return None
    down, across = sorted(sweep.keys, key=lambda key: -len(sweep.values(key)))
    columns, values = sweep.values(across), sweep.values(down)
    if len(columns) > _MOST_COLUMNS or len(values) > _MOST_ROWS:
        return None
    cells = {(dict(row.setting)[down], dict(row.setting)[across]): row for row in made}
    lines = [(value, [cells.get((value, column)) for column in columns]) for value in values]
    return {"down": down, "across": across, "columns": columns, "lines": lines}


# --- words ------------------------------------------------------------------------------------


def _claims(sections: Sequence[_Section], out: Path) -> Iterator[tuple[str, str]]:
    """Yield (words, class): the answer, in as many lines as it takes to say it."""
    for section in sections:
        ladder = section.ladder
        found = [row for row in section.rows if row.measured]
        if found and len(sections) > 1:
            floor = f"{ladder.rungs[-1].loss:.4f}"
            yield Markup("<b>{}</b>, floor {}:").format(section.name, floor), "task"
        if len(found) == 1:
            name = found[0].label  # that of the only setting of a ladder need not be said twice
            alone = len(sections) > 1 or name == ladder.task
            ends = "Ends" if alone else Markup("<b>{}</b> ends").format(name)
            yield ends + _ending(found[0], ladder), ""
        settings = [
            _Ranked(Markup("<b>{}</b>").format(row.label), row.mean, row.error,
                    f" ends{_ending(row, ladder)}") for row in found
        ]  # fmt: skip
        runs = [
            _Ranked(_link(run, out), run.above_floor, run.standard_error or 0.0,
                    f", {from_floor(run.above_floor, run.standard_error)}.")
            for row in found for run in row.done if run.above_floor is not None
        ]  # fmt: skip
        yield from ((line, "") for line in _ranking("setting", settings))
        yield from ((line, "") for line in _ranking("run", sorted(runs, key=lambda r: r.above)))


class _Ranked(NamedTuple):
    """What is compared: its loss above the floor, the standard error of that, and the words."""

    name: Markup
    above: float
    error: float
    words: str


def _ranking(noun: str, ranked: Sequence[_Ranked]) -> Iterator[str]:
    """Yield the best and the worst, where their difference exceeds its standard error."""
    if len(ranked) < 2:
        return
    best, worst = ranked[0], ranked[-1]
    alike = [one for one in ranked[1:] if not _differ(best, one)]
    if len(alike) == len(ranked) - 1:
        apart, error = worst.above - best.above, math.hypot(best.error, worst.error)
        yield Markup(
            "No difference seen between {}: {:z.4f} above the floor ({}) to {:z.4f} ({}), "
            "{:.4f} apart, with a standard error of {}."
        ).format(many(len(ranked), noun), best.above, best.name, worst.above, worst.name,
                 apart, standard_error(error))  # fmt: skip
        return
    of = "" if noun == "setting" else f" {noun}"
    more = f" and {len(alike) - 3} more" if len(alike) > 3 else ""
    names = Markup(", ").join(one.name for one in alike[:3])
    same = Markup(" No difference seen from {}{}.").format(names, more) if alike else ""
    yield Markup("Best{}: {}{}{}").format(of, best.name, best.words, same)
    yield Markup("Worst{}: {}{}").format(of, worst.name, worst.words)


def _differ(one: _Ranked, other: _Ranked) -> bool:
    return other.above - one.above > math.hypot(one.error, other.error)


def _ending(row: Row, ladder: LadderRecord) -> str:
    (rung, count), *_ = Counter(run.rung for run in row.ended).most_common()
    spread = f" ± {row.spread:.4f}" if row.spread is not None else ""
    # beside a spread over seeds, that of sampling matters only where the floor is in question
    error = row.sampling_error if row.spread is None or row.mean < 0 else None
    above = from_floor(row.mean, error, f"{spread} {ladder.unit} a step")
    seeds = f"{count} of {many(len(row.ended), 'seed')} " if len(row.ended) > 1 else ""
    where = f"on “{rung}”" if rung else "on no rung"
    knows = [r.knows for r in ladder.rungs if r.name == rung]
    return f" {above}, {seeds}{where}{f': knows {knows[0]}' if any(knows) else ''}."


def _link(run: RunSummary, out: Path) -> Markup:
    """Return a link to the folder of a run, as seen from the page."""
    there = quote(os.fsencode(os.path.relpath(run.folder, out)))
    return Markup('<a href="{}/">{}</a>').format(there, run.folder.name)


def _title(sweep: Sweep) -> str:
    tasks = dict.fromkeys(run.task for run in sweep.runs)
    swept = [key for key in sweep.keys if key != "task"]
    if not tasks:
        return "Nothing that can be read"
    if not swept and len(tasks) > 1:
        return f"{many(len(tasks), 'task')}: {', '.join(tasks)}"
    return f"{' × '.join(swept) or 'one setting'} on {', '.join(tasks)}"


def _some(values: Sequence[str]) -> str:
    """Return all of a few, the ends of many."""
    if len(values) <= _MOST_VALUES:
        return ", ".join(value or "unset" for value in values)
    return f"{', '.join(values[:3])} … {values[-1]} ({len(values)} values)"


# --- page -------------------------------------------------------------------------------------


def _hash(text: str) -> str:
    """Return what a content policy calls the one text that it lets run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


_HERE = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_ENVIRONMENT.globals |= {
    "many": many, "some": _some, "short": short, "standard_error": standard_error,
    "most_lines": MOST_LINES, "most_rows": _MOST_ROWS, "diverged": DIVERGED, "inf": math.inf,
    "hash": _hash, "version": version("lossladder"),
}  # fmt: skip
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"separators": (",", ":")}


def _html(
    sweep: Sweep,
    climbed: Mapping[LadderRecord, Sequence[Row]],
    sections: Sequence[_Section],
    out: Path,
) -> str:
    made = [row for alike in climbed.values() for row in alike]
    places = {key: sweep.values(key).index for key in sweep.keys}
    ordered = sorted(made, key=lambda row: [places[key](value) for key, value in row.setting])
    style, script = (
        Markup((_HERE / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js")
    )
    return (
        _ENVIRONMENT.get_template("page.html.jinja")
        .render(
            title=_title(sweep),
            sweep=sweep,
            seeds=[str(seed) for seed in sorted({run.seed for run in sweep.runs})],
            claims=[*_claims(sections, out)],
            sections=sections,
            more_ladders=len(climbed) - len(sections),
            ordered=ordered,
            outcomes=_outcomes(sweep, climbed),
            map=_map(sweep, made),
            failures=[(why, runs) for (s, why), runs in bad_ends(sweep).items() if s == "failed"],
            link=lambda run: _link(run, out),
            style=style,
            script=script,
            now=time.strftime("%Y-%m-%d %H:%M"),
        )
        .strip()
    )
