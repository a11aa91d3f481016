"""What came of a sweep, in a few lines for the terminal."""

import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lossladder.report.folder import NoSweepError, Sweep, read_sweep
from lossladder.report.look import address, cards, set_columns
from lossladder.report.page import write
from lossladder.report.summary import Row, rows
from lossladder.report.troubles import DIVERGED

_MOST_NAMED = 10  # folders of runs that failed alike; the report has them all


def summed_up(folder: Path, colours: str, shown: Callable[[Path], Path]) -> str:
    """What a sweep says when it ends; writes its report, and TensorBoard's columns.

    Args:
        folder: of the sweep.
        colours: regular expression; runs in which its group is the same share a colour.
        shown: a path as short as it can be said.
    """
    try:
        sweep = read_sweep(folder)
    except NoSweepError:
        return f"sweep  no run has ended\nfolder {shown(folder)}"
    lines = [table(sweep), f"folder {shown(folder)}", f"report {shown(write(sweep))}"]
    if pinned := cards(sweep):
        set_columns(sweep)
        lines.append(address(shown(folder), pinned, colours))
    return "\n".join(lines)


def table(sweep: Sweep) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures."""
    made = rows(sweep)
    width = max((len(row.label) for row in made), default=0)
    lines = [f"{row.label:{width}}  {_row(row)}" for row in made]
    damaged = [f"{name}: {what}" for name, what in sweep.damaged]
    return "\n".join(["sweep", *lines, *_failures(sweep), *damaged])


def _failures(sweep: Sweep) -> list[str]:
    """Runs that ended badly, under what ended them: many often fail for one reason."""
    found: dict[str, list[str]] = {}
    for run in sweep.runs:
        if run.status in ("failed", "diverged"):
            why = run.why or "no reason known" if run.status == "failed" else DIVERGED
            found.setdefault(f"{run.status}  {why}", []).append(run.folder.name)
    lines: list[str] = []
    for why, names in found.items():
        more = [f"  and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
        named = [f"  {name}" for name in names[:_MOST_NAMED]]
        lines += [why, *named, *more]
    if any(run.status == "failed" for run in sweep.runs):
        lines.append("the same command again redoes what failed, and nothing else")
    return lines


def _row(row: Row) -> str:
    losses = [run.loss for run in row.runs if run.loss is not None]
    parts = ["1 run" if len(row.runs) == 1 else f"{len(row.runs)} runs"]
    if losses and row.ladder:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        floor = row.ladder.rungs[-1].loss
        parts.append(f"loss {statistics.mean(losses):.4f}{spread} (floor {floor:.4f})")
    if losses:
        rungs = Counter(run.rung or "no rung" for run in row.runs if run.loss is not None)
        parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    mistakes = [run.mistakes for run in row.runs if run.mistakes is not None]
    if mistakes:
        parts.append(f"median {statistics.median(mistakes):g} mistakes")
    parts += [f"{count} {status}" for status, count in row.statuses.items() if status != "done"]
    return "; ".join(parts)
