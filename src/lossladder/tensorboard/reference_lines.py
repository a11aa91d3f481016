"""Reference lines: every rung is a TensorBoard run of its own, under the tag of the loss.

Such a run has a name and a colour, and twenty runs of a sweep share one line.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch.utils.tensorboard.summary import custom_scalars

from lossladder.ladder import Ladder, Mark, Rung
from lossladder.runs.atomic import atomic_write
from lossladder.runs.folder import EVENTS
from lossladder.runs.result import RungRecord
from lossladder.runs.verdict import strongest
from lossladder.tensorboard.event_file import Events

# the sign sorts before letters: TensorBoard lists runs by name
FOLDER = "+reference"
# TensorBoard's outlier filter crops a line of two points out of the picture
_POINTS = 500
# of each line in the folder of one run, which is kept small
_OWN_POINTS = 100
# more could not be told apart; `result.json` has every rung
_MOST_LINES = 16

Shown = TypeVar("Shown")


def shown_rungs(rungs: Sequence[Shown]) -> Sequence[Shown]:
    """Return the rungs that TensorBoard shows: 16 at most, ceiling and floor among them."""
    picked = np.linspace(0, len(rungs) - 1, min(len(rungs), _MOST_LINES)).round().astype(int)
    return [rungs[place] for place in picked]


def write_references(
    logdir: Path, tag: str, ladder: Ladder, updates: int, marks: Sequence[Mark] = ()
) -> None:
    """Draw each rung from update 0 to `updates` as a run `<logdir>/+reference/<line_name>`.

    Lines that are there and long enough are left alone, so that many runs share them.

    Args:
        logdir: that TensorBoard shows.
        tag: of the loss.
        ladder: whose rungs are drawn.
        updates: end of the lines.
        marks: drawn beside the rungs.
    """
    for rung in (*shown_rungs(ladder.rungs), *marks):
        line = logdir / FOLDER / line_name(tag.partition("/")[0], rung)
        line.mkdir(parents=True, exist_ok=True)
        _extend(line, tag, rung.loss, updates)


def write_own_ladder(
    folder: Path,
    tag: str,
    rungs: Sequence[RungRecord],
    updates: int,
    theory: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Draw the ladder of a run among its own curves, as a chart of the Custom Scalars page.

    Args:
        folder: of the run.
        tag: of the loss.
        rungs: of its result.
        updates: end of the lines.
        theory: of its result; those that a verdict tells are drawn.
    """
    # whoever opens the folder of one run alone sees none of the lines that runs share
    path = folder / f"{EVENTS}ladder"
    path.unlink(missing_ok=True)
    events = Events(path)
    lines = {f"verdict/ladder/{rung.name}": rung.loss for rung in shown_rungs(rungs)}
    lines |= {
        f"verdict/ladder/theory: {one['statement']}": one["loss"] for one in strongest(theory)
    }
    # tags are regular expressions there, anchored at their start only
    tags = [f"^{re.escape(own)}$" for own in (tag, *lines)]
    events.add(custom_scalars({"loss over its ladder": {tag: ["Multiline", tags]}}))
    for step in np.unique(np.linspace(0, updates, _OWN_POINTS).round().astype(int)):
        events.scalars(lines, int(step))
    events.close()


def line_name(task: str, rung: Rung | Mark) -> str:
    """Return the name of a reference line; any file system takes it.

    >>> line_name("echo", Rung("lag 3", 0.51917, "the input 3 steps back", lambda inputs: inputs))
    'echo lag 3 (0.5192)'
    """
    return re.sub(r'[<>:"/\\|?*]', "-", f"{task} {rung.name} ({rung.loss:.4f})")


def _extend(line: Path, tag: str, loss: float, updates: int) -> None:
    """Write the part of a line that is not there yet."""
    # A mark stands at the start of each part and holds its end. Of several runs that start together
    # one sets it; the others go on from where that part ends.
    start = 0
    while start < updates:
        mark = line / f"{tag.replace('/', '-')}.from-{start}.to"
        with suppress(FileExistsError), atomic_write(mark, exclusive=True) as scratch:
            scratch.write_text(str(updates))
        end = int(mark.read_text())
        # TensorBoard reads the files of a run in the order of their names
        part = line / f"{EVENTS}{start:012d}.{tag.replace('/', '-')}"
        # whoever finds a mark without its part writes it: a kill may have come between them
        if not part.exists():
            _write(part, tag, loss, start, end)
        start = end


def _write(part: Path, tag: str, loss: float, start: int, end: int) -> None:
    """Write one part; two that write the same one at once write the same."""
    # until it is complete, a file of a name that TensorBoard does not look for
    scratch = part.with_name(f".{secrets.token_hex(6)}-line")
    points = Events(scratch)
    first = start + 1 if start else 0
    for step in np.unique(np.linspace(first, end, _POINTS).round().astype(int)):
        points.scalars({tag: loss}, int(step))
    points.close()
    scratch.replace(part)
