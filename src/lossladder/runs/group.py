"""The checkpoint of runs that are trained together: one file, so that all go on from one moment."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from lossladder.checks import RequestError
from lossladder.runs.atomic import atomic_write
from lossladder.runs.checkpoint import has_checkpoint, read_checkpoint, write_checkpoint

FOLDER = ".groups"  # in that of the sweep
_MEMBERS, _CHECKPOINT = "members", "last.ckpt"


class Group:
    """What a group of runs keeps while it is under way.

    Its members have their places in a file that is written at once, so that no kill leaves some of
    them further than others.

    Args:
        sweep: folder in which the members have theirs.
        names: of the members' folders; if a group that holds them all is there, it is that one.
    """

    def __init__(self, sweep: Path, names: Sequence[str]) -> None:
        self.names = list(names)
        digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]
        self.folder = sweep / FOLDER / digest
        for folder, members in _kept(sweep):
            if members >= set(names):
                self.folder = folder
        self._others: dict[str, Any] = {}

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return what each member left, by its name; None: they begin, or it cannot be read."""
        found = _members(self.folder)
        self._others = {name: left for name, left in found.items() if name not in self.names}
        left = {name: found[name] for name in self.names if name in found}
        return left if len(left) == len(self.names) else None

    def write(self, members: dict[str, dict[str, Any]]) -> None:
        """Write what each member leaves, all of them or none."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            with atomic_write(self.folder / _MEMBERS) as scratch:
                scratch.write_text("\n".join(self.names), encoding="utf-8")
        # those that another command left out are there to be gone on with
        write_checkpoint({"members": {**self._others, **members}}, self.folder / _CHECKPOINT)

    def remove(self) -> None:
        """Remove what was kept: each member has left its own."""
        if self._others:
            return
        rmtree(self.folder, ignore_errors=True)
        if self.folder.parent.is_dir() and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()


def kept_groups(sweep: Path) -> list[list[str]]:
    """Return the names of the runs that were under way, those of one group and moment together."""
    together: list[list[str]] = []
    for folder, _ in _kept(sweep):
        moments: dict[int, list[str]] = {}
        for name, left in _members(folder).items():
            moments.setdefault(left["moment"], []).append(name)
        together += moments.values()
    return together


def kept_of_group(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint of a run that a group of them was at; None: there is none."""
    for group, members in _kept(folder.parent):
        if folder.name in members and (left := _members(group).get(folder.name)) is not None:
            return left["checkpoint"]
    return None


def _kept(sweep: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield the folder of each group, and the names of its members."""
    for folder in sorted((sweep / FOLDER).glob("*/")):
        if has_checkpoint(folder / _CHECKPOINT):
            try:
                yield folder, set((folder / _MEMBERS).read_text(encoding="utf-8").splitlines())
            except (OSError, ValueError):
                continue


def _members(folder: Path) -> dict[str, dict[str, Any]]:
    if not has_checkpoint(folder / _CHECKPOINT):
        return {}
    try:
        return read_checkpoint(folder / _CHECKPOINT, str(folder))["members"]
    # damaged, and the one before it, too: its members begin anew
    except RequestError:
        return {}
