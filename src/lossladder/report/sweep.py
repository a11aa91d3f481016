"""What came of a sweep, in a few lines for the terminal."""

import statistics
from collections import Counter
from pathlib import Path

from lossladder.report.folder import NoSweepError, Sweep, read_sweep
from lossladder.report.summary import Row, rows

_MOST_NAMED = 10  # folders of runs that failed alike; the report has them all


def table(folder: Path) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures.

    Args:
        folder: of the sweep.
    """
    try:
        sweep = read_sweep(folder)
    except NoSweepError:
        return "sweep  no run has ended"
    made = rows(sweep)
    width = max((len(row.label) for row in made), default=0)
    lines = [f"{row.label:{width}}  {_row(row)}" for row in made]
    damaged = [f"{name}: {what}" for name, what in sweep.damaged]
    return "\n".join(["sweep", *lines, *_failures(sweep), *damaged])


def _failures(sweep: Sweep) -> list[str]:
    """Runs that failed, under what ended them: many often fail for one reason."""
    found: dict[str, list[str]] = {}
    for run in sweep.runs:
        if run.status == "failed":
            found.setdefault(run.why, []).append(run.folder.name)
    lines: list[str] = []
    for why, names in found.items():
        more = [f"  and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
        named = [f"  {name}" for name in names[:_MOST_NAMED]]
        lines += [f"failed  {why or 'no reason known'}", *named, *more]
    return lines


def _row(row: Row) -> str:
    losses = [run.loss for run in row.runs if run.loss is not None]
    parts = ["1 run" if len(row.runs) == 1 else f"{len(row.runs)} runs"]
    if losses and row.ladder:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        floor = row.ladder.rungs[-1].loss
        parts.append(f"loss {statistics.mean(losses):.4f}{spread} (floor {floor:.4f})")
    if row.ended:
        rungs = Counter(run.rung or "no rung" for run in row.ended)
        parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    mistakes = [run.mistakes for run in row.runs if run.mistakes is not None]
    if mistakes:
        parts.append(f"median {statistics.median(mistakes):g} mistakes")
    parts += [f"{count} {status}" for status, count in row.statuses.items() if status != "done"]
    return "; ".join(parts)
