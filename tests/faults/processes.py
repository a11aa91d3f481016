"""Python programs in processes of their own, from which nothing is left behind."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def run(*command: str, cwd: Path, **environment: str) -> None:
    """A Python program in a process of its own; what hangs is ended, with all its workers."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            _, err = process.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
