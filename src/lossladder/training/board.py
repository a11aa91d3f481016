"""What TensorBoard shows of a run: curves, config, verdict and hyper-parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import OmegaConf
from torch.utils.tensorboard.summary import hparams

from lossladder.training.verdict import verdict


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
        text = OmegaConf.to_yaml(OmegaConf.create(dict(config)))
        self.experiment.add_text("config", f"```yaml\n{text}```")
        self.experiment.add_text("verdict", verdict(result).replace("\n", "  \n"))
        metrics = {
            f"verdict/{key}": float(result[key])
            for key in ("loss", "above_floor", "test_error", "steps_per_second")
            if result.get(key) is not None
        }
        for summary in hparams({**_flat(config), "rung": str(result["rung"])}, metrics):
            self.experiment.file_writer.add_summary(summary)
        for tag, value in metrics.items():
            self.experiment.add_scalar(tag, value, result["steps"])
        self.experiment.close()


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots, with values that TensorBoard can show."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif not str(key).startswith("_"):
            plain = isinstance(value, bool | int | float | str)
            flat[f"{prefix}{key}"] = value if plain else str(value)
    return flat
