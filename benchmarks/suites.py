"""A suite of README's leaky cell in one command, and runs of it by Lightning, one at a time."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lossladder.sweeps.suite import Suite

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
SUITE = "quick"
RUNS, UPDATES = 8, 200  # of each; what Lightning takes is scaled to all of the suite

_TARGET = "tests.cells.zoo.Leaky"
_LEAKY = "model=rnn", f"model._target_={_TARGET}", "~model.gain", "optimizer.lr=0.01"
_MODEL = f"_target_: {_TARGET}\nhidden_size: 16\n"
_DOOR = """
import lossladder
if __name__ == "__main__":
    lossladder.main(conf="conf", packages=("tests",))
"""


def suites(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Time a suite, and eight of its runs by Lightning, in turns.

    Returns:
        ours: seconds of the command, one a round, start and page included.
        theirs: for each of the eight runs its updates, and seconds of an update, one a round.
        runs: of the suite.
    """
    from benchmarks.peers.lightning_suite import by_lightning

    suite = Suite.parse(_composed(f"suite={SUITE}")["suite"])
    entries = list(suite.entries().items())
    every = len(entries) * (len(suite.tuning_jobs("")) + suite.seeds)
    ours: list[float] = []
    theirs: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for entry, words in entries[:RUNS]:
            updates, seconds = by_lightning(_composed(*_LEAKY, *suite.words, *words), UPDATES)
            found = theirs.setdefault(entry, {"updates": updates, "seconds": []})
            found["seconds"].append(seconds)
            say(f"suite, round {number + 1}, {entry}: {seconds * 1e3:.2f} ms an update")
        ours.append(_ours())
        say(f"suite, round {number + 1}, ours: {ours[-1]:.0f} s")
    return {"suite": SUITE, "runs": every, "ours": ours, "theirs": theirs}


def _composed(*words: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", overrides=[*words]), resolve=True)
    return plain


def _ours() -> float:
    """Return the seconds of the command, in a folder and a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf/model").mkdir(parents=True)
        (folder / "conf/model/leaky.yaml").write_text(_MODEL)
        (folder / "train.py").write_text(_DOOR)
        words = ["-m", f"suite={SUITE}", "model=leaky", "trainer.progress=false"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "train.py", *words],
            cwd=folder, check=True, capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        )  # fmt: skip
        return time.perf_counter() - start


def scaled(measured: Mapping[str, Any]) -> list[float]:
    """Return the seconds that Lightning would take for the whole suite, one a round."""
    runs = measured["theirs"].values()
    rounds = zip(*([run["updates"] * s for s in run["seconds"]] for run in runs), strict=True)
    return [measured["runs"] * fmean(of_runs) for of_runs in rounds]
