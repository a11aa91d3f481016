"""The loss curves of runs, read back from their folders."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.report.settings import labels, read_config, settings


class Line(NamedTuple):
    """Runs of one setting.

    Args:
        label: what sets them apart from the other lines.
        updates: (points,)
        losses: (runs, points), nats per scored step.
    """

    label: str
    updates: NDArray[np.float64]
    losses: NDArray[np.float64]


class Rung(NamedTuple):
    """A rung as `result.json` has it."""

    name: str
    loss: float


class PictureError(ValueError):
    """The picture that was asked for cannot be drawn."""


def read(runs: Sequence[Path]) -> tuple[str, list[Rung], list[Line]]:
    """Task, ladder and lines of the folders of runs or sweeps.

    Raises:
        PictureError: if a folder is no run, has no curve, or climbs another ladder than the first.
    """
    runs = [run for folder in runs for run in _runs(folder)]
    results = [_result(run) for run in runs]
    ladders = [[Rung(rung["name"], rung["loss"]) for rung in r["rungs"]] for r in results]
    for run, result, ladder in zip(runs, results, ladders, strict=True):
        if (result["task"], ladder) != (results[0]["task"], ladders[0]):
            raise PictureError(f"{run}: has another ladder than {runs[0]}; one picture, one ladder")
        if not _curve(result)["updates"]:
            raise PictureError(f"{run}: has no curve, it ended before its first update")
    found = settings([read_config(run) for run in runs])
    names = labels(found)
    lines = []
    for setting, name in names.items():
        alike = [r for r, s in zip(results, found, strict=True) if s == setting]
        lines.append(_line(name or alike[0]["model"], [_curve(result) for result in alike]))
    return results[0]["task"], ladders[0], lines


def _runs(folder: Path) -> list[Path]:
    inside = sorted(path.parent for path in folder.glob("*/result.json"))
    return inside if inside and not (folder / "result.json").exists() else [folder]


def _result(run: Path) -> dict[str, Any]:
    for name in ("result.json", "config.yaml"):
        if not (run / name).is_file():
            raise PictureError(f"{run}: is no finished run, it has no {name}")
    try:
        result = json.loads((run / "result.json").read_text())
    except ValueError as error:
        raise PictureError(f"{run}: its result.json cannot be read: {error}") from error
    if not isinstance(result, dict) or {"task", "model", "rungs", "curve"} - result.keys():
        raise PictureError(f"{run}: its result.json is no result of a run")
    return result


def _curve(result: dict[str, Any]) -> dict[str, Any]:
    """The loss that the ladder holds for: not in training, where sequences grow."""
    return result["validation" if "length" in result else "curve"]


def _line(label: str, curves: Sequence[dict[str, Any]]) -> Line:
    """Curves on common points: those of the shortest, in case a run was interrupted."""
    shortest = min((curve["updates"] for curve in curves), key=lambda updates: updates[-1])
    losses = [np.interp(shortest, curve["updates"], curve["loss"]) for curve in curves]
    return Line(label, np.array(shortest, dtype=float), np.array(losses))
