"""How a door answers: lines on standard output and error, and exit codes.

Exit codes: 0 done; 1 the run failed; 2 the request was wrong (one line, nothing left behind).
"""

import os
import sys
from pathlib import Path

DONE, FAILED, WRONG = 0, 1, 2


class RunFailedError(RuntimeError):
    """The run did not end well; its folder says why."""


class SaidError(ValueError):
    """The request was wrong, and the line that says so has been said."""


def say(message: str, code: int) -> int:
    """One line on standard error; gives the exit code back."""
    print(f"lossladder: {' '.join(message.split())}", file=sys.stderr)
    return code


def tell(text: str) -> None:
    """Print; that a reader like `| head` has read enough is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def ended_badly(status: str, folder: Path) -> BaseException | None:
    """What to raise for a run that ended like this; None: nothing."""
    if status == "wrong":
        return SaidError("the request was wrong")
    if status == "interrupted":
        return KeyboardInterrupt()
    if status != "done":
        return RunFailedError(f"the run {status}; see {shown(folder / 'run.log')}")
    return None


def shown(path: Path) -> Path:
    """A path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
