"""A passport as a page of one sheet and as a picture: a strip for each task."""

import base64
import math
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from lossladder.checks import RequestError
from lossladder.console import many
from lossladder.drawing import COLOURS, GREY, INK, png, save
from lossladder.report.figure import MOST_LINES, plain, spread
from lossladder.report.inference import kaplan_meier_median, quartiles
from lossladder.report.page import environment
from lossladder.report.passport import (
    TABLE,
    Difference,
    PassportRow,
    differences,
    level_and_task,
    median_known,
    passport_rows,
    read_passport,
    references,
    reported,
    runs_asked,
    seeds_of,
    solved,
    unfinished,
    write_passport,
)
from lossladder.report.sweep_folder import RunSummary, Sweep
from lossladder.runs.atomic import atomic_write
from lossladder.runs.verdict import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lossladder.report.diagnose import Found

PAGE, PICTURE = "passport.html", "passport.png"
_RIVAL = "lstm"  # whom the line on top speaks of
_MOST_NAMED = 7  # rungs whose names a strip has room for
_GAP = 0.125  # of the height of a strip, from the name of a rung to the next
_LETTERS = 13  # of the name of a rung at most
_LABEL = 12  # letters of a column's name


class StripTick(NamedTuple):
    """A rung beside a strip."""

    at: float  # share of what can be known, that it is worth
    name: str
    name_at: float | None  # where the name stands; None: it has none


class Column(NamedTuple):
    """The seeds of a network in a strip."""

    network: str
    colour: int  # of `COLOURS`; -1: a reference, in grey
    dots: Sequence[float]  # share of what can be known, a seed each
    median: float
    marks: Sequence[tuple[float, bool]]  # of theorems, and whether it is a bound that none passes
    words: Sequence[str]  # what there is to say of one's own

    @property
    def name(self) -> str:
        """That of the network, as short as there is room; brackets tell settings apart."""
        kind, _, own = self.network.rstrip(")").partition(" (")
        if len(self.network) <= _LABEL or not own:
            return _cut(self.network, _LABEL)
        told = own if len(own) < _LABEL - 4 else _cut(own.rpartition(" ")[2], 8)
        whole = f"{kind} {told}"
        return whole if len(whole) <= _LABEL else f"{kind[: max(3, 9 - len(told))]}. {told}"


class Strip(NamedTuple):
    """What networks know of one task."""

    title: str
    entry: str
    ticks: Sequence[StripTick]
    columns: Sequence[Column]
    lengths: Sequence[tuple[str, Sequence[tuple[int, float]], int]]  # network, curve, colour

    @property
    def told(self) -> str:
        """What the curves say, in words where there is a single one."""
        _, curve, _ = self.lengths[0]
        shares = [min(1.0, max(0.0, known)) for _, known in curve]
        where = f"known at {curve[0][0]:,} to {curve[-1][0]:,} steps"
        if len(self.lengths) > 1:
            return where
        ends = f"{100 * shares[0]:.0f} % to {100 * shares[-1]:.0f} %"
        low = min(shares)
        dip = f", {100 * low:.0f} % between" if low < min(shares[0], shares[-1]) - 0.05 else ""
        return f"{where}: {ends}{dip}"


class FewBits(NamedTuple):
    """What a network loses that keeps few bits."""

    network: str
    runs: int
    seconds: float
    picture: str  # PNG, base64


