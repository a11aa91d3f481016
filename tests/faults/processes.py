"""Python programs in processes of their own, from which nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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


def at_most(seconds: float, undisturbed: Path) -> float:
    """How long to wait before a run is disturbed: on a fast processor it would have ended."""
    results = undisturbed.rglob("result.json")
    trained = min(json.loads(path.read_text())["training_seconds"] for path in results)
    return min(seconds, trained / 2)


@dataclass
class Program:
    """One `python train.py`, in a session of its own."""

    forge: subprocess.Popen[str]
    process: int
    out: Path

    def send(self, number: int) -> None:
        """Send it a signal, if it is there."""
        with suppress(ProcessLookupError):
            os.kill(self.process, number)

    def end(self, seconds: float = 120) -> int:
        """Wait for its end; return the exit code. What hangs is killed, and fails the test."""
        late = time.monotonic() + seconds
        while time.monotonic() < late and self.lives():
            time.sleep(0.02)
        hung = self.lives()
        if hung:
            self.kill_all()
        code = int(ask(self.forge, {"wait": self.process}))
        assert not hung, f"hung: {self.out.read_text()}"
        return code

    def kill_all(self) -> None:
        """Kill it with all its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)

    def lives(self) -> bool:
        """Return whether it is under way."""
        return _state(self.process) not in ("Z", None)

    def workers(self) -> list[int]:
        """Return the processes that it has begun."""
        with suppress(OSError):
            path = Path(f"/proc/{self.process}/task/{self.process}/children")
            return [int(word) for word in path.read_text().split()]
        return []

    def wait_until(self, ready: Callable[[], object], seconds: float = 60) -> bool:
        """Wait until something is so; return False if the program has ended before."""
        late = time.monotonic() + seconds
        while not ready():
            if not self.lives():
                return False
            assert time.monotonic() < late, self.out.read_text()
            time.sleep(0.01)
        return True


def ask(forge: subprocess.Popen[str], command: dict) -> str:
    assert forge.stdin is not None
    assert forge.stdout is not None
    forge.stdin.write(f"{json.dumps(command)}\n")
    forge.stdin.flush()
    return forge.stdout.readline()


def _state(process: int) -> str | None:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return None


Start = Callable[..., Program]
