"""Who is at which job: locks that the operating system takes back when a process dies.

One file a sweep, and in it one byte a job: a lock costs neither a file nor a folder, however many
jobs there are. Locks of this kind (POSIX) belong to a process, and hold across machines on a file
system that knows them.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = ".claims"


@contextmanager
def job_lock(sweep: Path, identity: str, wait: bool) -> Iterator[bool]:
    """Hold the job meanwhile; gives whether it is ours.

    Args:
        sweep: folder of the sweep.
        identity: of the job.
        wait: True: until whoever is at the job ends or dies. False: not at all.
    """
    file, byte = _opened(sweep), int(identity, 16)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)


_OPEN: dict[Path, int] = {}


def _opened(sweep: Path) -> int:
    """Kept open: to close it anywhere would let go of all that the process holds in it."""
    path = sweep / FILE
    with suppress(KeyError, FileNotFoundError):  # the first time, or somebody removed the folder
        if os.path.samestat(os.stat(path), os.fstat(_OPEN[path])):
            return _OPEN[path]
    sweep.mkdir(parents=True, exist_ok=True)
    _OPEN[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return _OPEN[path]