def write_passport_page(
    sweep: Sweep,
    out: Path | None = None,
    diagnostics: Sequence[str] = (),
    packages: Collection[str] = (),
) -> Path | None:
    """Write the page, the picture and the table of a suite; None: the sweep is none.

    Args:
        sweep: its folder, read.
        out: folder to write to; None: the sweep's own.
        diagnostics: shown of the best and of the median run of each task; `["all"]`: all there are.
            They take minutes.
        packages: that configs of runs may name classes of, besides the library's own.
    Raises:
        OSError: if they cannot be written.
    """
    asked = runs_asked(sweep)
    if not asked:
        return None
    rows, out = passport_rows(sweep, packages=packages), out or sweep.folder
    if rows:
        with atomic_write(out / TABLE) as scratch:
            write_passport(rows, scratch)
    few, note, title = _few_bits(sweep, packages), unfinished(sweep), ", ".join(map(plain, asked))
    page = write_page(rows, out, note, title, few=few)
    if diagnostics:
        # torch takes seconds to import, and most pages need none of it
        from lossladder.report.diagnose import best_and_median

        looked = {
            f"{entry.rpartition('/')[2].replace('_', ' ')}, {network}": found
            for (network, entry), runs in reported(sweep).items()
            if (found := best_and_median((r for r in runs if r.done), diagnostics, packages))
        }
        # the page without them is there already, for whom they take too long
        page = write_page(rows, out, note, title, looked, few)
    return page


def compare_passports(tables: Sequence[Path], out: Path) -> Path:
    """Put passports on one page; networks of one name are told apart by where they come from.

    Raises:
        RequestError: if a file is no passport, or there are more networks than colours.
        OSError: if one cannot be read, or `out` cannot be written.
    """
    read = [read_passport(table) for table in tables]
    names = Counter(name for rows in read for name in networks_of(rows))
    found: list[PassportRow] = []
    for place, (table, rows) in enumerate(zip(tables, read, strict=True), start=1):
        origin = f"{place}: {table.resolve().parent.name}"
        for row in rows:
            name = row.network if names[row.network] == 1 else f"{row.network} ({origin})"
            found.append(replace(row, network=name))
    if (count := len(networks_of(found))) > MOST_LINES:
        raise RequestError(
            f"{many(count, 'network')}: at most {MOST_LINES} are told apart; name fewer passports"
        )
    out.mkdir(parents=True, exist_ok=True)
    return write_page(found, out)


def write_page(
    rows: Sequence[PassportRow],
    out: Path,
    note: str = "",
    title: str = "",
    looked: Mapping[str, Sequence[tuple[str, RunSummary, Sequence["Found"]]]] | None = None,
    few: Sequence[FewBits] = (),
) -> Path:
    """Write the page and the picture of rows of one network or several.

    Args:
        rows: as `passport_rows` has them.
        out: folder.
        note: what is to be said before everything else.
        title: of a page without rows, which has no picture.
        looked: task and network -> which run, the run, and what diagnostics found in it.
        few: networks of few bits.
    """
    known = {row.network for row in references()}
    rows = [
        replace(row, network=f"{row.network} (here)") if row.network in known else row
        for row in rows
    ]
    strips = _strips(rows)
    title = _title(rows) or title
    if strips:
        with atomic_write(out / PICTURE) as scratch:
            save(draw_strips(strips, title), scratch)
    with atomic_write(out / PAGE) as page:
        html = _html(rows, strips, note=note, title=title, looked=looked or {}, few=few)
        page.write_text(html, encoding="utf-8", errors="replace")
    return out / PAGE


def _few_bits(sweep: Sweep, packages: Collection[str]) -> list[FewBits]:
    """Return a picture for each network of which runs of few bits are done."""
    found: dict[str, dict[str, list[RunSummary]]] = {}
    for run in sweep.runs:
        config = {**sweep.common, **run.config}
        if (panel := config.get("suite.panel")) and run.done:
            found.setdefault(config["suite.network"], {}).setdefault(panel, []).append(run)
    if not found:
        return []
    # torch takes seconds to import, and most pages need none of it
    from lossladder.report.bits_figure import draw_bits
    from lossladder.runs.load import load_run

    few: list[FewBits] = []
    for network, panels in found.items():
        every = [[load_run(r.folder, packages=packages) for r in runs] for runs in panels.values()]
        runs = [run for alike in panels.values() for run in alike]
        seconds = sum(run.result.seconds or 0.0 for run in runs)
        picture = base64.b64encode(png(draw_bits(every))).decode()
        few.append(FewBits(network, len(runs), seconds, picture))
    return few


