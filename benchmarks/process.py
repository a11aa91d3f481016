"""The contest's end of the line: starts a worker, tells it what to do, survives what it does."""

import json
import os
import selectors
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_PATIENCE = 300.0  # seconds without an answer, after which a worker counts as crashed
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)  # fmt: skip
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}


class MissingError(RuntimeError):
    """A package that the worker needs is not there."""


class CrashError(RuntimeError):
    """The worker ended, or fell silent."""


class Worker:
    """A process that holds one contestant.

    Args:
        python: interpreter.
        task: what the worker is started with, see `worker.py`.
    Raises:
        MissingError: if a package is not there.
        CrashError: if it ended before it was ready.
    """

    def __init__(self, python: str, task: Mapping[str, Any]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        environment = os.environ | _ONE_THREAD | _QUIET
        if len(task["cores"]) == 1:
            environment["XLA_FLAGS"] = (
                "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            )
        try:
            self._process = subprocess.Popen(
                [python, "-m", "benchmarks.worker", json.dumps(task)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                text=True,
            )
        except OSError as error:
            self._complaints.close()
            raise CrashError(f"cannot be started: {error}") from error
        try:
            self.startup: dict[str, float] = self._answer()["ready"]
        except (MissingError, CrashError):
            self.kill()
            raise

    def round(self, size: int | None, least: float | None = None) -> dict[str, Any]:
        """Let it do a round.

        Args:
            size: updates, or what else the contestant counts by; None: all there are.
            least: CPU-seconds below which the round is repeated; None: the worker's own.
        """
        return self._ask({"size": size, "least": least})

    def end(self) -> dict[str, Any]:
        """Let it say how much memory it took, and end."""
        answer = self._ask({"end": True})
        self._process.wait()
        return answer

    def kill(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                with suppress(BrokenPipeError):  # what it was told last and never read
                    stream.close()

    def _ask(self, told: dict[str, Any]) -> dict[str, Any]:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(json.dumps(told) + "\n")
            stream.flush()
        except OSError as error:
            raise CrashError(self._last_words()) from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            if not selector.select(_PATIENCE):
                self.kill()
                raise CrashError(f"no answer for {_PATIENCE:.0f} s")
        line = stream.readline()
        if not line:
            raise CrashError(self._last_words())
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingError(answer["missing"])
        return answer

    def _last_words(self) -> str:
        """Return the last line it left on standard error, and how it ended."""
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f"ended with {code}: {lines[-1].strip() if lines else 'without a word'}"


def interpreter(names: Sequence[str], chosen: Mapping[str, str], default: str) -> str:
    """Return the first interpreter chosen for one of these names."""
    return next((chosen[name] for name in names if name in chosen), default)
