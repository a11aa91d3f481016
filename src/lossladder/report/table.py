"""The runs of a sweep as a table: one row a run, for a notebook or a spreadsheet."""

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossladder.report.sweep_folder import Sweep, read_sweep, typed

if TYPE_CHECKING:
    from pandas import DataFrame

_LOSSES = ("loss", "standard_error", "above_floor", "divergence", "divergence_error", "share")
_FIRST = ("seed", "status", *_LOSSES, "standing", "stands_on", "knows", "nearest", "rung")
_LAST = ("seconds", "training_seconds")
_MEASURED = (*_LOSSES, *_LAST)
_TO = "updates to "  # and the name of a rung


def results(folder: str | Path) -> "DataFrame":
    """Return the runs of a sweep, one row each.

    Args:
        folder: of the sweep.
    Returns:
        The settings that vary, `seed`, `status` (`going`: no result yet), `loss`,
        `standard_error`, `above_floor`, `divergence`, `divergence_error`, `share`, `standing`,
        `stands_on`, `rung`, `updates to <rung>` for every rung, `seconds`, `training_seconds`, and
        `folder`, which `load_run` takes. Units are those of `result.json`.
    Raises:
        ValueError: if the folder holds no runs.
        ImportError: if pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError(
            "results() needs pandas: pip install -e '.[notebook]' in a checkout, or "
            "pip install 'lossladder[notebook]'"
        ) from error
    sweep = read_sweep(Path(folder))
    table = DataFrame(records(sweep, Path()), columns=columns(sweep))
    measured = [name for name in table if name in _MEASURED or name.startswith(_TO)]
    # A column in which no run has a number would else hold None, and no mean could be taken of it.
    return table.astype(dict.fromkeys(measured, float))


def columns(sweep: Sweep) -> list[str]:
    """Return the names of the columns, in order."""
    ladders = dict.fromkeys(run.ladder for run in sweep.runs if run.ladder is not None)
    rungs = dict.fromkeys(f"{_TO}{rung.name}" for ladder in ladders for rung in ladder.rungs)
    return [*sweep.keys, *_FIRST, *rungs, *_LAST, "folder"]


def records(sweep: Sweep, start: Path) -> list[dict[str, Any]]:
    """Return one row a run; folders are named as seen from `start`."""
    made = []
    for run, setting in zip(sweep.runs, sweep.settings, strict=True):
        names = [f"{_TO}{rung.name}" for rung in run.ladder.rungs] if run.ladder else []
        made.append(
            {key: typed(value) for key, value in setting}
            | {name: getattr(run.result, name) for name in (*_FIRST, *_LAST)}
            | dict(zip(names, run.reached, strict=True))
            | {"folder": os.path.relpath(run.folder, start)}
        )
    return made


def write_csv(sweep: Sweep, out: Path) -> None:
    """Write the table as a file that may be moved within its folder; an empty cell is no number."""
    names = columns(sweep)
    with out.open("w", newline="", encoding="utf-8", errors="replace") as file:
        # The names of the columns are from folders as well: a key may be called `=1+1`.
        writer = csv.writer(file)
        writer.writerow(map(harmless, names))
        for record in records(sweep, out.parent):
            writer.writerow([harmless(record.get(name, "")) for name in names])


def harmless(cell: Any) -> Any:
    """Return a cell in which a spreadsheet sees no formula, whatever a folder says.

    >>> [harmless(cell) for cell in ("=1+1", "rnn", -0.5)]
    ["'=1+1", 'rnn', -0.5]
    """
    # Numbers are not texts, and stay as they are: -0.5 is no formula.
    formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    return f"'{cell}" if formula else cell
