"""The report of a sweep: one page that opens anywhere, a table and a picture beside it."""

import base64
import hashlib
import math
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lossladder.console import many
from lossladder.drawing import png, save
from lossladder.report import summary, sweep_folder
from lossladder.report.figure import (
    MOST_LINES,
    Scene,
    curves_scene,
    draw,
    order_of,
    outcome_scene,
)
from lossladder.report.search_figure import SearchRecord, draw_search, read_search
from lossladder.report.summary import Row
from lossladder.report.sweep_folder import LadderRecord, RunSummary, Sweep, are_numbers, short
from lossladder.report.table import write_csv
from lossladder.report.uses import uses
from lossladder.runs.atomic import atomic_write
from lossladder.runs.verdict import number

if TYPE_CHECKING:
    from lossladder.report.diagnose import Found

PAGE, TABLE, PICTURE, SEARCHED = "report.html", "report.csv", "report.png", "search.png"
# What is shown at most keeps the page below 1.5 MB, whatever the sweep; the table holds all.
_MOST_LADDERS = 6  # each with a picture and a table of its own
_MOST_OTHERS, _MOST_SEEDS = 60, 70  # curves in grey, and thin ones
_MOST_ROWS, _MOST_CELLS = 200, 6000  # of settings, and of their rungs
_MOST_COLUMNS = 30  # of a map
_MOST_TRIALS = 20  # of a search
_MOST_LOOKED = 3  # ladders whose networks are looked into: two of them take a third of the room
_Climbed = Mapping[LadderRecord, Sequence[Row]]  # ladder -> its settings


def write_report(
    sweep: Path | Sweep,
    out: Path | None = None,
    diagnostics: Sequence[str] = (),
    packages: Collection[str] = (),
) -> Path:
    """Write `report.html`, `report.csv` and, where there are curves, `report.png`.

    A search has `search.png` besides.

    Args:
        sweep: its folder, or what was read of it.
        out: folder to write to; None: the sweep's own.
        diagnostics: shown of the best run of a ladder and of the median one; `["all"]`: all there
            are. They take minutes.
        packages: that configs of runs may name classes of, besides the library's own.
    Returns:
        The page.
    Raises:
        RequestError: if the folder holds no runs, or there is no such diagnostic.
        OSError: if `out` cannot be written.
    """
    if not isinstance(sweep, Sweep):
        sweep = sweep_folder.read_sweep(sweep)
    out = out or sweep.folder
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / TABLE) as table:
        write_csv(sweep, table)
    climbed = summary.by_ladder(summary.rows(sweep))
    parts = min(len(climbed), _MOST_LADDERS)
    sections = [_Section(ladder, climbed, parts) for ladder in list(climbed)[:parts]]
    if diagnostics:
        for section in sections[:_MOST_LOOKED]:
            section.look(diagnostics, packages)
    # A picture of its own is for slides, and for those who cannot open a page.
    if picture := next((section.picture for section in sections if section.picture), None):
        with atomic_write(out / PICTURE) as scratch:
            save(draw(picture.scene), scratch)
    searched, drawn = read_search(sweep.folder), None
    if searched and (figure := draw_search(searched)):
        drawn = png(figure)
        with atomic_write(out / SEARCHED) as scratch:
            scratch.write_bytes(drawn)
    html = _html(sweep, climbed, sections, out, (searched, drawn))
    with atomic_write(out / PAGE) as page:
        # Names of folders may hold bytes that are no text.
        page.write_text(html, encoding="utf-8", errors="replace")
    return out / PAGE


# --- parts of the page ------------------------------------------------------------------------


class _Picture(NamedTuple):
    """A picture of the page."""

    scene: Scene
    log_scene: Scene  # the same with a logarithmic axis upwards
    note: str  # under it
    seeds: int = 0  # how many single ones of a setting can be shown


class _Ranked(NamedTuple):
    """A setting or a run, its divergence from the exact law, and the standard error of that."""

    it: Row | RunSummary
    away: float
    error: float


