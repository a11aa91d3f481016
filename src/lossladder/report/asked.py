"""What a sweep was asked for: its commands, and the jobs that they stand for."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import yaml

RECORD, OF_HYDRA = ".asked", "multirun.yaml"  # one line a command; the last command


class Asked(NamedTuple):
    """All that was asked for in one folder.

    Args:
        commands: each once, the latest last; none where no record tells.
        jobs: identities.
        keys: on the command lines.
        damaged: (name, what is wrong) of a record that cannot be read.
    """

    commands: list[str]
    jobs: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    damaged: tuple[tuple[str, str], ...] = ()


def read_asked(sweep: Path) -> Asked:
    """What the folder of a sweep says; Hydra's record knows the last command only."""
    words, damaged = _of_hydra(sweep / OF_HYDRA)
    last = [shlex.join(["python", "train.py", "-m", *words])] if words else []
    lines = _lines(sweep / RECORD)
    jobs = frozenset(job for _, alike in lines for job in alike)
    latest_first = dict.fromkeys(command for command, _ in reversed(lines))
    commands = [*latest_first][::-1] or last
    for command in commands:
        try:
            words += shlex.split(command)
        except ValueError:  # no command line; it is shown all the same
            continue
    keys = frozenset(word.partition("=")[0].lstrip("+~") for word in words)
    return Asked(commands, jobs, keys, damaged)


def identity(name: str) -> str:
    """Of the job whose folder has this name; of another folder, the name itself.

    >>> identity("model-rnn+seed-0-95c80df5bac8"), identity("reference")
    ('95c80df5bac8', 'reference')
    """
    found = re.search(r"-([0-9a-f]{12})$", name)
    return found[1] if found else name


def _lines(record: Path) -> list[tuple[str, list[str]]]:
    """(command, identities), oldest first; a line that a kill has torn is left out."""
    try:
        text = record.read_text(encoding="utf-8", errors="replace")
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


def _of_hydra(record: Path) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """The words of the command line, and whether the record of them is damaged."""
    if not record.exists():
        return [], ()
    try:
        asked = yaml.safe_load(record.read_bytes())["hydra"]["overrides"]
        of_hydra = [word for word in asked["hydra"] if not word.startswith("hydra.mode=")]
        return [*map(str, asked["task"]), *map(str, of_hydra)], ()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, OSError):
        return [], ((record.name, "is no record of a sweep"),)