# --- strips -----------------------------------------------------------------------------------


def networks_of(rows: Sequence[PassportRow]) -> list[str]:
    """Return the names of the networks, in the order they come."""
    return list(dict.fromkeys(row.network for row in rows))


def _strips(rows: Sequence[PassportRow]) -> list[Strip]:
    colours = {name: place % MOST_LINES for place, name in enumerate(networks_of(rows))}
    behind = seeds_of(references())
    found: list[Strip] = []
    for (entry, protocol), own in seeds_of(rows).items():
        theirs = behind.get((entry, protocol), {})
        first = next(iter(own.values()))[0]
        worth = _worth(first.rungs)
        columns = [_column(name, alike, colours[name], worth) for name, alike in own.items()]
        columns += [_column(name, alike, -1, worth) for name, alike in theirs.items()]
        lengths = [
            (row.network, row.lengths, colours[row.network])
            for alike in own.values() for row in alike if row.lengths
        ]  # fmt: skip
        level, name = level_and_task(entry)
        ticks = _ticks([(worth(loss), plain(name)) for name, loss in first.rungs])
        found.append(Strip(plain(name), plain(level), ticks, columns, lengths))
    return found


def _worth(rungs: Sequence[tuple[str, float]]) -> Callable[[float], float]:
    """Return what makes of a loss the share of what can be known, within the strip."""
    ceiling, floor = (rungs[0][1], rungs[-1][1]) if rungs else (1.0, 0.0)
    span = (ceiling - floor) or 1.0
    return lambda loss: min(1.0, max(0.0, (ceiling - loss) / span))


def _column(
    name: str, rows: Sequence[PassportRow], colour: int, worth: Callable[[float], float]
) -> Column:
    dots = [min(1.0, max(0.0, row.known or 0.0)) for row in rows]
    theory = {mark for row in rows for mark in row.theory}
    marks = sorted({(worth(loss), bound == "lower") for _, loss, bound in theory})
    words = _words(rows) if colour >= 0 else []
    return Column(plain(name), colour, dots, min(1.0, max(0.0, median_known(rows))), marks, words)


def _ticks(rungs: Sequence[tuple[float, str]]) -> list[StripTick]:
    """Return the rungs, the best first, by what they are worth."""
    rungs = sorted(rungs, key=lambda one: -one[0])
    # floor and ceiling, then those that stand apart from all these
    named: list[tuple[float, str]] = []
    for one in sorted(rungs, key=lambda one: 0 if one[0] in (0.0, 1.0) else 1):
        near = any(abs(one[0] - other[0]) < 0.6 * _GAP for other in named)
        if not near and len(named) < _MOST_NAMED:
            named.append(one)
    named.sort(key=lambda one: -one[0])
    places = spread([at for at, _ in named], _GAP)
    # a crowd at an end would push names over it
    last = len(places) - 1
    places = [min(place, 1.0 - number * _GAP) for number, place in enumerate(places)]
    places = [max(place, (last - number) * _GAP) for number, place in enumerate(places)]
    name_at = dict(zip(named, places, strict=True))
    return [StripTick(one[0], _cut(one[1]), name_at.get(one)) for one in rungs]


