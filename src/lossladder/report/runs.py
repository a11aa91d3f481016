"""The folder of a run, read back: what it was asked to do, and what came of it."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lossladder.report.curves import Curve, binned
from lossladder.report.settings import read_config

GOING = "going"  # the status of a run that has left no result yet
_NEEDED = {"task", "model", "status", "rungs", "curve"}
_NUMBERS = ("loss", "standard_error", "above_floor", "mistakes", "steps", "seconds",
            "training_seconds")  # fmt: skip
_TAIL = 2**16  # bytes of a log in which its last traceback is looked for


class DamagedError(ValueError):
    """The folder of a run is not as a run leaves it."""


class Rung(NamedTuple):
    """A rung as `result.json` has it."""

    name: str
    loss: float
    knows: str = ""


class Ladder(NamedTuple):
    """What the runs of a task are held against; the ceiling first."""

    task: str
    rungs: tuple[Rung, ...]
    unit: str = "nats"  # of the losses, per scored step

    @property
    def span(self) -> float:
        """From floor to ceiling."""
        return (self.rungs[0].loss - self.rungs[-1].loss) or 1.0


@dataclass(slots=True)
class Run:
    """One run.

    Args:
        folder: its own.
        config: flat: `model.hidden_size` -> "16".
        task, model: names.
        seed: of weights and data.
        status: as in `result.json`, or `going`.
        why: what ended a run that failed, in one line.
        ladder: None while there is no result; so with all that follows.
        reached: update at which each rung was first reached, the ceiling first.
        curve: None also if the run ended before its first update.
        grows: whether sequences grew in training; then the curve is that of validation.
    """

    folder: Path
    config: Mapping[str, str]
    task: str
    model: str
    seed: int
    status: str = GOING
    why: str = ""
    ladder: Ladder | None = None
    loss: float | None = None
    standard_error: float | None = None
    above_floor: float | None = None
    rung: str | None = None
    reached: tuple[int | None, ...] = ()
    mistakes: float | None = None
    steps: int | None = None
    seconds: float | None = None
    training_seconds: float | None = None
    curve: Curve | None = None
    grows: bool = False
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        """Whether its loss counts: it was trained to its end, and found to be honest."""
        return self.status == "done"


def read_run(folder: Path) -> Run:
    """Everything a report says of a run.

    Raises:
        DamagedError: naming the file that is missing or cannot be read.
    """
    try:
        config = read_config(folder)
        run = Run(
            folder=folder,
            config=config,
            task=config["names.task"],
            model=config["names.model"],
            seed=int(config["seed"]),
        )
    except FileNotFoundError as error:
        raise DamagedError("has no config.yaml") from error
    except OSError as error:
        raise DamagedError(f"its config.yaml cannot be read: {error.strerror}") from error
    except Exception as error:  # yaml has exceptions of many kinds, and none for another's file
        raise DamagedError(f"its config.yaml is no config of a run: {_line(error)}") from error
    result = _result(folder / "result.json")
    if result is None:
        return run
    try:
        _add(run, result)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedError("its result.json is no result of a run") from error
    return run


def _result(path: Path) -> dict[str, Any] | None:
    try:
        result = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"its result.json cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DamagedError(f"its result.json cannot be read: {_line(error)}") from error
    if not isinstance(result, dict) or _NEEDED - result.keys():
        raise DamagedError("its result.json is no result of a run")
    return result


def _add(run: Run, result: Mapping[str, Any]) -> None:
    run.status = str(result["status"])
    if run.status == "failed":
        leak = "its loss lies under what the exact law attains: it sees what it is to predict"
        run.why = leak if result.get("leaks") else last_words(run.folder / "run.log")
        if not result["rungs"]:  # its process died, and somebody else wrote this
            return
    rungs = tuple(
        # rounded, because another machine may have another last digit
        Rung(str(rung["name"]), round(float(rung["loss"]), 12), str(rung.get("knows", "")))
        for rung in result["rungs"]
    )
    if not rungs or not all(math.isfinite(rung.loss) for rung in rungs):
        raise ValueError("no ladder")
    run.ladder = _one(Ladder(str(result["task"]), rungs, str(result.get("unit", "nats"))))
    run.reached = tuple(_number(rung.get("reached_at")) for rung in result["rungs"])
    run.task, run.model = str(result["task"]), str(result["model"])
    run.rung = None if result.get("rung") is None else str(result["rung"])
    for key in _NUMBERS:
        setattr(run, key, _number(result.get(key)))
    # the loss that the ladder holds for: not that of training on sequences that grow
    run.grows = "length" in result
    run.curve = _curve(**result["validation" if run.grows else "curve"])
    versions = result.get("versions", {}).items()
    run.versions = _one(tuple(sorted((str(name), str(version)) for name, version in versions)))


@cache
def _one(value: Any) -> Any:
    """The first of all equal values: ten thousand runs keep one ladder."""
    return value


def _number(value: Any) -> Any:
    """JSON allows NaN; nothing that is averaged may hold one."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _curve(updates: list[float], loss: list[float]) -> Curve | None:
    """Without what a diverging run logged last, which is no number."""
    points = [(u, v) for u, v in zip(updates, loss, strict=True) if _number(v) is not None]
    return binned(*zip(*points, strict=True)) if points else None


def last_words(log: Path) -> str:
    """The line of the last traceback in a log that names the exception, or its last error."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return "no run.log"
    _, found, traceback = text.rpartition("Traceback (most recent call last):")
    told = (line for line in traceback.splitlines() if line and not line.startswith(" "))
    errors = re.findall(r"^.* ERROR \S+: (.+)$", text, flags=re.MULTILINE)
    return (next(told, "") if found else "") or (errors[-1] if errors else "no error in run.log")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
