"""What came of a sweep, in a few lines for the terminal."""

import statistics
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lossladder.checks import RequestError
from lossladder.report.failures import bad_ends
from lossladder.report.page import write
from lossladder.report.summary import Row, many, rows, standard_error
from lossladder.report.sweep_folder import GOING, Sweep, read_sweep, typed
from lossladder.tensorboard.address import leave_address
from lossladder.tensorboard.hparams import write_columns
from lossladder.tensorboard.logger import loss_tag
from lossladder.tensorboard.reference_lines import shown_rungs

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
    except RequestError:
        return f"sweep  no run has ended\nfolder {shown(folder)}"
    lines = [table(sweep), f"folder {shown(folder)}"]
    try:
        lines.append(f"report {shown(write(sweep))}")
    except OSError as error:  # the runs are done all the same
        reason = f"{shown(Path(error.filename or folder))}: {error.strerror}"
        lines.append(f"report  cannot be written: {reason}")
    if pinned := cards(sweep):
        with suppress(OSError):  # then TensorBoard finds columns of its own
            set_columns(sweep)
        with suppress(OSError):
            lines.append(leave_address(folder, shown(folder), pinned, colours))
    return "\n".join(lines)


def table(sweep: Sweep) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures."""
    made = rows(sweep)
    width = max((len(row.label) for row in made), default=0)
    lines = [f"{row.label:{width}}  {_row(row)}" for row in made]
    damaged = [f"{name}: {what}" for name, what in sweep.damaged]
    return "\n".join(["sweep", *lines, *_failures(sweep), *damaged, *_to_do(sweep)])


def _failures(sweep: Sweep) -> list[str]:
    """Return runs that ended badly, under what ended them: many often fail for one reason."""
    lines: list[str] = []
    for (status, why), runs in bad_ends(sweep).items():
        more = [f"  and {len(runs) - _MOST_NAMED} more"] if len(runs) > _MOST_NAMED else []
        named = [f"  {run.folder.name}" for run in runs[:_MOST_NAMED]]
        lines += [f"{status}  {why}", *named, *more]
    return lines


def _to_do(sweep: Sweep) -> list[str]:
    """What is left, and the way to get it done."""
    left = {run.status for run in sweep.runs} & {"failed", "interrupted", GOING}
    if not left and not sweep.not_begun:
        return []
    what = "failed" if left == {"failed"} and not sweep.not_begun else "failed or was cut off"
    again = f"the same command again redoes what {what}, and nothing else"
    missing = f"{sweep.not_begun:,} of {many(sweep.asked, 'run')} not begun"
    return [missing, again] if sweep.not_begun else [again]


def _row(row: Row) -> str:
    losses = [run.loss for run in row.done if run.loss is not None]
    parts = [many(len(row.runs), "run")]
    if losses and row.ladder:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        beside = f"floor {row.ladder.rungs[-1].loss:.4f}"
        if len(losses) == 1 and row.sampling_error:
            beside += f", standard error {standard_error(row.sampling_error)}"
        parts.append(f"loss {statistics.mean(losses):.4f}{spread} ({beside})")
    if losses:
        rungs = Counter(run.rung or "no rung" for run in row.done if run.loss is not None)
        parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    mistakes = [run.mistakes for run in row.done if run.mistakes is not None]
    if mistakes:
        parts.append(f"median {statistics.median(mistakes):g} mistakes")
    parts += [f"{count} {status}" for status, count in row.statuses.items() if status != "done"]
    return "; ".join(parts)


def cards(sweep: Sweep) -> list[str]:
    """Tags of the losses that stand beside reference lines: one a task."""
    return sorted({loss_tag(run.task, run.grows) for run in sweep.runs if run.ladder is not None})


def set_columns(sweep: Sweep) -> None:
    """Give HParams the columns of a sweep: what was varied, and how soon each rung was reached."""
    varied = {_knob(key): typed(value) for run in sweep.runs for key, value in run.config.items()}
    shown = {_knob(key) for key in sweep.keys} | {"seed"}
    given = {knob: value for knob, value in varied.items() if knob in shown}
    ladders = dict.fromkeys(run.ladder for run in sweep.runs if run.ladder is not None)
    named = (rung.name for ladder in ladders for rung in shown_rungs(ladder.rungs))
    write_columns(sweep.folder, {**given, "rung": ""}, {*given, "rung"}, [*dict.fromkeys(named)])


def _knob(key: str) -> str:
    """As TensorBoard has it: `names.model` -> `model`, `task.effects.3` -> `task.effects`."""
    return ".".join(key.removeprefix("names.").split(".")[:2])
