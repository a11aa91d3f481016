"""Writes that are all or nothing: no kill leaves half a file."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SCRATCH = f".{'[0-9a-f]' * 12}-*"  # pattern of the names that files have while they are written


@contextmanager
def atomic_write(path: Path, exclusive: bool = False) -> Iterator[Path]:
    """Yield a scratch path to write to; it then replaces `path` in one step.

    What lay there stays if writing fails, no kill leaves half a file, and two processes may write
    the same file at once.

    Args:
        path: of the file.
        exclusive: True: `path` must not be there already.
    Raises:
        OSError: naming `path`, if it cannot be written; FileExistsError, if it is there.
    """
    # Beside `path`, because only within a file system is a move one step; with a name of its own,
    # because others may be at it. The suffix stays: matplotlib chooses the format by it.
    scratch = path.with_name(f".{secrets.token_hex(6)}-{path.name}")
    try:
        if exclusive and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        yield scratch
        if exclusive:
            _link(scratch, path)
        else:
            scratch.replace(path)
    except OSError as error:
        # nobody has asked for a file of the scratch's name
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        # a disk that is read-only would complain of this, too
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _link(scratch: Path, path: Path) -> None:
    """Give a file its name, if nobody has it."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    # a file system without links: between these two another may still come first
    except OSError:
        path.touch(exist_ok=False)
        scratch.replace(path)
