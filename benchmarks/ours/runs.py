"""Whole runs as a user starts them: a process each, or all as members of one."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.contestant import Contestant, Round
from lossladder.cores import core_count

_ROOT = Path(__file__).parents[2]
RECIPE = ("model=rnn", "optimizer=adagrad", "trainer.max_epochs=1", "trainer.progress=false")


class Command(Contestant):
    """`python <words>`, from its start to its end.

    Args:
        words: of the command line; a run's folder is temporary.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def round(self, size: int | None) -> Round:
        """Start it once."""
        with tempfile.TemporaryDirectory() as logs:
            is_run = self.words[0].endswith(".py") and "--help" not in self.words
            wall, cpu = _timed([[*self.words, *([f"logs={logs}"] if is_run else [])]])
        return Round(wall, cpu, 1.0)


class Compilation(Contestant):
    """The fused kernel compiled for the tanh RNN, as on a machine that has never run it."""

    def round(self, size: int | None) -> Round:
        """Compile in one process, with a cache of its own."""
        program = (
            "from lossladder.engines import Fused\n"
            "from benchmarks.ours.networks import network_of, optimizer_of, task_of\n"
            "from benchmarks.problems import echo\n"
            "problem = echo(5, 4, 10, 10); network = network_of(problem)\n"
            "Fused(network, task_of(problem), optimizer_of(problem, network)).prepare()\n"
        )
        with tempfile.TemporaryDirectory() as cache:
            os.environ["LOSSLADDER_CACHE"] = cache
            wall, cpu = _timed([["-c", program]])
        return Round(wall, cpu, 1.0)


class Processes(Contestant):
    """One-epoch runs, a process each.

    Args:
        seeds: how many; 0, 1, ...
        sizes: hidden sizes; each with every seed.
        at_once: processes side by side; None: as many as there are cores.
    """

    def __init__(
        self, seeds: int, sizes: Sequence[int] = (16,), at_once: int | None = None
    ) -> None:
        self.own = [
            [f"model.hidden_size={size}", f"seed={seed}"] for size in sizes for seed in range(seeds)
        ]
        self.at_once = at_once

    def round(self, size: int | None) -> Round:
        """Make all of the runs."""
        with tempfile.TemporaryDirectory() as logs:
            words = ["train.py", *RECIPE, f"logs={logs}"]
            wall, cpu = _timed([[*words, *own] for own in self.own], self.at_once)
            losses = _losses(Path(logs))
        return Round(wall, cpu, float(len(self.own)), losses)


class Sweep(Contestant):
    """The same runs as one command, which ends with a table and a report.

    Args:
        seeds: how many; 0, 1, ...
        sizes: hidden sizes; each with every seed.
    """

    def __init__(self, seeds: int, sizes: Sequence[int] = (16,)) -> None:
        varied = f"model.hidden_size={','.join(map(str, sizes))}"
        self.words = ["train.py", "-m", *RECIPE, varied, f"seed=range({seeds})"]
        self.runs = seeds * len(sizes)

    def round(self, size: int | None) -> Round:
        """Give one command."""
        with tempfile.TemporaryDirectory() as logs:
            wall, cpu = _timed([[*self.words, f"logs={logs}"]])
            losses = _losses(Path(logs))
        return Round(wall, cpu, float(self.runs), losses)


def _timed(commands: Sequence[Sequence[str]], at_once: int | None = None) -> tuple[float, float]:
    """Run all commands, one a core; return wall and CPU time from first start to last end."""
    before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    waiting, running = list(commands), []
    cores = at_once or core_count()
    while waiting or running:
        while waiting and len(running) < cores:
            running.append(
                subprocess.Popen(
                    [sys.executable, *waiting.pop(0)],
                    cwd=_ROOT,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            )
        first = running.pop(0)
        _, complaints = first.communicate()
        if first.returncode:
            raise RuntimeError(complaints.decode(errors="replace").strip().splitlines()[-1])
    wall, after = time.perf_counter() - since, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _losses(logs: Path) -> np.ndarray:
    """Return the loss of each run over its last points, by seed and size (runs, 1)."""
    results = [json.loads(path.read_text()) for path in logs.rglob("result.json")]
    results.sort(key=lambda result: (result["seed"], result["parameters"]))
    return np.array([[np.mean(result["curve"]["loss"][-2:])] for result in results], np.float32)
