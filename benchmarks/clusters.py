"""One sweep by this machine, by two workers on a Slurm and by two on a Ray, on the same cores.

The Slurm and the Ray are begun for it, on the loopback, as root: with what `make test-cluster`
needs.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster import alone, slurm

ROOT = Path(__file__).parents[1]
RUNS = 64, 1000
_WORKERS = "launch.workers=2", "launch.mem_gb=null"
LAUNCHES = {
    "stacked": ("launch=stacked",),
    "slurm": ("launch=slurm", *_WORKERS),
    "ray": ("launch=ray", *_WORKERS),
}


def clusters(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Time the sweep of each size by each launch, in turns; the largest size once.

    Returns:
        seconds: of the command, start and report included: launch -> runs -> one a round.
    """
    if reason := slurm.missing() or alone.missing():
        raise SystemExit(f"benchmark.py: {reason}")
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in LAUNCHES}
    with (
        tempfile.TemporaryDirectory() as folder,
        slurm.slurm(Path(folder) / "slurm", cores=2) as environment,
    ):
        for runs in RUNS:
            for number in range(rounds if runs != max(RUNS) else 1):
                for launch in LAUNCHES:
                    sweep = Path(folder) / f"{launch}-{runs}-{number}"
                    taken = _taken(launch, runs, sweep, environment)
                    seconds[launch].setdefault(str(runs), []).append(taken)
                    say(f"clusters, {runs} runs, round {number + 1}, {launch}: {taken:.1f} s")
    return {"seconds": seconds}


def _taken(launch: str, runs: int, sweep: Path, environment: Mapping[str, str]) -> float:
    """Return the seconds of the command for so many runs of an epoch of echo."""
    words = ["-m", f"seed=range({runs})", "trainer.max_epochs=1", "trainer.progress=false"]
    start = time.perf_counter()
    subprocess.run(
        [*(alone.ALONE if launch == "ray" else []), sys.executable, str(ROOT / "train.py"),
         *words, *LAUNCHES[launch], f"hydra.sweep.dir={sweep}"],
        cwd=sweep.parent, check=True, capture_output=True,
        env={**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    taken = time.perf_counter() - start
    done = len([*sweep.glob("*/result.json")])
    if done != runs:
        raise SystemExit(f"benchmark.py: {launch} has done {done} of {runs} runs")
    return taken
