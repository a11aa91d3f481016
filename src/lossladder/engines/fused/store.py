"""A store of compiled code: private to its user, sealed, and no loss where it is lost.

Compiled code is run as it lies there, so nobody else may have written it, and a flipped bit must be
noticed before anything is made of it. Each piece is a file named by the hash of its key:

    seal     32 bytes, SHA-256 of name and content
    content  as it was handed over

A file comes into place complete and is never changed, so that readers need no lock. The folder is
`$LOSSLADDER_CACHE`, else `lossladder` in `$XDG_CACHE_HOME` or `~/.cache`. One
that cannot be had, is a link, or that others own or may write to is left alone; nothing is kept
then, and everything works without.
"""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from lossladder import console
from lossladder.runs.atomic import atomic_write

# nobody else's files end like this, should the folder hold any: old ones are removed
_SUFFIX = ".lossladder"
_OLD = 60 * 24 * 3600  # seconds since it was last of use


def obstacle() -> str | None:
    """Return why nothing can be kept; None: it can."""
    try:
        home = _home(make=True)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    writable = os.access(home, os.W_OK | os.X_OK, effective_ids=True)
    return None if writable else f"{home}: cannot be written"


def find(key: str) -> bytes | None:
    """Return what is kept under a key, whole; None: nothing, or it was damaged and is removed."""
    try:
        path = _path(key)
    except OSError:
        return None
    try:
        with open(path, "rb", opener=_open) as file:
            # a device has no end
            kept = file.read() if _private(os.fstat(file.fileno()), stat.S_ISREG) else b""
    except FileNotFoundError:
        return None
    # a link, a folder, a file that may not be read: none of these was put there by `keep`
    except OSError:
        kept = b""
    seal, content = kept[:32], kept[32:]
    if seal != _seal(path, content):
        discard(key)
        return None
    with suppress(OSError):
        os.utime(path, follow_symlinks=False)
    return content


def keep(key: str, content: bytes) -> None:
    """Keep some bytes under a key, if that is possible."""
    # nothing is forced onto the disk: what a power cut leaves does not match its seal
    with suppress(OSError):
        path = _path(key, make=True)
        _remove_old(path.parent)
        with atomic_write(path) as scratch, open(scratch, "xb", opener=_open) as file:
            file.write(_seal(path, content) + content)


def discard(key: str) -> None:
    """Remove what was found damaged, whatever it has become, and say so."""
    _say_once("a kept kernel was damaged, and is compiled again where needed")
    with suppress(OSError):
        _remove(_path(key))


@cache
def _say_once(message: str) -> None:
    console.note(message)


def _home(make: bool = False) -> Path:
    """Return the folder; make it, if asked.

    Raises:
        OSError: if it cannot be had, or others may have written to it.
    """
    home = _wanted_home()
    if make:
        for path in (*reversed(home.parents), home):
            path.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if not _private(found, stat.S_ISDIR):
        raise OSError(errno.EPERM, "a link, or not this user's alone", str(home))
    return home


def _wanted_home() -> Path:
    if not hasattr(os, "geteuid"):  # Windows
        raise OSError(errno.ENOSYS, "not for this system", "the store")
    own, parent = map(os.getenv, ("LOSSLADDER_CACHE", "XDG_CACHE_HOME"))
    if own:
        return Path(own)
    try:
        return Path(parent or Path.home() / ".cache", "lossladder")
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "there is none", "home folder") from error


def _remove(path: Path) -> None:
    with suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def _private(found: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Return whether it is a file or a folder, the user's, and nobody else may write to it."""
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_kind(found.st_mode) and found.st_uid == os.geteuid() and not others


def _path(key: str, make: bool = False) -> Path:
    return _home(make) / (sha256(key.encode()).hexdigest() + _SUFFIX)


def _seal(path: Path, content: bytes) -> bytes:
    # the name is sealed as well: a file moved to another's place is no longer what it says
    return sha256(path.name.encode() + content).digest()


def _open(path: str, flags: int) -> int:
    # no link is followed, and nobody is waited for at the other end of a pipe
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, mode=0o600)


def _remove_old(home: Path) -> None:
    for path in home.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > _OLD:
                path.unlink()
