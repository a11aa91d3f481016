"""The checkpoint of runs that are trained together: one file, so that all go on from one moment."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from lossladder.checks import RequestError
from lossladder.runs.atomic import atomic_write
from lossladder.runs.checkpoint import has_checkpoint, read_checkpoint, write_checkpoint
from lossladder.runs.folder import CHECKPOINT
from lossladder.runs.result import Result, read_result

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


def kept_groups(sweep: Path) -> list[list[str]]:
    """Return the names of the runs that were under way, those of one group and moment together."""
    together: list[list[str]] = []
    for folder, _ in _kept(sweep):
        moments: dict[int, list[str]] = {}
        for name, left in _members(folder).items():
            moments.setdefault(left["moment"], []).append(name)
        together += moments.values()
    return together


def remove_ended_groups(sweep: Path) -> None:
    """Remove what is kept of groups whose members have all left their own, and need no more."""
    for group, members in list(_kept(sweep)):
        results = [read_result(sweep / name) for name in members]
        if all(isinstance(one, Result) and one.status != "interrupted" for one in results):
            rmtree(group, ignore_errors=True)
    # it fails where a group is left
    with suppress(OSError):
        (sweep / FOLDER).rmdir()


# --- what a run goes on with, its own or that of its group ------------------------------------


def in_group(folder: Path) -> bool:
    """Return whether a run was trained together with others when it last was."""
    return any(folder.name in members for _, members in _kept(folder.parent))


def can_go_on(folder: Path) -> bool:
    """Return whether a run has left a checkpoint, whatever has become of it."""
    return has_checkpoint(folder / CHECKPOINT) or in_group(folder)


def read_left(folder: Path, asked_for: str) -> dict[str, Any]:
    """Return the checkpoint that a run has left, its own or the one that its group keeps of it.

    Raises:
        RequestError: as `read_checkpoint`.
    """
    if not has_checkpoint(folder / CHECKPOINT):
        for group, members in _kept(folder.parent):
            left = _members(group).get(folder.name) if folder.name in members else None
            if left is not None and left["checkpoint"] is not None:
                return left["checkpoint"]
    return read_checkpoint(folder / CHECKPOINT, asked_for)


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
