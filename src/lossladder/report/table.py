"""The runs of a sweep as a table: one row a run, for a notebook or a spreadsheet."""

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossladder.report.sweep_folder import Sweep, read_sweep, typed

if TYPE_CHECKING:
    from pandas import DataFrame

_MEASURED = ("loss", "standard_error", "above_floor", "seconds", "training_seconds")
_TO = "updates to "  # and the name of a rung


def results(folder: str | Path) -> "DataFrame":
    """The runs of a sweep, one row each.

    Args:
        folder: of the sweep.
    Returns:
        The settings that vary, `seed`, `status` (`going`: no result yet), `loss`,
        `standard_error`, `above_floor`, `rung`, `updates to <rung>` for every rung, `seconds`,
        `training_seconds`, and `folder`, which `load_run` takes. Units are those of `result.json`.
    Raises:
        ValueError: if the folder holds no runs.
        ImportError: if pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError("results() needs pandas: pip install lossladder[notebook]") from error
    sweep = read_sweep(Path(folder))
    table = DataFrame(records(sweep, Path()), columns=columns(sweep))
    measured = [name for name in table if name in _MEASURED or name.startswith(_TO)]
    return table.astype(dict.fromkeys(measured, float))  # a column without numbers is one as well


def columns(sweep: Sweep) -> list[str]:
    """Names of the columns, in order."""
    ladders = dict.fromkeys(run.ladder for run in sweep.runs if run.ladder is not None)
    rungs = dict.fromkeys(f"{_TO}{rung.name}" for ladder in ladders for rung in ladder.rungs)
    first = ("seed", "status", "loss", "standard_error", "above_floor", "rung")
    return [*sweep.keys, *first, *rungs, "seconds", "training_seconds", "folder"]


def records(sweep: Sweep, start: Path) -> list[dict[str, Any]]:
    """One row a run; folders are named as seen from `start`."""
    made = []
    for run, setting in zip(sweep.runs, sweep.settings, strict=True):
        names = [rung.name for rung in run.ladder.rungs] if run.ladder else []
        made.append(
            {
                **{key: typed(value) for key, value in setting},
                "seed": run.seed,
                "status": run.status,
                "loss": run.loss,
                "standard_error": run.standard_error,
                "above_floor": run.above_floor,
                "rung": run.rung,
                **{f"{_TO}{n}": u for n, u in zip(names, run.reached, strict=True)},
                "seconds": run.seconds,
                "training_seconds": run.training_seconds,
                "folder": os.path.relpath(run.folder, start),
            }
        )
    return made


def write_csv(sweep: Sweep, out: Path) -> None:
    """The table as a file, which may be moved within its folder; an empty cell is no number."""
    with out.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, columns(sweep))
        writer.writeheader()
        writer.writerows(records(sweep, out.parent))