class _Section:
    """What the page has of a ladder: its settings, nearest to the exact law first."""

    def __init__(self, ladder: LadderRecord, climbed: _Climbed, parts: int) -> None:
        self.ladder, self.rows, self.parts = ladder, climbed[ladder], parts
        # Of a task with several ladders, the name says what made this one.
        several = sum(other.task == ladder.task for other in climbed) > 1
        self.name = ", ".join([ladder.task, *(self._shared() if several else ())])
        # All sections share the room of the page, and a ladder of many rungs has wide rows.
        self.shown = max(20, min(_MOST_ROWS, _MOST_CELLS // (len(ladder.rungs) * parts)))
        # Besides those of the rungs: rungs that are not told apart, then places that are none.
        found = {column for row in self.rows for column in row.columns}
        found -= {f"on {rung.name}" for rung in ladder.rungs}
        self.beside = sorted(found, key=lambda column: (not column.startswith("on "), column))
        self.measured = [row for row in self.rows if row.measured]
        self.order = order_of(ladder)
        self.uses = uses(self.rows[:MOST_LINES])
        self.stated = summary.stated(self.rows[:MOST_LINES])
        self.picture = self._picture()
        self.looked: list[tuple[str, RunSummary, list[Found]]] = []

    def look(self, names: Sequence[str], packages: Collection[str]) -> None:
        """Take in diagnostics of the best run, and of the median one."""
        # torch takes seconds to import, and most reports need none of it
        from lossladder.report.diagnose import best_and_median

        done = (run for row in self.measured for run in row.done)
        self.looked = best_and_median(done, names, packages)

    def _shared(self) -> list[str]:
        """Return the task's keys that all settings have in common: they made this ladder."""
        found = set.intersection(*(set(row.setting) for row in self.rows))
        pairs = [pair for pair in self.rows[0].setting if pair in found]
        return [f"{short(key)} {value}" for key, value in pairs if key.startswith("task.")]

    def _picture(self) -> _Picture | None:
        lines, others = summary.lines(self.rows[:MOST_LINES]), self.rows[MOST_LINES:]
        if not lines:
            return None
        # Of many others every second, third, … is drawn, so that they are spread over all.
        every = max(1, math.ceil(len(others) * self.parts / _MOST_OTHERS))
        behind = summary.lines(others[::every])
        seeds = max(len(line.losses) for line in lines)
        shown = min(seeds, max(1, _MOST_SEEDS // (self.parts * len(lines))))
        note = f"The {MOST_LINES} settings nearest to the exact law in colour, others in grey. "
        less = f"Of single seeds, the first {shown} of a setting. "
        return _Picture(
            curves_scene(self.ladder, lines, behind, theory=self.stated),
            curves_scene(self.ladder, lines, behind, log=True, theory=self.stated),
            (note if others else "") + (less if shown < seeds else ""),
            shown if seeds > 1 else 0,
        )

    def rankings(self) -> Iterator[tuple[str, list[_Ranked], list[_Ranked], list[_Ranked]]]:
        """Yield (noun, all, those not told from the best, from the worst), where there are some."""
        settings = [_Ranked(row, row.mean, row.error) for row in self.measured]
        runs = [
            _Ranked(run, run.result.divergence, run.result.divergence_error or 0.0)
            for row in self.measured for run in row.done if run.result.divergence is not None
        ]  # fmt: skip
        for noun, ranked in (("setting", settings), ("run", runs)):
            ranked = sorted(ranked, key=lambda one: one.away)
            if len(ranked) > 1:
                yield (
                    noun,
                    ranked,
                    _alike(ranked[0], ranked[1:]),
                    _alike(ranked[-1], ranked[-2::-1]),
                )


def _alike(it: _Ranked, others: Sequence[_Ranked]) -> list[_Ranked]:
    """Return those it is not told from: a difference is seen where it exceeds its error."""
    return [one for one in others if abs(one.away - it.away) <= math.hypot(one.error, it.error)]


def _outcomes(sweep: Sweep, made: Sequence[Row]) -> _Picture | None:
    """Return the divergences by what was varied: a number, or what makes the ladders many."""
    made = [row for row in made if row.measured]
    numbers = [key for key in sweep.keys if are_numbers(sweep.values(key))]
    of_task = [key for key in sweep.keys if key.partition(".")[0] == "task"]
    # Along several numbers at once no axis can be drawn; of two settings there is a map.
    key = numbers[0] if len(numbers) == 1 else None
    if of_task and len({row.ladder for row in made}) > 1:
        key = next((key for key in of_task if key in numbers), of_task[0])
    used = {dict(row.setting)[key] for row in made} if key else set()
    if key is None or len(used) < 2 or len({row.ladder.unit for row in made if row.ladder}) > 1:
        return None
    values = [value for value in sweep.values(key) if value in used]
    scene, log_scene = (outcome_scene(key, values, made, log) for log in (False, True))
    without = len(sweep.runs) - sum(len(row.measured) for row in made)
    left_out = f" {many(without, 'run')} without a divergence: not drawn." if without else ""
    means = "large ones are" if scene.named else "lines go through"
    note = f"A dot is a seed that is done; {means} means over seeds.{left_out}"
    return _Picture(scene, log_scene, note)


def _map(sweep: Sweep, made: Sequence[Row]) -> dict[str, Any] | None:
    """Return two settings against each other; None where not exactly two were varied."""
    if len(sweep.keys) != 2:
        return None
    down, across = sorted(sweep.keys, key=lambda key: -len(sweep.values(key)))
    columns, lines = sweep.values(across), sweep.values(down)
    if len(columns) > _MOST_COLUMNS or len(lines) > _MOST_ROWS:
        return None
    cells = {(dict(row.setting)[down], dict(row.setting)[across]): row for row in made}
    return {"down": down, "across": across, "columns": columns, "lines": lines, "cells": cells}


# --- page -------------------------------------------------------------------------------------


def _hash(text: str) -> str:
    """Return what a content policy calls the one text that it lets run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(picture: Path) -> str:
    """Return a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def _link(out: Path, run: RunSummary) -> Markup:
    """Return a link to the folder of a run, as seen from the page."""
    # The bytes of a name, which need not be text, so that the link leads there all the same.
    there = quote(os.fsencode(os.path.relpath(run.folder, out)))
    return Markup('<a href="{}/">{}</a>').format(there, run.folder.name)


def environment(**known: Any) -> Environment:
    """Return what fills the templates of pages; they know of these names, and of what all say."""
    # autoescape, because a folder may say anything; strict: no typing error may be silent
    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals |= {"many": many, "hash": _hash, "data": _data, "version": version("lossladder")}
    made.globals |= known
    return made


_HERE = Path(__file__).parent
_ENVIRONMENT = environment(
    number=number, short=short, hypot=math.hypot, inf=math.inf,
    most_lines=MOST_LINES, most_rows=_MOST_ROWS, most_trials=_MOST_TRIALS,
)  # fmt: skip
# Nobody reads the numbers that the pointer finds, so they need no spaces.
_ENVIRONMENT.policies["json.dumps_kwargs"] = {"separators": (",", ":")}


def _html(
    sweep: Sweep,
    climbed: _Climbed,
    sections: Sequence[_Section],
    out: Path,
    searched: tuple[SearchRecord | None, bytes | None],
) -> str:
    made = [row for alike in climbed.values() for row in alike]
    # Across ladders no row is nearer than another: rows are in the order of their settings.
    places = {key: sweep.values(key).index for key in sweep.keys}
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    page = _ENVIRONMENT.get_template("page.html.jinja").render(
        sweep=sweep,
        sections=sections,
        more_ladders=len(climbed) - len(sections),
        ordered=sorted(made, key=lambda row: [places[key](value) for key, value in row.setting]),
        search=searched[0],
        search_picture=base64.b64encode(searched[1] or b"").decode(),
        # A search tries hardly any value twice: its own picture has them all.
        outcomes=None if searched[0] else _outcomes(sweep, made),
        map=None if searched[0] else _map(sweep, made),
        failures=summary.failures(sweep),
        link=partial(_link, out),
        style=Markup(style),
        script=Markup(script),
        now=time.strftime("%Y-%m-%d %H:%M"),
    )
    return page.strip()
