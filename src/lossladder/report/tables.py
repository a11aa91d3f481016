"""The tables of the page: settings by rung, and two settings against each other."""

import math
from collections.abc import Sequence

from lossladder.report.layout import MOST_LINES
from lossladder.report.markup import Html, tag
from lossladder.report.summary import Row, standard_error
from lossladder.report.sweep_folder import LadderRecord, Sweep, short

_MOST_ROWS = 200  # of a page; the file beside it holds all
_MOST_CELLS = 30  # a side of the heat map


def settings_table(ladder: LadderRecord, made: Sequence[Row]) -> Html:
    """A row a setting: seeds, loss above the floor, and how it went on each rung."""
    # runs that ended on no rung at all: above the ceiling, or without a loss
    lost = any(row.share(None) for row in made)
    rungs = [_head(rung.name, f"{rung.loss:.4f}", rung.knows) for rung in ladder.rungs]
    heads = [_head("setting"), _head("seeds"), _head("above the floor"), *rungs]
    heads += [_head("no rung")] * lost + [_head("training", "s")]
    body = [_row(ladder, row, place, lost) for place, row in enumerate(made[:_MOST_ROWS])]
    more = len(made) - _MOST_ROWS
    return tag(
        "section",
        tag("h2", f"Settings on {ladder.task}, best first"),
        _scrolled([tag("tr", *_over(ladder, lost)), tag("tr", *heads)], body),
        tag(
            "p",
            f"{more} more settings: see report.csv. " if more > 0 else "",
            f"Above the floor: mean ± standard deviation over seeds, {ladder.unit} a step; of one "
            "seed, the standard error (s.e.) of its loss. Only seeds that are done count. "
            "Under each rung: of the seeds that ended by themselves, done or diverged, "
            "the share that ended on it, and the median update at which the training loss "
            "first stood on it (–: half of the seeds never did). Training: median, start-up apart.",
            class_="note",
        ),
    )


def _over(ladder: LadderRecord, lost: bool) -> list[Html]:
    """What the two lines of the cells below are: the note is far from a long table's first row."""
    share = tag("b", "share that ended on it")
    below = tag("small", "at: median update at which it was first reached")
    rungs = tag("th", share, below, colspan=len(ladder.rungs), scope="colgroup")
    return [tag("td", colspan=3), rungs, tag("td", colspan=1 + lost)]


def _head(words: str, below: str = "", meaning: str | None = None) -> Html:
    return tag("th", words, tag("small", below), scope="col", title=meaning or None)


def _row(ladder: LadderRecord, row: Row, place: int, lost: bool) -> Html:
    colour = f"c{place}" if place < MOST_LINES else "other"
    spread = tag("span", f"± {row.spread:.4f}") if row.spread is not None else ""
    error = row.standard_error if row.spread is None else None
    above = f"{row.mean:z.4f}" if row.measured else "–"
    below = tag("small", f"s.e. {standard_error(error)}") if error else Html()
    seconds = f"{row.training_seconds:.2f}" if row.training_seconds is not None else "–"
    rungs = [
        _cell(f"{row.share(rung.name):.0%}", row.share(rung.name), _at(row.updates_to(number)))
        for number, rung in enumerate(ladder.rungs)
    ] if row.ended else [tag("td", "–") for _ in ladder.rungs]  # fmt: skip
    if lost:
        rungs.append(_cell(f"{row.share(None):.0%}", 0.0, ""))
    return tag(
        "tr",
        tag("th", tag("i", class_=f"chip-line {colour}"), row.label, scope="row"),
        tag("td", str(len(row.runs)), tag("small", _not_done(row))),
        tag("td", above, *([" ", spread] if spread else []), below, class_="number"),
        *rungs,
        tag("td", seconds),
    )


def _at(updates: float) -> str:
    return f"at {updates:,.0f}" if math.isfinite(updates) else "–"


def _not_done(row: Row) -> str:
    counts = {status: count for status, count in row.statuses.items() if status != "done"}
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def _cell(words: str, share: float, below: str) -> Html:
    kind = "heat" if share else "nothing"
    return tag("td", words, tag("small", below), class_=kind, style=f"--share:{share:.3f}")


def heat_map(sweep: Sweep, made: Sequence[Row]) -> Html:
    """Mean loss above the floor by two settings; nothing where not exactly two were varied."""
    if len(sweep.keys) != 2:
        return Html()
    first, second = sorted(sweep.keys, key=lambda key: -len(sweep.values(key)))
    down, across = sweep.values(first), sweep.values(second)
    if len(across) > _MOST_CELLS or len(down) > _MOST_ROWS:
        return Html()
    cells = {(dict(row.setting)[first], dict(row.setting)[second]): row for row in made}
    # short, because it stays in sight; the title has them in full
    corner = tag("th", tag("div", f"{short(first)} ↓"), tag("div", f"{short(second)} →"))
    head = tag("tr", corner, *(tag("th", a, scope="col") for a in across))
    body = [
        tag("tr", tag("th", d, scope="row"), *(_mean(cells.get((d, a))) for a in across))
        for d in down
    ]
    return tag(
        "section",
        tag("h2", f"Loss above the floor by {first} and {second}"),
        _scrolled([head], body, "map"),
        tag(
            "p",
            "Mean over seeds; the stronger the colour, the nearer to the floor.",
            class_="note",
        ),
    )


def _mean(row: Row | None) -> Html:
    if row is None or row.ladder is None or not row.measured:
        return tag("td", "–")
    # the root, because what matters happens near the floor
    near = 1 - math.sqrt(min(1.0, max(0.0, row.mean / row.ladder.span)))
    return tag("td", f"{row.mean:z.4f}", class_="heat", style=f"--share:{near:.3f}")


def _scrolled(head: Sequence[Html], body: Sequence[Html], kind: str = "settings") -> Html:
    """A table in a box of its own: on a narrow screen it moves, and the page does not."""
    table = tag("table", tag("thead", *head), tag("tbody", *body), class_=kind)
    return tag("div", table, class_="scroll", tabindex=0)
