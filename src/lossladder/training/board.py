"""What TensorBoard shows of a run: curves, config, verdict and hyper-parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,  # pyright: ignore[reportAttributeAccessIssue]  made as it is imported
)
from torch.utils.tensorboard.summary import hparams

from lossladder.training.folder import as_yaml
from lossladder.training.verdict import verdict

# A tag of its own for every task, so that runs of several tasks fill one column. The group comes
# after the tasks' own in the alphabet, so that the first card is a loss with its reference lines.
_METRICS = {
    "verdict/loss": "loss",
    "verdict/above_floor": "above_floor",
    "verdict/test_error": "test_error",
    "verdict/steps_per_second": "steps_per_second",
}
# TensorBoard shows five columns unasked: those that people compare, not the alphabet's first.
_IN_FRONT = ("data.bptt_steps", "model", "model.hidden_size", "optimizer.lr", "rung")
# How a run is done says nothing of what it is.
_LEFT_OUT = ("logs", "resume", "trainer.accelerator", "trainer.devices", "trainer.progress",
             "trainer.threads")  # fmt: skip


class Board(TensorBoardLogger):
    """Writes event files, and nothing else, into the folder of a run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), name="", version="", default_hp_metric=False)

    def save(self) -> None:
        """Flush the events; `config.yaml` makes Lightning's `hparams.yaml` superfluous."""
        self.experiment.flush()

    def show(self, config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write config and verdict as text, and the hyper-parameters with what came of them."""
        text = as_yaml(config)
        self.experiment.add_text("config", f"```yaml\n{text}```")
        self.experiment.add_text("verdict", f"```\n{verdict(result)}\n```", result["steps"])
        settings = {**_flat(config), "rung": str(result["rung"])}
        for summary in _hparams(settings):
            self.experiment.file_writer.add_summary(summary)
        for tag, key in _METRICS.items():
            if result.get(key) is not None:
                self.experiment.add_scalar(tag, float(result[key]), result["steps"])
        self.experiment.close()


def _hparams(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the HParams page reads; TensorBoard takes one run's list of columns for all runs."""
    columns, start, end = hparams(dict(settings), dict.fromkeys(_METRICS, 0.0))
    plugin_data = columns.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin_data.content)
    for info in content.experiment.hparam_infos:
        info.differs = info.name in _IN_FRONT
    plugin_data.content = content.SerializeToString()
    return columns, start, end


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys as on the command line (`model`, `model.hidden_size`), with plain values."""
    flat: dict[str, Any] = {}
    for group, value in config.items():
        knobs = value if isinstance(value, Mapping) else {"": value}
        prefix = "" if group == "names" else f"{group}."
        flat |= {f"{prefix}{knob}".strip("."): _plain(v) for knob, v in knobs.items()}
    return {
        name: value
        for name, value in flat.items()
        if name not in _LEFT_OUT and not name.endswith("_target_")
    }


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)
