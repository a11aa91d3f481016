"""What a sweep was asked for: its commands, and the jobs that they stand for."""

import shlex
from pathlib import Path
from typing import NamedTuple

import yaml

from lossladder import record

OF_HYDRA = "multirun.yaml"  # the last command


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
    last = [record.command(words)] if words else []
    lines = record.read(sweep)
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


def _of_hydra(kept: Path) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """The words of the command line, and whether the record of them is damaged."""
    if not kept.exists():
        return [], ()
    try:
        return record.words(yaml.safe_load(kept.read_bytes())["hydra"]["overrides"]), ()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, OSError):
        return [], ((kept.name, "is no record of a sweep"),)
