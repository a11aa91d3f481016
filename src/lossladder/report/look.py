"""Where to look in TensorBoard: an address that opens the right card, and a sweep's columns."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from lossladder.report.folder import Sweep, typed
from lossladder.training.columns import write_columns
from lossladder.training.references import card, drawn


def address(board: Path, cards: Iterable[str], colours: str) -> str:
    """The command that starts TensorBoard, and the address that opens cards unsmoothed.

    Args:
        board: folder of the runs.
        cards: tags of what is pinned above everything else.
        colours: regular expression; runs in which its group is the same share a colour.

    >>> print(address(Path("logs"), ["echo/loss"], "^(a|b)"))
    look   tensorboard --logdir logs
           http://localhost:6006/?pinnedCards=%5B%7B%22plugin%22%3A%22scalars%22%2C%22tag%22%3A%22\
echo%2Floss%22%7D%5D&smoothing=0&runColorGroup=regex%3A%5E%28a%7Cb%29#timeseries
    """
    pins = [{"plugin": "scalars", "tag": tag} for tag in dict.fromkeys(cards)]
    # brackets and bars would end the address in a terminal: everything is quoted
    pinned, group = (
        quote(text, safe="")
        for text in (json.dumps(pins, separators=(",", ":")), f"regex:{colours}")
    )
    query = f"pinnedCards={pinned}&smoothing=0&runColorGroup={group}"
    return (
        f"look   tensorboard --logdir {shlex.quote(str(board))}\n"
        f"       http://localhost:6006/?{query}#timeseries"
    )


def cards(sweep: Sweep) -> list[str]:
    """Tags of the losses that stand beside reference lines: one a task."""
    return sorted({card(run.task, run.grows) for run in sweep.runs if run.ladder is not None})


def set_columns(sweep: Sweep) -> None:
    """Give HParams the columns of a sweep: what was varied, and how soon each rung was reached."""
    varied = {_knob(key): typed(value) for run in sweep.runs for key, value in run.config.items()}
    shown = {_knob(key) for key in sweep.keys} | {"seed"}
    given = {knob: value for knob, value in varied.items() if knob in shown}
    ladders = dict.fromkeys(run.ladder for run in sweep.runs if run.ladder is not None)
    named = (rung.name for ladder in ladders for rung in drawn(ladder.rungs))
    write_columns(sweep.folder, {**given, "rung": ""}, {*given, "rung"}, [*dict.fromkeys(named)])


def _knob(key: str) -> str:
    """As TensorBoard has it: `names.model` -> `model`, `task.effects.3` -> `task.effects`."""
    return ".".join(key.removeprefix("names.").split(".")[:2])