def _cut(name: str, letters: int = _LETTERS) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _words(rows: Sequence[PassportRow]) -> list[str]:
    """Return what is said of a network's seeds on one task."""
    share = solved(rows)
    low, high = share.interval()
    seeds = f"{share.count} of {many(share.of, 'seed')} on the floor"
    told = [f"{seeds} [{100 * low:.0f}–{100 * high:.0f} %]"]
    diverged = sum(row.status == "diverged" for row in rows)
    if diverged:
        told.append(f"{diverged} diverged")
    came = [row.reached is not None for row in rows]
    times = [row.updates if row.reached is None else row.reached for row in rows]
    median = kaplan_meier_median(times, came)
    if median < math.inf:
        told.append(f"half of them passed its loss by update {median:,.0f}")
    away = [row.divergence for row in rows if row.divergence is not None]
    if away:
        first, middle, third = map(number, quartiles(away))
        told.append(f"{middle} [{first}, {third}] {rows[0].unit} from the exact law")
    keeps, count = Counter(row.keeps for row in rows).most_common(1)[0]
    if keeps and 2 * count > len(rows):
        told.append(f"keeps {keeps}")
    enough = next((row.horizon for row in rows if row.horizon is not None), None)
    if enough:
        back = (
            f"inputs up to {many(enough - 1, 'step')} back" if enough > 1 else "the last input only"
        )
        told.append(f"is moved by {back}")
    for statement, loss, bound in sorted({mark for row in rows for mark in row.theory}):
        least = f"in the long run no lower than {number(loss)}"
        enough = f"{number(loss)} can be had"
        told.append(f"by theory {least if bound == 'lower' else enough} ({plain(statement)})")
    told.append(f"learning rate {rows[0].learning_rate:g}")
    speeds = [row.microseconds for row in rows if row.microseconds is not None]
    if speeds:
        speed = statistics.median(speeds)
        told.append(f"{speed:,.0f} µs of a core an update: {1e6 / speed:,.0f} a second")
    return told


# --- page -------------------------------------------------------------------------------------


def _stated(found: Sequence[Difference], several: bool) -> dict[str, list[str]]:
    """Return what one network learns and another does not -> tasks, with their seeds.

    Args:
        found: what differs.
        several: whether the page has tasks of several levels, which may be called alike.
    """
    told: dict[str, list[str]] = {}
    for one in sorted(found, key=lambda one: (not one.parts, one.network, one.other)):
        more = f"learns more often than {one.other}"
        words = f"{one.network} {f'learns, {one.other} does not' if one.parts else more}"
        level, task = level_and_task(one.entry)
        name = f"{task} {level}" if several else task
        seeds = f"{one.more.count} of {one.more.of} seeds, {one.less.count} of {one.less.of}"
        low, high = (
            f"{100 * end:.2g}" if end < 0.01 else f"{100 * end:.0f}" for end in one.interval
        )
        told.setdefault(words, []).append(f"{name} ({seeds}; {low}–{high} points)")
    return told


def _title(rows: Sequence[PassportRow]) -> str:
    return ", ".join(map(plain, networks_of(rows)))


def _html(rows: Sequence[PassportRow], strips: Sequence[Strip], **said: Any) -> str:
    names = networks_of(rows)
    fitting = {(row.entry, row.protocol) for row in rows}
    levels = {level_and_task(row.entry)[0] for row in rows}
    behind = [row for row in references() if (row.entry, row.protocol) in fitting]
    there = networks_of(behind)
    # one network is held against the rival, several against one another
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    if len(names) == 1:
        pairs = [(names[0], _RIVAL)] if _RIVAL in there else []
    found, compared = differences([*rows, *behind], pairs)
    style = (_HERE / "passport.css").read_text(encoding="utf-8")
    costs = {(row.network, row.entry): row.tuning_seconds for row in rows}
    page = (
        environment(jitter=jitter)
        .get_template("passport.html.jinja")
        .render(
            names=names,
            rows=rows,
            strips=strips,
            **said,
            pairs=pairs,
            statements=_stated(found, several=len(levels) > 1),
            compared=compared,
            alike=compared - len(found),
            sizes=[_size(name, rows) for name in names],
            references=[_size(name, behind) for name in there],
            seconds=sum(row.seconds or 0.0 for row in rows) + sum(costs.values()),
            tuning=sum(costs.values()),
            rival=_RIVAL,
            commands=list(dict.fromkeys(row.command for row in rows if row.command)),
            machines=list(dict.fromkeys(row.machine for row in rows if row.machine)),
            versions=list(dict.fromkeys(row.versions for row in rows if row.versions)),
            seeds=sorted({row.seed for row in rows}),
            style=Markup(style),
        )
    )
    return page.strip()


