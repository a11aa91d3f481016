"""Checkpoints that no kill can tear: written beside their place, then moved there."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lossladder.runs.atomic import atomic_write

FORMAT = 1  # raised when an older checkpoint can no longer be read


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a neighbouring file, forces it to disk, and renames it: all or nothing."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, tagged with the format it has."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as scratch, scratch.open("wb") as file:
            torch.save({**checkpoint, "lossladder_format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())
