"""Reference lines: every rung a TensorBoard run of its own, under the tag of the loss.

A run of its own has a name and a colour of its own, and twenty runs of a sweep share one line.
"""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from lossladder.ladder import Ladder

_POINTS = 500  # TensorBoard's outlier filter crops a line of two points out of the picture
_MOST_LINES = 16  # more could not be told apart; `result.json` has every rung


def write_references(board: Path, tag: str, ladder: Ladder, updates: int) -> None:
    """Draw each rung from update 0 to `updates` under `<board>/reference/<name>: <loss>`.

    Lines that are there and long enough are left alone, so that many runs share them.
    """
    rungs = ladder.rungs
    if len(rungs) > _MOST_LINES:
        picked = np.linspace(0, len(rungs) - 1, _MOST_LINES).round().astype(int)
        rungs = tuple(rungs[i] for i in picked)
    for rung in rungs:
        line = board / "reference" / rung.label.replace(os.sep, "-")
        _extend(line, tag, rung.loss, updates)


def _extend(line: Path, tag: str, loss: float, updates: int) -> None:
    """Write the part of a line that is not there yet; a mark says which part that is."""
    name = tag.replace("/", "-")
    drawn = [int(mark.suffix[1:]) for mark in line.glob(f"{name}.*")]
    start = max(drawn, default=0)
    if updates <= start:
        return
    line.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(dir=line, prefix="."))
    with SummaryWriter(str(scratch)) as writer:
        for step in np.linspace(start, updates, _POINTS).round().astype(int):
            writer.add_scalar(tag, loss, int(step))
    try:
        (line / f"{name}.{updates}").touch(exist_ok=False)  # the first of several writers wins
        for events in scratch.iterdir():
            events.replace(line / events.name)
    except FileExistsError:
        pass
    finally:
        shutil.rmtree(scratch)
