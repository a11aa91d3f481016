"""What was asked of a sweep: a line for every command, so that its report knows what lacks."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

FILE = ".asked"


def note_asked(sweep: Path, words: Sequence[str], identities: Iterable[str]) -> None:
    """Add a command and the identities of its jobs, unless that very line stands there.

    Args:
        sweep: folder of the sweep.
        words: of the command line.
        identities: of the jobs, in order.
    """
    sweep.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "train.py", "-m", *words])
    line = json.dumps({"command": command, "jobs": list(dict.fromkeys(identities))})
    file = sweep / FILE
    if not file.exists() or line not in file.read_text().splitlines():
        with file.open("a") as lines:
            lines.write(f"{line}\n")
