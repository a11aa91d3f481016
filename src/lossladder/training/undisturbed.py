"""What must not be cut off half-way, short as it is: Ctrl-C waits for its end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_waiting: list[int] = []  # signals that came meanwhile


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until this is over; only the main thread ever hears of it.

    Raises:
        KeyboardInterrupt: at the end, if it came meanwhile.
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
        if came_meanwhile():
            before(signal.SIGINT, None)


def came_meanwhile() -> bool:
    """Whether Ctrl-C waits to be heard; asked once, it is heard."""
    came = bool(_waiting)
    _waiting.clear()
    return came


def _note(number: int, frame: FrameType | None) -> None:
    _waiting.append(number)
