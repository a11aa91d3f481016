"""What came of a sweep, in a few lines for the terminal."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lossladder.checks import RequestError
from lossladder.console import many
from lossladder.report.page import write_report
from lossladder.report.passport import unfinished
from lossladder.report.passport_page import write_passport_page
from lossladder.report.search_figure import read_search
from lossladder.report.summary import Row, failures, known, rows, standings
from lossladder.report.sweep_folder import GOING, Sweep, read_sweep, typed
from lossladder.runs.verdict import number
from lossladder.tensorboard.address import leave_address
from lossladder.tensorboard.hparams import write_columns
from lossladder.tensorboard.logger import loss_tag
from lossladder.tensorboard.reference_lines import shown_rungs

_MOST_NAMED = 10  # reasons, and folders of runs that failed alike; the report has more


def summed_up(
    folder: Path, colours: str, shown: Callable[[Path], Path], looked: Sequence[str] = ()
) -> str:
    """Return what a sweep says when it ends; write its report, and TensorBoard's columns.

    Args:
        folder: of the sweep.
        colours: regular expression; runs in which its group is the same share a colour.
        shown: a path as short as it can be said.
        looked: diagnostics that the passport of a suite shows.
    """
    try:
        sweep = read_sweep(folder)
    except RequestError:
        return f"sweep  no run has ended\nfolder {shown(folder)}"
    lines = [table(sweep), f"folder {shown(folder)}"]
    try:
        lines.append(f"report {shown(write_report(sweep))}")
        if (passport := write_passport_page(sweep, diagnostics=looked)) is not None:
            lines.append(f"passport {shown(passport)}")
            lines += filter(None, [unfinished(sweep)])
    except OSError as error:
        # The runs are done all the same, and the same command writes it once there is room.
        reason = f"{shown(Path(error.filename or folder))}: {error.strerror}"
        lines.append(f"report  cannot be written: {reason}")
    if pinned := cards(sweep):
        # Where they cannot be written, TensorBoard finds columns of its own.
        with suppress(OSError):
            set_columns(sweep)
        with suppress(OSError):
            lines.append(leave_address(folder, shown(folder), pinned, colours))
    return "\n".join(lines)


def table(sweep: Sweep) -> str:
    """Return one row a setting, then what went wrong, and the way to get the rest done.

    Of a search, which has many settings, the best ones.
    """
    searched = read_search(sweep.folder)
    made = [] if searched else rows(sweep)
    width = max((len(row.label) for row in made), default=0)
    lines = searched.lines if searched else [f"{row.label:{width}}  {_row(row)}" for row in made]
    failed = failures(sweep)
    for (status, why), runs in [*failed.items()][:_MOST_NAMED]:
        lines += [f"{status}  {why}", *(f"  {run.folder.name}" for run in runs[:_MOST_NAMED])]
        if len(runs) > _MOST_NAMED:
            lines.append(f"  and {len(runs) - _MOST_NAMED} more")
    if len(failed) > _MOST_NAMED:
        lines.append(f"and {many(len(failed) - _MOST_NAMED, 'more reason')}")
    lines += [f"{name}: {what}" for name, what in sweep.damaged]
    left = {"failed", "interrupted", GOING} & {*sweep.statuses}
    if sweep.not_begun:
        lines.append(f"{sweep.not_begun:,} of {many(sweep.asked, 'run')} not begun")
    if left or sweep.not_begun:
        what = "failed" if left == {"failed"} and not sweep.not_begun else "failed or was cut off"
        lines.append(f"the same command again redoes what {what}, and nothing else")
    return "\n".join(["search" if searched else "sweep", *lines])


def _row(row: Row) -> str:
    """Return runs, loss, divergence (mean ± deviation over seeds), rungs, mistakes, bad ends."""
    losses, mistakes = known(row.done, "loss"), known(row.done, "mistakes")
    parts = [many(len(row.runs), "run")]
    if losses and row.ladder:
        loss = f"loss {statistics.mean(losses):.4f} (floor {row.ladder.rungs[-1].loss:.4f})"
        spread = "" if row.spread is None else f" ± {number(row.spread)}"
        parts.append(f"{loss}, {number(row.mean)}{spread} from the exact law")
        # Unlike those of the page, only what is done: it explains the loss beside it.
        parts.append("; ".join(stand.counted for stand in standings(row.done)))
    if mistakes:
        parts.append(f"median {statistics.median(mistakes):g} mistakes")
    return "; ".join([*parts, *row.not_done])


def cards(sweep: Sweep) -> list[str]:
    """Return the tags of the losses that stand beside reference lines: one a task."""
    results = (run.result for run in sweep.runs if run.ladder is not None)
    return sorted({loss_tag(result.task, result.length is not None) for result in results})


def set_columns(sweep: Sweep) -> None:
    """Give HParams the columns of a sweep: what was varied, and how soon each rung was passed."""
    varied = {_knob(key): typed(value) for run in sweep.runs for key, value in run.config.items()}
    shown = {_knob(key) for key in sweep.keys} | {"seed"}
    given = {knob: value for knob, value in varied.items() if knob in shown}
    ladders = dict.fromkeys(run.ladder for run in sweep.runs if run.ladder is not None)
    named = (rung.name for ladder in ladders for rung in shown_rungs(ladder.rungs))
    given["standing"] = ""
    write_columns(sweep.folder, given, given.keys(), [*dict.fromkeys(named)])


def _knob(key: str) -> str:
    """Return a key as TensorBoard has it: `task.effects.3` -> `task.effects`."""
    return ".".join(key.removeprefix("names.").split(".")[:2])
