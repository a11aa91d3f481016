"""Who is at which job: locks that the operating system takes back when a process dies.

One file a sweep, and in it one byte a job: a lock costs neither a file nor a folder, however many
jobs there are. Locks of this kind (POSIX) belong to a process, and hold across machines on a file
system that knows them. On one that does not, a job is leased: whoever creates its lease has it, and
keeps it by touching it; docs/scale.md says what that promises.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from lossladder import console, signals
from lossladder.checks import RequestError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FILE, LEASES = ".claims", ".leases"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


def check_locks(sweep: Path) -> None:
    """Refuse a sweep on a system without locks; say it of a file system.

    Raises:
        RequestError: naming what is missing, and the way out.
    """
    if fcntl is None:
        raise RequestError(
            "-m: this system has no POSIX file locks (fcntl), by which the processes of a sweep "
            "share its jobs; on Windows, use WSL"
        )
    # nothing can be written, and nothing has to be if all is done
    with suppress(OSError):
        if _lock(_opened(sweep), 0, wait=False) is None:
            console.note(
                f"{console.relative(sweep)}: its file system has no locks; jobs are leased, and "
                f"one that dies elsewhere is taken up after {_LEASE_SECONDS:g} s"
            )
        else:
            fcntl.lockf(_opened(sweep), fcntl.LOCK_UN, 1, 0)


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
    ours = _lock(file, byte, wait)
    if ours is None:
        with _leased(sweep / LEASES, identity, wait) as ours:
            yield ours
        return
    try:
        yield ours
    finally:
        if ours:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)


def _lock(file: int, byte: int, wait: bool) -> bool | None:
    """Lock a byte; return whether it is ours. None: there are no locks on this file system."""
    assert fcntl is not None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except OSError as error:
        return None if error.errno in _NO_LOCKS else False
    return True


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


# --- leases -----------------------------------------------------------------------------------

# A job's leases are numbered, and its last one counts. None is ever removed or written to: of two
# that find the last one free, the file system lets only one create the next.


@contextmanager
def _leased(folder: Path, identity: str, wait: bool) -> Iterator[bool]:
    """Hold the lease of a job meanwhile; yield whether it is ours."""
    folder.mkdir(parents=True, exist_ok=True)
    while (lease := _take(folder, identity)) is None and wait:
        time.sleep(_LOOK_SECONDS)
    if lease is None:
        yield False
        return
    with _changing:
        _held.add(lease)
    _start_touching()
    try:
        yield True
    finally:
        # in between, the other thread would touch what is given back
        with _changing, suppress(OSError):
            _held.discard(lease)
            os.utime(lease, (0, 0))


def _take(folder: Path, identity: str) -> Path | None:
    """Create the next lease of a job if its last one is free; None: it is not."""
    number = 1
    while (folder / f"{identity}.{number}").exists():
        number += 1
    if number > 1 and not _is_free(folder / f"{identity}.{number - 1}"):
        return None
    lease = folder / f"{identity}.{number}"
    try:
        with lease.open("x", encoding="utf-8") as file:
            file.write(f"{_HOST} {os.getpid()}")
    except FileExistsError:
        return None
    return lease


def _is_free(lease: Path) -> bool:
    """Return whether a lease was given back, or whoever holds it is dead."""
    # a file system across a network tells the present state of a file to whoever opens it
    with lease.open(encoding="utf-8") as file:
        touched, (host, _, process) = os.fstat(file.fileno()).st_mtime, file.read().partition(" ")
    if touched == 0:
        return True
    if host == _HOST and process.isdecimal() and not _lives(int(process)):
        return True
    # by the clock of the file system: machines have clocks of their own
    with NamedTemporaryFile(dir=lease.parent, prefix=".now-") as now:
        return os.fstat(now.fileno()).st_mtime - touched > _LEASE_SECONDS


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _machine() -> str:
    """Return the name of this machine, and of the numbering that its processes have here."""
    with suppress(OSError):
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


_HOST = _machine()
_LEASE_SECONDS, _TOUCH_SECONDS, _LOOK_SECONDS = 60.0, 10.0, 1.0
_held: set[Path] = set()
_changing = threading.Lock()
_touching: threading.Thread | None = None


def _start_touching() -> None:
    global _touching
    # a process that was forked has none of the threads of its parent
    if _touching is None or not _touching.is_alive():
        _touching = threading.Thread(target=_touch, daemon=True)
        _touching.start()


def _touch() -> None:
    """Touch all leases that are held; stop training if one was taken over."""
    while True:
        for lease in list(_held):
            name, _, number = lease.name.partition(".")
            with _changing, suppress(OSError):
                if lease in _held:
                    os.utime(lease)
                    if lease.with_name(f"{name}.{int(number) + 1}").exists():
                        signals.ask_to_stop("the loss of its lease")
        time.sleep(_TOUCH_SECONDS)
