"""Workers as tasks of Ray's, each a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from signal import Signals
from typing import Any

from lossladder import checks, signals
from lossladder.checks import RequestError
from lossladder.sweeps.cluster import WorkerState

# of the command, which a machine of the cluster's may lack
_VARIABLES = ("PYTHONPATH", "LOSSLADDER_PACKAGES", "LOSSLADDER_CACHE")


def _ray() -> Any:
    """Return Ray, which need not be installed where nothing is sent to it."""
    return import_module("ray")


@dataclass
class Ray:
    """Ray; conf/launch/ray.yaml says what each key means, and its unit.

    Raises:
        ValueError: naming the key, what came and what is allowed.
    """

    workers: int | None
    cores: int
    gpus: float
    mem_gb: float | None
    address: str | None
    _tasks: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.workers is not None:
            checks.whole("workers", self.workers)
        checks.whole("cores", self.cores)
        checks.real("gpus", self.gpus, least=0)
        if self.mem_gb is not None:
            checks.real("mem_gb", self.mem_gb, above=0)

    def start(self, file: Path, count: int) -> None:
        """See `Cluster`."""
        # of a cluster that runs already it cannot be asked
        own: dict[str, Any] = {} if self.address else {"include_dashboard": False}
        try:
            _ray().init(self.address, log_to_driver=False, logging_level="ERROR", **own)
        except ConnectionError as error:
            raise RequestError(f"launch.address={self.address}: {error}") from error
        # it has handlers of its own, which end the process
        signals.install()
        asked: dict[str, Any] = {"num_cpus": self.cores, "num_gpus": self.gpus}
        if self.mem_gb is not None:
            asked["memory"] = round(self.mem_gb * 2**30)
        there = _ray().cluster_resources()
        for key, name, value in (
            ("cores", "CPU", self.cores),
            ("gpus", "GPU", self.gpus),
            ("mem_gb", "memory", asked.get("memory", 0)),
        ):
            if value > there.get(name, 0):
                self.close()
                raise RequestError(
                    f"launch.{key}={getattr(self, key)}: Ray has {there.get(name, 0):g} {name}"
                )
        # a worker that dies is not begun anew: the others take up what it was at
        work = _ray().remote(max_retries=0, **asked)(_work)
        words = [sys.executable, "-m", "lossladder.sweeps.cluster", str(file)]
        environment = {key: os.environ[key] for key in _VARIABLES if key in os.environ}
        self._tasks = [
            work.remote(words, os.getcwd(), environment, file.with_name(f"worker-{number}.log"))
            for number in range(count)
        ]

    def states(self) -> list[WorkerState]:
        """See `Cluster`."""
        return [_state(task) for task in self._tasks]

    def stop(self) -> None:
        """See `Cluster`."""
        for task in self._tasks:
            _ray().cancel(task)

    def close(self) -> None:
        """See `Cluster`."""
        _ray().shutdown()


def _work(words: Sequence[str], folder: str, environment: Mapping[str, str], log: Path) -> int:
    """Run a worker, in a process that Ray's threads are not in; return its exit code."""
    with (
        log.open("ab") as out,
        subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        ) as process,
    ):
        try:
            # Ray interrupts a task between two of its lines only
            while process.poll() is None:
                time.sleep(0.2)
        finally:
            process.terminate()
        return process.returncode


def _state(task: Any) -> WorkerState:
    ray = _ray()
    if not ray.wait([task], timeout=0)[0]:
        return WorkerState(lives=True)
    try:
        code = ray.get(task)
    except ray.exceptions.TaskCancelledError:
        return WorkerState(lives=False, death="was cancelled")
    except ray.exceptions.RayError as error:
        return WorkerState(lives=False, death=f"was lost ({type(error).__name__})")
    if code < 0:
        return WorkerState(lives=False, death=f"was killed by {Signals(-code).name}")
    return WorkerState(lives=False, death=f"ended with exit code {code}" if code else None)
