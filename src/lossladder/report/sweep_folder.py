"""The folder of a sweep, read back: its runs and what tells them apart, folder by folder."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossladder.report.runs import DamagedError, Run, read_run
from lossladder.report.settings import Setting, settings
from lossladder.sweeps.job import identity_in
from lossladder.sweeps.manifest import read_manifest

_LEFT = ("config.yaml", "result.json", "run.log", "checkpoints")


class NoSweepError(ValueError):
    """The folder holds no runs."""


@dataclass(frozen=True)
class Sweep:
    """Runs that were asked for together.

    Args:
        folder: in which they lie, each in a folder of its own.
        commands: that made them, the latest last; none where no record tells.
        runs: all that can be read, in the order of their names.
        settings: (runs,); what sets each apart, its seed left aside.
        damaged: (name, what is wrong) of what cannot be read.
        asked: how many runs were asked for, or are there.
        not_begun: how many of them have left nothing.
    """

    folder: Path
    commands: Sequence[str]
    runs: Sequence[Run]
    settings: Sequence[Setting]
    damaged: Sequence[tuple[str, str]]
    asked: int
    not_begun: int

    @property
    def keys(self) -> list[str]:
        """What was varied besides the seed."""
        return [key for key, _ in self.settings[0]] if self.settings else []

    def values(self, key: str) -> list[str]:
        """All that a key was set to: numbers by size, words as they came."""
        return in_order(dict.fromkeys(value for s in self.settings for k, value in s if k == key))

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how, or go on."""
        return Counter(run.status for run in self.runs)

    @property
    def versions(self) -> dict[str, list[str]]:
        """Package -> versions that runs were made with."""
        found: dict[str, set[str]] = {}
        for versions in {run.versions for run in self.runs}:
            for package, version in versions:
                found.setdefault(package, set()).add(version)
        return {package: sorted(versions) for package, versions in found.items()}


def read_sweep(folder: Path) -> Sweep:
    """Every run in a folder.

    Raises:
        NoSweepError: if there is none; the message says what to name instead.
    """
    if not folder.is_dir():
        raise NoSweepError(f"{folder}: no such folder; name the folder of a sweep")
    if (folder / "config.yaml").exists():
        raise NoSweepError(f"{folder}: is a single run; name the folder of a sweep")
    found = [path for path in folder.iterdir() if any((path / left).exists() for left in _LEFT)]
    if not found:
        raise NoSweepError(f"{folder}: holds no runs; name the folder of a sweep")
    asked = read_manifest(folder)
    begun, damaged = {identity_in(path.name) or path.name for path in found}, [*asked.damaged]
    runs: list[Run] = []
    common: dict[str, str] = {}  # the first config: of the others, what sets them apart is kept
    for path in sorted(found, key=_natural):
        try:
            run = read_run(path)
        except DamagedError as error:
            damaged.append((path.name, str(error)))
            continue
        common = common or dict(run.config)
        keys = common.keys() | run.config.keys()
        here, there = run.config, common
        run.config = {k: here.get(k, "") for k in keys if here.get(k, "") != there.get(k, "")}
        runs.append(run)
    varied = {key for run in runs for key in run.config}
    configs = [{key: run.config.get(key, common.get(key, "")) for key in varied} for run in runs]
    return Sweep(
        folder=folder,
        commands=asked.commands,
        runs=runs,
        settings=settings(configs, asked.keys),
        damaged=damaged,
        asked=len(asked.jobs | begun),
        not_begun=len(asked.jobs - begun),
    )


def in_order(values: Iterable[str]) -> list[str]:
    """Numbers by size; words as they come.

    >>> in_order(["10", "1", "5"]), in_order(["rnn", "gru"])
    (['1', '5', '10'], ['rnn', 'gru'])
    """
    numbers = [(typed(value), value) for value in values]
    if any(isinstance(number, str) for number, _ in numbers):
        return [value for _, value in numbers]
    return [value for _, value in sorted(numbers)]


def typed(value: str) -> int | float | str:
    """A value of the command line as a number, if it is one.

    >>> [typed(value) for value in ("4", "1e-3", "rnn", "nan")]
    [4, 0.001, 'rnn', 'nan']
    """
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if math.isfinite(number) else value
    return value


def _natural(path: Path) -> list[tuple[float, str]]:
    """Numbers in names by their size: the tenth comes after the ninth."""
    parts = re.split(r"(\d+(?:\.\d+)?)", path.name)
    return [(math.inf, p) if place % 2 == 0 else (float(p), "") for place, p in enumerate(parts)]
