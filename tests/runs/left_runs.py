"""Folders as runs leave them, as far as reports and pictures are concerned, without training."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from lossladder.runs.result import RungRecord as Rung

UPDATES = [10, 20, 50, 100, 300]
ECHO = [Rung("none", 0.6616), Rung("lag 3", 0.5192), Rung("lags 3 and 8", 0.4545)]


# What is not measured of a run that diverged, failed or was cut off early.
GONE = dict.fromkeys(
    ("loss", "above_floor", "divergence", "standing", "stands_on", "knows", "share", "rung")
)  # fmt: skip


def on(rung: str) -> dict[str, Any]:
    """Keys of a result that stands on a rung and knows what it knows."""
    knows = " or ".join(f"the {name}" for name in rung.split(" or "))
    return {"standing": "on", "stands_on": rung, "knows": knows, "rung": rung}


def between(passed: str) -> dict[str, Any]:
    """Keys of a result that has passed a rung in loss and stands on none."""
    return {"standing": "between", "stands_on": None, "knows": None, "rung": passed}


def leave(
    folder: Path,
    rungs: Sequence[Rung] = ECHO,
    loss: Sequence[float] = (0.7, 0.6, 0.5, 0.5, 0.46),
    task: str = "echo",
    result: dict[str, Any] | None = None,
    task_keys: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Leave a run that is done.

    Args:
        folder: of the run.
        rungs: of its ladder.
        loss: its curve, at the first of `UPDATES`.
        task: its name.
        result: further keys of `result.json`.
        task_keys: those of the task in `config.yaml`.
        config: further keys of `config.yaml`.
    """
    folder.mkdir(parents=True)
    config = {"seed": 0, "names": {"task": task, "model": "rnn"}, **config}
    if task_keys:
        config["task"] = task_keys
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    left = {
        "task": task,
        "model": config["names"]["model"],
        "engine": "fused",
        "seed": config["seed"],
        "status": "done",
        "loss": loss[-1],
        "above_floor": loss[-1] - rungs[-1].loss,
        "divergence": loss[-1] - rungs[-1].loss,
        "share": (rungs[0].loss - loss[-1]) / ((rungs[0].loss - rungs[-1].loss) or 1.0),
        **on(rungs[-1].name),
        "rungs": [asdict(rung) | {"reached_at": 10} for rung in rungs],
        "curve": {"updates": UPDATES[: len(loss)], "loss": list(loss)},
        "steps": UPDATES[len(loss) - 1],
        "seconds": 2.0,
        "training_seconds": 1.0,
        **(result or {}),
    }
    (folder / "result.json").write_text(json.dumps(left))
    return folder
