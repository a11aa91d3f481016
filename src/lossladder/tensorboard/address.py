"""The TensorBoard address that opens the right cards, behind a page with a short name."""

import json
import shlex
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from lossladder.console import relative
from lossladder.runs.atomic import atomic_write

FILE = "tensorboard.html"


def leave_address(folder: Path, logdir: Path, cards: Iterable[str], colours: str) -> str:
    """Leave a page that opens TensorBoard at the right cards; return the line that says how.

    Args:
        folder: to leave it in.
        logdir: folder of the runs that are looked at together.
        cards: see `address`.
        colours: see `address`.
    """
    # The address is some 200 characters, which a terminal breaks in two: what one is told to open
    # is a file of a few letters that leads there.
    command = f"tensorboard --logdir {shlex.quote(str(logdir))}"
    link = escape(address(cards, colours))
    with atomic_write(folder / FILE) as scratch:
        scratch.write_text(
            f'<!doctype html><meta charset="utf-8"><title>TensorBoard</title>\n'
            f'<meta http-equiv="refresh" content="0; url={link}">\n'
            f"<p>Start <code>{escape(command)}</code>, then open "
            f'<a href="{link}">its curves over their ladder</a>.\n',
            encoding="utf-8",
        )
    return f"look   {command}, then open {relative(folder / FILE)}"


def address(cards: Iterable[str], colours: str) -> str:
    """Return the address that opens TensorBoard with cards pinned, unsmoothed and coloured.

    Args:
        cards: tags of what is pinned above everything else.
        colours: regular expression; runs in which its group is the same share a colour.

    >>> address(["echo/loss"], "^(a|b)")
    'http://localhost:6006/?pinnedCards=%5B%7B%22plugin%22%3A%22scalars%22%2C%22tag%22%3A%22echo%2F\
loss%22%7D%5D&smoothing=0&runColorGroup=regex%3A%5E%28a%7Cb%29#timeseries'
    """
    pins = [{"plugin": "scalars", "tag": tag} for tag in dict.fromkeys(cards)]
    # brackets and bars would end the address in a terminal: everything is quoted
    pinned, group = (
        quote(text, safe="")
        for text in (json.dumps(pins, separators=(",", ":")), f"regex:{colours}")
    )
    query = f"pinnedCards={pinned}&smoothing=0&runColorGroup={group}"
    return f"http://localhost:6006/?{query}#timeseries"
