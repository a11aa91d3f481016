"""Opens the door of `train.py` once for each request read from standard input.

A process of its own, because the suite checks types at every call and would answer a wrong type
before the library can.
"""

import contextlib
import io
import json
import sys

from lossladder.cli.main import run


def answer(words: list[str]) -> tuple[int, str]:
    """Exit code and standard error of one request."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        return run(words).code, err.getvalue()


if __name__ == "__main__":
    json.dump([answer(words) for words in json.load(sys.stdin)], sys.stdout)
