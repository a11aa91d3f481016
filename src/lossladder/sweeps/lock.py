"""Who is at which job: locks that the operating system takes back when a process dies.

One file a sweep, and in it one byte a job: a lock costs neither a file nor a folder, however many
jobs there are. Locks of this kind (POSIX) belong to a process, and hold across machines on a file
system that knows them.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lossladder.checks import RequestError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FILE = ".claims"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


def check_locks() -> None:
    """Refuse a sweep where there are no locks.

    Raises:
        RequestError: naming what is missing, and the way out.
    """
    if fcntl is None:
        raise RequestError(
            "-m: this system has no POSIX file locks (fcntl), by which the processes of a sweep "
            "share its jobs; on Windows, use WSL"
        )


@contextmanager
def job_lock(sweep: Path, identity: str, wait: bool) -> Iterator[bool]:
    """Hold the job meanwhile; yield whether it is ours.

    Args:
        sweep: folder of the sweep.
        identity: of the job.
        wait: True: until whoever is at the job ends or dies. False: not at all.
    """
    assert fcntl is not None  # see `check_locks`
    # a byte beyond the end of the file can be locked as well: no job has to be numbered
    file, byte = _opened(sweep), int(identity, 16)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except OSError as error:
        # no locks on this file system: whoever starts a second process there must know
        yield error.errno in _NO_LOCKS
        return
    try:
        yield True
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)


# Kept open: a process that closes the file anywhere lets go of all that it holds in it (POSIX).
_OPEN: dict[Path, int] = {}


def _opened(sweep: Path) -> int:
    path = sweep / FILE
    # the first time it is not open yet, and later somebody may have removed the folder
    with suppress(KeyError, FileNotFoundError):
        if os.path.samestat(os.stat(path), os.fstat(_OPEN[path])):
            return _OPEN[path]
    sweep.mkdir(parents=True, exist_ok=True)
    _OPEN[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return _OPEN[path]
