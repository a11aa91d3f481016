"""Checkpoints that no kill can tear: written beside their place, then moved there."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lossladder.training.learner import Learner
from lossladder.whole import beside

FORMAT = 1  # raised when an older checkpoint can no longer be read


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a neighbouring file, forces it to disk, and renames it: all or nothing."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, tagged with the format it has."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path) as scratch, scratch.open("wb") as file:
            torch.save({**checkpoint, "lossladder_format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())


class KeepLast(Callback):
    """Saves `last.ckpt` after every leg.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Save, unless the weights have become useless."""
        if not pl_module.diverged:
            trainer.save_checkpoint(self.path)
