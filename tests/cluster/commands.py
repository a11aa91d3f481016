"""The sweep that is disturbed, the command that makes it, and what it is held against."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from alike import differences

ROOT = Path(__file__).parents[2]
# two groups, which are trained apart, by an engine that rounds otherwise in another group
SWEEP = (
    *("-m", "task=echo", "model.hidden_size=4,5", "seed=range(2)"),
    *("engine=stacked", "data.batch_size=20", "data.stream_steps=1500", "trainer.max_epochs=null"),
    *("trainer.max_steps=4000", "trainer.validate_every=50", "trainer.checkpoint_seconds=0.2"),
)
RUNS = 4


class Command:
    """A `python train.py` that is under way; what it says is kept in a file."""

    def __init__(
        self, sweep: Path, environment: Mapping[str, str], *words: str, path: Path = ROOT
    ) -> None:
        self.sweep = sweep
        self.environment = environment = {**environment, "PYTHONPATH": f"{ROOT / 'src'}:{path}"}
        self.out = sweep.with_suffix(".out")
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "train.py"), *words, f"hydra.sweep.dir={sweep}"],
                cwd=sweep.parent, env=environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def end(self) -> int:
        try:
            return self.process.wait(600)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        return self.out.read_text()

    def wait_for(self, what: Callable[[], object], seconds: float = 200) -> bool:
        """Wait until something is so; return False if the command has ended before."""
        late = time.monotonic() + seconds
        while not what():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < late, self.said
            time.sleep(0.05)
        return True

    def trains(self) -> bool:
        """Return whether a group has left a checkpoint, and has not ended."""
        return any(self.sweep.glob(".groups/*/last.ckpt"))

    def ask(self, *words: str) -> str:
        return subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=True
        ).stdout


def assert_alike(sweep: Path, whole: Path) -> None:
    runs = sorted(path.parent.name for path in whole.glob("*/result.json"))
    assert len(runs) == RUNS
    assert sorted(path.parent.name for path in sweep.glob("*/result.json")) == runs
    for run in runs:
        assert differences(whole / run, sweep / run) == []
        log = (sweep / run / "run.log").read_text()
        # a worker whose scheduler has died writes what is under way, and a verdict that says so
        ends = log.count("INFO lossladder: verdict") - log.count("The run was interrupted")
        assert ends == 1
