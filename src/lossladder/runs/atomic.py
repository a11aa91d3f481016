"""Writes that are all or nothing: files that no kill leaves half, steps that Ctrl-C waits for."""

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# Signals that came while they were deferred. Of the module, not of a block: a worker is forked
# within one, and must know in its own process that Ctrl-C came before it began.
_pending: list[int] = []


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a scratch path to write to; it then replaces `path` in one step.

    What lay there stays if writing fails, no kill leaves half a file, and two processes may write
    the same file at once.

    Raises:
        OSError: naming `path`, if it cannot be written.
    """
    # Beside `path`, because only within a file system is a move one step; with a name of its own,
    # because others may be at it. The suffix stays: matplotlib chooses the format by it.
    scratch = path.with_name(f".{secrets.token_hex(6)}-{path.name}")
    try:
        yield scratch
        scratch.replace(path)
    except OSError as error:
        # nobody has asked for a file of the scratch's name
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def defer_interrupt() -> Iterator[None]:
    """Let Ctrl-C wait until this block is over; only the main thread ever receives it.

    Raises:
        KeyboardInterrupt: at the end, if Ctrl-C came meanwhile.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or not callable(before):  # it is ignored anyway
        yield
        return
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupt_pending():
            before(signal.SIGINT, None)


def interrupt_pending() -> bool:
    """Return whether a deferred Ctrl-C has not been acted on yet; forget it."""
    came = bool(_pending)
    _pending.clear()
    return came


def _note(number: int, frame: FrameType | None) -> None:
    _pending.append(number)