def _size(name: str, rows: Sequence[PassportRow]) -> str:
    """Return the name of a network with its parameters and the numbers in its state."""
    own = [row for row in rows if row.network == name]
    counts = sorted({row.parameters for row in own if row.parameters is not None})
    states = sorted({row.state for row in own if row.state is not None})
    told = [f"{_range(states)} numbers of state"] if states else []
    told += [f"{_range(counts)} parameters"] if counts else []
    return f"{plain(name)} ({', '.join(told)})" if told else plain(name)


def _range(counts: Sequence[int]) -> str:
    ends = f"{counts[0]:,}", f"{counts[-1]:,}"
    return ends[0] if ends[0] == ends[1] else "–".join(ends)


_HERE = Path(__file__).parent

# --- picture ----------------------------------------------------------------------------------


def draw_strips(strips: Sequence[Strip], title: str) -> "Figure":
    """Return strips as a figure, three beside one another."""
    from matplotlib.figure import Figure

    lines = math.ceil(len(strips) / 3)
    figure = Figure(figsize=(8.27, 0.6 + 2.15 * lines), dpi=200, facecolor="white")
    figure.suptitle(title, x=0.02, y=1 - 0.12 / lines, ha="left", size=13, weight="bold",
                    color=INK, parse_math=False)  # fmt: skip
    figure.subplots_adjust(
        left=0.115, right=0.99, top=1 - 0.72 / (0.6 + 2.15 * lines), bottom=0.6 / (2.15 * lines),
        wspace=0.48, hspace=0.6,
    )  # fmt: skip
    for place, strip in enumerate(strips):
        axes = figure.add_subplot(lines, 3, place + 1)
        axes.set_xlim(-0.7, len(strip.columns) - 0.3)
        axes.set_ylim(-0.06, 1.06)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.spines["left"].set_color(GREY)
        axes.set_title(strip.title, loc="left", size=8.5, weight="bold", color=INK, pad=4,
                       parse_math=False)  # fmt: skip
        axes.set_yticks([])
        names = [column.name for column in strip.columns]
        axes.set_xticks(range(len(names)), names, rotation=90, size=5.5)
        axes.tick_params(colors=INK, length=0, pad=1)
        for tick in strip.ticks:
            axes.axhline(tick.at, color=GREY, lw=0.5, zorder=1, alpha=0.5)
            if tick.name_at is not None:
                axes.text(-0.03, (tick.name_at + 0.06) / 1.12, tick.name, ha="right", va="center",
                          size=5.5, color=INK, transform=axes.transAxes,
                          parse_math=False)  # fmt: skip
        for across, column in enumerate(strip.columns):
            colour = GREY if column.colour < 0 else COLOURS[column.colour]
            places = [across + shift for shift in jitter(len(column.dots))]
            size, alpha = (2, 0.6) if column.colour < 0 else (4, 0.9)
            axes.plot(places, column.dots, ls="", marker="o", color=colour, mec="none", ms=size,
                      alpha=alpha)  # fmt: skip
            axes.plot([across - 0.35, across + 0.35], [column.median] * 2, color=colour, lw=1)
            for at, bound in column.marks:
                axes.plot([across - 0.45, across + 0.45], [at] * 2, color=INK, lw=1.2,
                          ls=(0, (2.5, 1)) if bound else (0, (0.7, 1)))  # fmt: skip
    return figure


def jitter(count: int) -> list[float]:
    """Return places beside the middle of a column for its dots, which would hide one another.

    >>> jitter(3)
    [-0.25, 0.0, 0.25]
    """
    return [0.5 * place / (count - 1) - 0.25 for place in range(count)] if count > 1 else [0.0]
