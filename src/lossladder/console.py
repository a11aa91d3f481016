"""Lines to the terminal, and exit codes.

Exit codes: 0 done; 1 the run failed; 2 the request was wrong (one line, nothing left behind).
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

DONE, FAILED, WRONG = 0, 1, 2
_LONGEST = 2000  # characters of a message


def take_any_text() -> None:
    """Let standard output and error take any text, whatever their encoding, and also if closed.

    What an encoding has no sign for becomes a question mark: a verdict that cannot be printed is
    no reason for a run to fail.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # closed by the shell, as by 2>&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def refuse(message: str) -> NoReturn:
    """Say in one line on standard error what is wrong with a request, and exit."""
    note(message)
    sys.exit(WRONG)


def note(message: str) -> None:
    """Say something in one line on standard error."""
    print(line(message), file=sys.stderr)


def line(message: str) -> str:
    """Return a message as one line that names the program."""
    # messages of torch's and of the system's have several, and a log is searched by lines
    words = " ".join(message.split())
    # a value may be of any size, and is said again in what is wrong with it
    if len(words) > _LONGEST:
        words = f"{words[: _LONGEST // 2]} … {words[-_LONGEST // 2 :]}"
    return f"lossladder: {words}"


def echo(text: str) -> None:
    """Print; that a reader like `| head` has read enough is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # or Python, which flushes standard output at exit, would complain once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def many(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> many(1, "run"), many(2000, "run")
    ('1 run', '2,000 runs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def relative(path: Path) -> Path:
    """Return a path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class Parser(ArgumentParser):
    """A parser that answers a wrong request in one line, where argparse adds its usage."""

    def error(self, message: str) -> NoReturn:
        """See `refuse`."""
        refuse(message)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Answer in one line, too, what turns out to be wrong with the files that were named."""
        try:
            yield
        except OSError as error:
            self.error(f"{error.filename}: {error.strerror}")
        except ValueError as error:
            self.error(str(error))
