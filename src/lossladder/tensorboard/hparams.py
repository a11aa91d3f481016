"""TensorBoard's HParams page: the settings of a run, its metrics, and the columns."""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,  # pyright: ignore[reportAttributeAccessIssue]  made as it is imported
)
from torch.utils.tensorboard.summary import hparams

from lossladder.runs.verdict import named, standing
from lossladder.tensorboard.event_file import Events
from lossladder.tensorboard.reference_lines import FOLDER, shown_rungs

# Tags of their own for every task, so that runs of several tasks fill one column. The groups come
# after most tasks' own in the alphabet, so that the first card is a loss with its reference lines.
# TensorBoard shows five metrics and five settings unasked: those that people compare.
_FIRST = ("verdict/loss", "verdict/divergence")
_LAST = (
    "verdict/above_floor",
    "verdict/share",
    "verdict/rung",
    "verdict/test_error",
    "verdict/steps_per_second",
)
IN_FRONT = ("data.bptt_steps", "model", "model.hidden_size", "optimizer.lr", "standing")
# How a run is done says nothing of what it is.
_LEFT_OUT = ("logs", "resume", "trainer.accelerator", "trainer.devices", "trainer.progress",
             "trainer.snapshots", "trainer.threads")  # fmt: skip


def settings(config: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys as on the command line (`model`, `model.hidden_size`) with plain values."""
    flat: dict[str, Any] = {}
    for group, value in config.items():
        knobs = value if isinstance(value, Mapping) else {"": value}
        prefix = "" if group == "names" else f"{group}."
        flat |= {f"{prefix}{knob}".strip("."): _plain(v) for knob, v in knobs.items()}
    kept = {k: v for k, v in flat.items() if k not in _LEFT_OUT and not k.endswith("_target_")}
    # words are none of the metrics, because those are numbers
    return {**kept, "standing": standing(result)}


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


def metrics(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a result, each under its tag."""
    found = {tag: result.get(tag.removeprefix("verdict/")) for tag in (*_FIRST, *_LAST)}
    rungs = result["rungs"]
    if result["loss"] is not None:
        passed = [rungs.index(rung) + 1 for rung in named(result["rung"], rungs)]
        found["verdict/rung"] = max(passed, default=0)
    for rung in shown_rungs(rungs):
        found[_updates_to(rung["name"])] = rung["reached_at"]
    return {tag: float(value) for tag, value in found.items() if value is not None}


def _updates_to(rung: str) -> str:
    return f"updates_to/{rung}"


def write_columns(
    logdir: Path, given: Mapping[str, Any], front: Collection[str], rungs: Sequence[str]
) -> None:
    """Write which columns the page has.

    Args:
        logdir: folder whose runs are looked at together.
        given: settings that have a column, each with a value of its type.
        front: those of them that are shown unasked.
        rungs: names, ceiling first; each has a column for the updates it took to reach it.
    """
    # TensorBoard takes one such list for all runs, whichever it meets first: so it lies not in the
    # runs but once beside their reference lines, and a newer one replaces it.
    tags = [*_FIRST, *map(_updates_to, reversed(rungs)), *_LAST]
    columns, _, _ = hparams(dict(given), dict.fromkeys(tags, 0.0))
    plugin_data = columns.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin_data.content)
    # torch does not write `differs`, by which the page chooses what it shows unasked
    for info in content.experiment.hparam_infos:
        info.differs = info.name in front
    plugin_data.content = content.SerializeToString()
    for old in (logdir / FOLDER).glob("*/*.columns"):
        old.unlink(missing_ok=True)
    lines = sorted((logdir / FOLDER).glob("*/"))
    # where somebody removed the lines, TensorBoard finds columns of its own
    if not lines:
        return
    events = Events(lines[0] / f"events.out.tfevents.{time.time_ns()}.columns")
    events.add(columns)
    events.close()
