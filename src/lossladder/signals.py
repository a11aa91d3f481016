"""What asks a program to stop or to save: signals, noticed from start to end, acted on when safe.

INT, TERM and HUP ask to stop, USR1 and USR2 to save and go on. A program that trains notes them and
acts between two updates; elsewhere those that ask to stop raise KeyboardInterrupt at once.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_STOP, _SAVE = ("SIGINT", "SIGTERM", "SIGHUP"), ("SIGUSR1", "SIGUSR2")

# processes that are told to save as well
workers: set[int] = set()


class Stopped(Exception):
    """Training ended before its time, between two updates, because a signal asked for it."""


class _State:
    """What came, and how deep the program is in blocks that are not to be cut off."""

    # of the module, not of a block: a worker is forked within one, and must know in its own process
    # what came before it began
    came: str | None = None
    save = False
    noting = 0
    holding = 0
    patient = False
    before: dict[int, Any] = {}  # noqa: RUF012  one program has one state


_state = _State()


@contextmanager
def handled(patient: bool = False) -> Iterator[None]:
    """Notice signals meanwhile; whoever ignores one, as `nohup` does, goes on ignoring it.

    Args:
        patient: True: a second request to stop does not cut off what the first one is waiting for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main one ever receives them
        return
    outer = _state.before
    found = {number: signal.getsignal(number) for number in _numbers(*_STOP, *_SAVE)}
    _state.before = {
        number: was for number, was in found.items() if was not in (signal.SIG_IGN, None)
    }
    _state.holding = _state.noting = 0
    _state.patient = patient
    # a worker has inherited what came before it began
    if not patient:
        _state.came, _state.save = None, False
    install()
    try:
        yield
    finally:
        for number, was in _state.before.items():
            signal.signal(number, was)
        _state.before = outer
        if not outer:
            # a notebook goes on after a run that it interrupted, and trains by engines of its own
            _state.came, _state.save = None, False


def install() -> None:
    """Take the signals, where another library has put handlers of its own in between."""
    if threading.current_thread() is threading.main_thread():
        for number in _state.before:
            signal.signal(number, _stop if number in _numbers(*_STOP) else _save)


@contextmanager
def noted() -> Iterator[None]:
    """Only note meanwhile that a stop is asked for; asked a second time, it is no request any more.

    Raises:
        KeyboardInterrupt: if it was asked for before the block began, or is asked for twice.
    """
    if _state.came is not None:
        raise KeyboardInterrupt
    _state.noting += 1
    try:
        yield
    finally:
        _state.noting -= 1


@contextmanager
def held() -> Iterator[None]:
    """Let nothing cut this block off.

    Raises:
        KeyboardInterrupt: at its end, if a stop was asked for meanwhile and nobody notes it.
    """
    before = _state.came
    _state.holding += 1
    try:
        yield
    finally:
        _state.holding -= 1
        if _state.came != before and not (_state.holding or _state.noting):
            raise KeyboardInterrupt


def stop_asked() -> str | None:
    """Return the name of the signal that asked to stop; None: none did."""
    return _state.came


def ask_to_stop(name: str) -> None:
    """Stop as if a signal had asked for it."""
    _state.came = _state.came or name


def stop_if_asked() -> None:
    """Stop training here, between two updates.

    Raises:
        Stopped: if a signal asked for it.
    """
    if _state.came is not None:
        raise Stopped(_state.came)


def save_asked() -> bool:
    """Return whether a checkpoint was asked for since the last call."""
    asked, _state.save = _state.save, False
    return asked


def _stop(number: int, frame: FrameType | None) -> None:
    again = _state.came is not None
    _state.came = _state.came or signal.Signals(number).name
    if _state.holding or (_state.noting and not again) or (again and _state.patient):
        return
    raise KeyboardInterrupt


def _save(number: int, frame: FrameType | None) -> None:
    _state.save = True
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker, number)
    # a cluster's own, which may want to queue the job again; a worker has inherited ours
    if callable(was := _state.before.get(number)) and was is not _save:
        was(number, frame)


def _numbers(*names: str) -> list[int]:
    """Return the signals of these names that the system has."""
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
