"""Event files, as TensorBoard reads them."""

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import (  # made as it is imported
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorboard.compat.proto.summary_pb2 import (
    Summary,  # pyright: ignore[reportAttributeAccessIssue]  made as it is imported
)
from tensorboard.summary.writer.record_writer import RecordWriter


# TensorBoard's own writer takes a thread for each file. For the curves of 64 members that is twice
# the processor time, and 64 threads.
class Events:
    """A new event file at `path`; what has been added is there for TensorBoard to read.

    Args:
        path: of the file.
        after: update after which it goes on with another: a TensorBoard that has read later points
            of that one drops them. None: it is the first.
    Raises:
        FileExistsError: if the file is there already.
    """

    def __init__(self, path: Path, after: int | None = None) -> None:
        # unbuffered: whoever watches a run sees its points, and a kill loses none
        self.path = path
        self._file = path.open("xb", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        if after is not None:
            self._write(session_log=SessionLog(status=SessionLog.START), step=after + 1)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a number under each tag."""
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self.add(Summary(value=points), step)

    def image(self, tag: str, png: bytes, step: int) -> None:
        """Add a PNG under a tag."""
        width, height = struct.unpack(">II", png[16:24])  # of its header
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        self.add(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def add(self, summary: Any, step: int = 0) -> None:
        """Add a summary of any kind, as torch and TensorBoard make them."""
        self._write(summary=summary, step=step)

    @property
    def length(self) -> int:
        """Number of bytes that have been written."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, **parts: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **parts).SerializeToString())
