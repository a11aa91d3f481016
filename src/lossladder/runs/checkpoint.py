"""The checkpoint of a run: nothing tears it, no flipped bit passes, and the one before is kept."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

from lossladder import console
from lossladder.checks import RequestError
from lossladder.runs.atomic import atomic_write

_FORMAT = 3  # raised when an older checkpoint can no longer be read
_SEAL = b"sha256 "


def read_checkpoint(path: Path, asked_for: str) -> dict[str, Any]:
    """Return what a checkpoint holds, on the CPU; if it is damaged, what the one before it does.

    Args:
        path: of the file.
        asked_for: what of the request led here: "resume=logs/…".
    Raises:
        RequestError: if neither can be read, or another version of this package wrote it.
    """
    checkpoint = _read(path)
    if checkpoint is None and (checkpoint := _read(_before(path))) is not None:
        console.note(f"{path} is damaged; taking the checkpoint before it, {_before(path).name}")
    if checkpoint is None:
        raise RequestError(
            f"{asked_for}: {path} cannot be read, it is damaged, truncated or no checkpoint"
        )
    if (written_by := checkpoint.get("lossladder_format")) != _FORMAT:
        raise RequestError(
            f"{asked_for}: {path} has format {written_by}, from another version of lossladder; "
            f"this one reads format {_FORMAT}"
        )
    return checkpoint


def has_checkpoint(path: Path) -> bool:
    """Return whether a checkpoint was written, whatever has become of it."""
    return path.exists() or _before(path).exists()


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file holds; None if it is not as it was written."""
    import torch  # takes seconds, and most of what is asked here is whether there is one

    # Weights and plain values only: a pickle could run anything, and runs are passed around.
    try:
        content = path.read_bytes()
        checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        # those of older versions have no seal, and say so by their format
        as_written = _is_sealed(content) or checkpoint.get("lossladder_format") == 1
    except Exception:  # torch and pickle have exceptions of many kinds
        return None
    return checkpoint if as_written else None


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint all or nothing, tagged, sealed with its hash, beside the one before it.

    At every moment the newest one is there under its name.
    """
    import torch

    content = io.BytesIO()
    torch.save({**checkpoint, "lossladder_format": _FORMAT}, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as scratch, scratch.open("wb") as file:
        file.write(_sealed(content.getvalue()))
        # a file system may move a file before its contents are on disk
        file.flush()
        os.fsync(file.fileno())
        _keep(path)


def _keep(path: Path) -> None:
    """Keep the newest checkpoint as the one before, under both names for now."""
    try:
        with atomic_write(_before(path)) as second:
            os.link(path, second)
    except FileNotFoundError:
        pass  # it is the first
    # a file system without links: killed before the next one is there, a run has this one
    except OSError:
        path.replace(_before(path))


def _before(path: Path) -> Path:
    return path.with_stem("previous")


def _sealed(content: bytes) -> bytes:
    """Return a file with the hash of all of it behind it."""
    # It is a zip archive, which ends with the length of a comment and the comment: torch reads it
    # as before, and checks none of what it reads itself.
    comment = _SEAL + hashlib.sha256(content[:-2]).hexdigest().encode()
    return content[:-2] + len(comment).to_bytes(2, "little") + comment


def _is_sealed(content: bytes) -> bool:
    size = len(_SEAL) + 2 * hashlib.sha256().digest_size + 2
    return _sealed(content[:-size] + b"00") == content
