"""A job of a sweep: who it is, where it lives, and whether it has been done."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

from lossladder.sweeps.identity import identity
from lossladder.training.folder import CHECKPOINT, CONFIG, RESULT, note, write_config, write_result

_ENDED = ("done", "diverged")  # what would come out the same once more


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        number: its place in the sweep.
        overrides: words of the command line that are its own.
        config: resolved, plain values.
        folder: the run's own.
    """

    number: int
    overrides: Sequence[str]
    config: Mapping[str, Any]
    folder: Path

    @cached_property
    def identity(self) -> str:
        """See `identity`."""
        return identity(self.config)


def ended(folder: Path) -> dict[str, Any] | None:
    """The result of a job that needs no second try; None: it failed, was cut off or never began."""
    try:
        result = json.loads((folder / RESULT).read_text())
    except (OSError, ValueError):
        return None
    return result if result.get("status") in _ENDED else None


def clear(folder: Path) -> None:
    """Make room for a second try; the log of the first stays, and goes on."""
    for leaving in (RESULT, CONFIG):
        (folder / leaving).unlink(missing_ok=True)
    rmtree((folder / CHECKPOINT).parent, ignore_errors=True)
    for events in folder.glob("events.out.tfevents.*"):
        events.unlink()


def fail(job: Job, why: str) -> None:
    """Write down that a job failed where it could not do so itself."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if not (job.folder / CONFIG).exists():
        write_config(job.folder, job.config)
    note(job.folder, logging.ERROR, why)
    unknown = dict.fromkeys(("loss", "floor", "above_floor", "rung"))
    last = why.strip().splitlines()[-1]
    known = {
        **job.config["names"], "seed": job.config["seed"], "status": "failed", "why": last
    }  # fmt: skip
    write_result(
        job.folder,
        {**known, **unknown, "rungs": [], "curve": {"updates": [], "loss": []}, "steps": 0},
    )
