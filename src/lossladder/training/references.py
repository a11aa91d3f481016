"""Reference lines: every rung a TensorBoard run of its own, under the tag of the loss.

A run of its own has a name and a colour of its own, and twenty runs of a sweep share one line.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

import numpy as np

from lossladder.ladder import Ladder
from lossladder.training.events import Events

FOLDER = "reference"

_POINTS = 500  # TensorBoard's outlier filter crops a line of two points out of the picture
_MOST_LINES = 16  # more could not be told apart; `result.json` has every rung


_Rung = TypeVar("_Rung")


def card(task: str, grows: bool) -> str:
    """Tag of the loss that stands beside the reference lines.

    Args:
        task: name.
        grows: whether sequences grow in training: then only validation is always at the length of
            the ladder.
    """
    return f"{task}/validation_loss" if grows else f"{task}/loss"


def drawn(rungs: Sequence[_Rung]) -> Sequence[_Rung]:
    """Those that TensorBoard shows; of many every so manieth, ceiling and floor among them."""
    picked = np.linspace(0, len(rungs) - 1, min(len(rungs), _MOST_LINES)).round().astype(int)
    return [rungs[place] for place in picked]


def write_references(board: Path, tag: str, ladder: Ladder, updates: int) -> None:
    """Draw each rung from update 0 to `updates` under `<board>/reference/<name>: <loss>`.

    Lines that are there and long enough are left alone, so that many runs share them.
    """
    for rung in drawn(ladder.rungs):
        line = board / FOLDER / rung.label.replace(os.sep, "-")
        line.mkdir(parents=True, exist_ok=True)
        _extend(line, tag, rung.loss, updates)


def _extend(line: Path, tag: str, loss: float, updates: int) -> None:
    """Write the part of a line that is not there yet.

    A mark stands at the start of each part and holds its end. Of several runs that start together
    one sets it; the others go on from where that part ends.
    """
    start = 0
    while start < updates:
        mark = line / f"{tag.replace('/', '-')}.from-{start}"
        if not mark.exists():
            _write(line, mark, tag, loss, start, updates)
        start = int(next(mark.iterdir()).name)


def _write(line: Path, mark: Path, tag: str, loss: float, start: int, end: int) -> None:
    """Write one part, unless another run comes first."""
    # TensorBoard reads the files of a run in the order of their names: that of the claims
    name = f"events.out.tfevents.{time.time_ns()}.{mark.name}"
    scratch = Path(mkdtemp(dir=line, prefix="."))
    events, claim = scratch / "events", scratch / "claim"
    claim.mkdir()
    (claim / str(end)).touch()
    # a file that TensorBoard does not know for one of its own before it is complete
    points = Events(events)
    first = start + 1 if start else 0
    for step in np.unique(np.linspace(first, end, _POINTS).round().astype(int)):
        points.scalars({tag: loss}, int(step))
    points.close()
    try:
        claim.rename(mark)  # fails if the mark is there
        events.rename(line / name)
    except OSError:
        if not mark.exists():
            raise
    finally:
        shutil.rmtree(scratch)
