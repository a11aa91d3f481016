"""The commands of a sweep, as its folder keeps them: sweeps write them, reports read them."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lossladder.console import relative
from lossladder.sweeps.job import key_of

FILE = ".asked"  # a line for every command
OF_HYDRA = "multirun.yaml"  # Hydra's own record, of the last command only
CONFIG_DIR, CONFIG_NAME = "--config-dir", "--config-name"  # by which other yamls are asked for
STUDY, SEARCH = "search.journal", "search.json"  # of a search: Optuna's record, and what came of it


class Manifest(NamedTuple):
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


def command_words(hydra: Mapping[str, Any]) -> list[str]:
    """Return the words and options of the command line of a sweep, from what Hydra keeps of it."""
    options: list[str] = []
    if (name := hydra.get("job", {}).get("config_name", "train")) != "train":
        options += [CONFIG_NAME, name]
    for source in hydra.get("runtime", {}).get("config_sources", ()):
        if source["provider"] == CONFIG_DIR:
            options += [CONFIG_DIR, str(relative(Path(source["path"])))]
    of_hydra = (word for word in hydra["overrides"]["hydra"] if not word.startswith("hydra.mode="))
    return [*options, *map(str, hydra["overrides"]["task"]), *of_hydra]


def command_line(words: Sequence[str]) -> str:
    """Return the command line of a sweep.

    >>> command_line(["seed=range(8)"])
    "python train.py -m 'seed=range(8)'"
    """
    return shlex.join(["python", "train.py", "-m", *words])


def add_command(sweep: Path, words: Sequence[str], identities: Iterable[str]) -> None:
    """Add a command and the identities of its jobs, unless that very line stands there."""
    sweep.mkdir(parents=True, exist_ok=True)
    jobs = list(dict.fromkeys(identities))
    line = json.dumps({"command": command_line(words), "jobs": jobs})
    file = sweep / FILE
    before = file.read_bytes() if file.exists() else b""
    # whatever else stands there, and whether a kill has cut the last line short
    if line not in before.decode(errors="replace").splitlines():
        # a line at a time is added: of two commands in one folder, neither overwrites the other's
        with file.open("ab") as lines:
            torn = before and not before.endswith(b"\n")
            lines.write((b"\n" if torn else b"") + line.encode() + b"\n")


def read_manifest(sweep: Path) -> Manifest:
    """Return what the folder of a sweep says was asked for."""
    words, damaged = _of_hydra(sweep / OF_HYDRA)
    last = [command_line(words)] if words else []
    lines = _lines(sweep / FILE)
    jobs = frozenset(job for _, alike in lines for job in alike)
    latest_first = dict.fromkeys(command for command, _ in reversed(lines))
    commands = [*latest_first][::-1] or last
    for command in commands:
        try:
            words += shlex.split(command)
        # it is no command line; it is shown all the same
        except ValueError:
            continue
    keys = frozenset(map(key_of, words))
    # settings in a list: their keys stand in its value
    for word in words:
        if word.startswith("hydra.sweeper.jobs="):
            keys |= frozenset(re.findall(r"'\+{0,2}([\w./]+)=", word))
    return Manifest(commands, jobs, keys, damaged)


def _lines(file: Path) -> list[tuple[str, list[str]]]:
    """Return (command, identities), oldest first; a line that a kill has torn is left out."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            match json.loads(line):
                case {"command": str(command), "jobs": [*jobs]} if all(map(_is_identity, jobs)):
                    found.append((command, jobs))
        # deep nesting is no syntax error to the reader
        except (ValueError, RecursionError):
            continue
    return found


def _of_hydra(kept: Path) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """Return the words of the last command line, and what is damaged of the record of them."""
    if not kept.exists():
        return [], ()
    try:
        return command_words(yaml.safe_load(kept.read_bytes())["hydra"]), ()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, OSError):
        return [], ((kept.name, "is no record of a sweep"),)


def _is_identity(job: object) -> bool:
    return isinstance(job, str) and re.fullmatch(r"[0-9a-f]{12}", job) is not None
