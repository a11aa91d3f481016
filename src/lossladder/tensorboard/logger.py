"""The logger of every run: curves, config, verdict and settings, for TensorBoard to show."""

import os
import socket
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard.summary import hparams, text

from lossladder.runs.folder import EVENTS, config_text
from lossladder.runs.verdict import verdict
from lossladder.tensorboard.event_file import Events
from lossladder.tensorboard.hparams import metrics


def loss_tag(task: str, grows: bool) -> str:
    """Return the tag of the loss that stands beside the reference lines."""
    # where sequences grow in training, only validation is always at the length of the ladder
    return f"{task}/validation_loss" if grows else f"{task}/loss"


class EventFileLogger(Logger):
    """Writes one event file, and nothing else, into the folder of a run."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._opened: Events | None = None
        self._after: int | None = None

    @property
    def name(self) -> str:
        """Empty: a run is its folder."""
        return ""

    @property
    def version(self) -> str:
        """Empty as well."""
        return ""

    @property
    def _events(self) -> Events:
        """The event file."""
        # made when there is something to write: a request that is refused leaves nothing behind
        if self._opened is None:
            # TensorBoard reads files in the order of their names, and a clock may go backward
            before = [path.name.split(".")[3] for path in self.folder.glob(f"{EVENTS}*")]
            now = max([int(time.time()), *(int(t) + 1 for t in before if t.isdecimal())])
            name = f"{EVENTS}{now:010d}.{socket.gethostname()}.{os.getpid()}"
            self._opened = Events(self.folder / name, self._after)
        return self._opened

    def state(self) -> dict[str, Any]:
        """Return how much has been written, for a checkpoint."""
        if self._opened is not None:
            return {"file": self._opened.path.name, "length": self._opened.length}
        files = [path.name for path in self.folder.glob(f"{EVENTS}*")]
        return {"file": max(files, default=""), "length": None}

    def restore(self, state: dict[str, Any], updates: int) -> None:
        """Cut what was written after a checkpoint, and go on from there.

        Args:
            state: what `state` returned when that was made.
            updates: made by then.
        """
        for path in self.folder.glob(f"{EVENTS}*"):
            if path.name > state["file"]:
                path.unlink()
            elif path.name == state["file"] and state["length"] is not None:
                # not longer than it is: what has been lost of it comes back as no zeros
                os.truncate(path, min(state["length"], path.stat().st_size))
        self._after = updates

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add points to curves, whose tags are the keys."""
        self._events.scalars(metrics, step or 0)

    @rank_zero_only
    def log_image(self, tag: str, png: bytes, step: int) -> None:
        """Add a picture to those of a tag."""
        self._events.image(tag, png, step)

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: `show` does it when it is known what came of them."""

    @rank_zero_only
    def show(self, settings: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write config and verdict as text, and the settings with what came of them."""
        step = result["steps"]
        self._events.add(text("config", f"```yaml\n{config_text(self.folder)}```"))
        self._events.add(text("verdict", f"```\n{verdict(result)}\n```"), step)
        # the start and the end of a session make a row of the page, which finds its metrics by tag
        for summary in hparams(dict(settings), {})[1:]:
            self._events.add(summary)
        self._events.scalars(metrics(result), step)

    def close(self) -> None:
        """Close the event file, if there is one."""
        if self._opened is not None:
            self._opened.close()
