"""The report of a sweep: one page that opens anywhere, a table and a picture beside it."""

import time
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path

from lossladder.report import failures
from lossladder.report.headline import headline, in_short
from lossladder.report.layout import MOST_LINES
from lossladder.report.markup import Html, tag
from lossladder.report.summary import Line, Row, by_ladder, many, rows
from lossladder.report.svg import chart
from lossladder.report.sweep_folder import LadderRecord, Sweep, read_sweep
from lossladder.report.table import write_csv
from lossladder.report.tables import heat_map, settings_table
from lossladder.runs.atomic import atomic_write

PAGE, TABLE, PICTURE = "report.html", "report.csv", "report.png"
_MOST_LADDERS = 6  # each has a picture of its own
_MOST_OTHERS = 60  # grey lines behind the coloured ones

_EXPLAINED = (
    "Median of the training loss over seeds, band from quartile to quartile, drawn as far as more "
    "than half of the seeds go. Across: the rungs, each an exact loss; nobody can do better than "
    "the last, though a loss that is measured may lie below it by its sampling error."
)
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
        RequestError: if the folder holds no runs.
        OSError: if `out` cannot be written.
    """
    return write(read_sweep(folder), out)


def write(sweep: Sweep, out: Path | None = None) -> Path:
    """The same of a sweep that has been read."""
    out = out or sweep.folder
    out.mkdir(parents=True, exist_ok=True)
    climbed = by_ladder(rows(sweep))
    with atomic_write(out / TABLE) as table:
        write_csv(sweep, table)
    _draw(climbed, out / PICTURE)
    with atomic_write(out / PAGE) as page:
        # names of folders may hold bytes that are no text
        page.write_text(_page(sweep, climbed, out), encoding="utf-8", errors="replace")
    return out / PAGE


def _draw(climbed: dict[LadderRecord, list[Row]], out: Path) -> None:
    """The first ladder's picture, for slides and for those who cannot open a page."""
    from lossladder.report.picture import draw, save

    for ladder, made in climbed.items():
        if lines := _lines(made[:MOST_LINES]):
            with atomic_write(out) as picture:
                save(draw(ladder, lines), picture)
            return


def _lines(made: Sequence[Row]) -> list[Line]:
    return [line for row in made if (line := row.line()) is not None]


def _page(sweep: Sweep, climbed: dict[LadderRecord, list[Row]], out: Path) -> str:
    tasks = dict.fromkeys(run.task for run in sweep.runs)
    shown = list(climbed.items())[:_MOST_LADDERS]
    title = _title([key for key in sweep.keys if key != "task"], tasks)
    body = tag(
        "main",
        headline(sweep, title),
        in_short(sweep, shown, out),
        *(_curves(ladder, made) for ladder, made in shown),
        tag("p", _EXPLAINED, class_="note") if shown else Html(),
        heat_map(sweep, [row for made in climbed.values() for row in made]),
        *(settings_table(ladder, made) for ladder, made in shown),
        _left_out(climbed),
        failures.section(sweep, out),
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


def _title(swept: Sequence[str], tasks: Collection[str]) -> str:
    if not swept and len(tasks) > 1:
        return f"{many(len(tasks), 'task')}: {', '.join(tasks)}"
    return f"{' × '.join(swept) or 'one setting'} on {', '.join(tasks)}"


def _curves(ladder: LadderRecord, made: Sequence[Row]) -> Html:
    lines, others = _lines(made[:MOST_LINES]), made[MOST_LINES:]
    title = tag("h2", f"Training on {ladder.task}, over its ladder")
    if not lines:
        return tag("section", title, tag("p", "No run has a curve yet.", class_="note"))
    behind = _lines(others[:: max(1, -(-len(others) // _MOST_OTHERS))])
    note = f"The {MOST_LINES} best settings in colour, others in grey." if others else ""
    legend = [
        tag("li", tag("i", class_=f"chip-line c{place}"), line.label)
        for place, line in enumerate(lines)
    ]
    return tag(
        "section",
        title,
        tag("ul", *legend, class_="legend"),
        tag("figure", chart(ladder, lines, behind)),
        tag("p", note, class_="note"),
    )


def _left_out(climbed: dict[LadderRecord, list[Row]]) -> Html:
    more = len(climbed) - _MOST_LADDERS
    return tag("p", f"{many(more, 'more ladder')}: see {TABLE}.") if more > 0 else Html()


def _foot(sweep: Sweep) -> Html:
    versions = ", ".join(f"{name} {' and '.join(v)}" for name, v in sweep.versions.items())
    made = f"Written {time.strftime('%Y-%m-%d %H:%M')} by lossladder {version('lossladder')}. "
    return tag(
        "footer",
        tag("p", "Every run, one row each: ", tag("a", TABLE, href=TABLE), f". {made}"),
        tag("p", f"Runs made with {versions}.") if versions else Html(),
    )
