"""What was asked of a sweep, as its folder keeps it: the sweep writes it, the report reads it."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

FILE = ".asked"  # a line for every command


def words(overrides: Mapping[str, Sequence[str]]) -> list[str]:
    """Of the command line of a sweep, from what Hydra keeps of it."""
    of_hydra = (word for word in overrides["hydra"] if not word.startswith("hydra.mode="))
    return [*map(str, overrides["task"]), *of_hydra]


def command(words: Sequence[str]) -> str:
    """The command line of a sweep.

    >>> command(["seed=range(8)"])
    "python train.py -m 'seed=range(8)'"
    """
    return shlex.join(["python", "train.py", "-m", *words])


def identity_in(name: str) -> str | None:
    """Of the job whose folder has this name; None: it is no job's.

    >>> identity_in("model-rnn+seed-0-95c80df5bac8"), identity_in("reference")
    ('95c80df5bac8', None)
    """
    found = re.search(r"-([0-9a-f]{12})$", name)
    return found[1] if found else None


def note(sweep: Path, words: Sequence[str], identities: Iterable[str]) -> None:
    """Add a command and the identities of its jobs, unless that very line stands there.

    Args:
        sweep: folder of the sweep.
        words: of the command line.
        identities: of the jobs, in order.
    """
    sweep.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"command": command(words), "jobs": list(dict.fromkeys(identities))})
    file = sweep / FILE
    if not file.exists() or line not in file.read_text().splitlines():
        with file.open("a") as lines:
            lines.write(f"{line}\n")


def read(sweep: Path) -> list[tuple[str, list[str]]]:
    """(command, identities), oldest first; a line that a kill has torn is left out."""
    try:
        text = (sweep / FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            match json.loads(line):
                case {"command": str(command), "jobs": [*jobs]} if all(map(_is_identity, jobs)):
                    found.append((command, jobs))
        except ValueError:
            continue
    return found


def _is_identity(job: object) -> bool:
    return isinstance(job, str) and re.fullmatch(r"[0-9a-f]{12}", job) is not None
