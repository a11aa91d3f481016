"""The checkpoint of a run: written so that no kill can tear it, and read back."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lossladder.checks import RequestError
from lossladder.runs.atomic import atomic_write

_FORMAT = 1  # raised when an older checkpoint can no longer be read


def read_checkpoint(path: Path, asked_for: str) -> dict[str, Any]:
    """Return what a checkpoint holds, on the CPU.

    Args:
        path: of the file.
        asked_for: what of the request led here: "resume=logs/…".
    Raises:
        RequestError: if it cannot be read, or another version of this package wrote it.
    """
    # Weights and plain values only: a pickle could run anything, and runs are passed around.
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        written_by = checkpoint.get("lossladder_format")
    except Exception as error:  # torch and pickle have exceptions of many kinds
        raise RequestError(
            f"{asked_for}: {path} cannot be read, it is truncated or no checkpoint"
        ) from error
    if written_by != _FORMAT:
        raise RequestError(
            f"{asked_for}: {path} has format {written_by}, from another version of lossladder; "
            f"this one reads format {_FORMAT}"
        )
    return checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints all or nothing."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, tagged with the format it has."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as scratch, scratch.open("wb") as file:
            torch.save({**checkpoint, "lossladder_format": _FORMAT}, file)
            # a file system may move a file before its contents are on disk
            file.flush()
            os.fsync(file.fileno())
