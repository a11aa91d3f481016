"""Workers that do nothing, and file systems that cannot lock: a sweep ends all the same."""

import errno
import json
import time
from pathlib import Path

import pytest
from processes import Start

from lossladder.sweeps import pool

SWEEP = (
    *("-m", "trainer.max_epochs=null", "trainer.max_steps=60", "model.hidden_size=4"),
    *("data.batch_size=20", "seed=0,1", "engine=autograd"),
)


def statuses(sweep: Path) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in sorted(sweep.glob("*/result.json"))]


def test_a_worker_that_does_nothing_is_ended_and_its_jobs_tried_again(start: Start, tmp_path):
    (tmp_path / "sleepy.py").write_text(f"""
import time
from pathlib import Path
from lossladder.models import RNN
from lossladder.sweeps import pool

pool._STILL_SECONDS, pool._LOOK_SECONDS = 2.0, 0.5

class Sleepy(RNN):
    def forward(self, inputs, state):
        try:  # one of them, once
            Path({str(tmp_path)!r}, "slept").touch(exist_ok=False)
            time.sleep(1000)
        except FileExistsError:
            pass
        return super().forward(inputs, state)
""")
    words = (*SWEEP, "model._target_=sleepy.Sleepy", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    program = start(*words, packages=("sleepy",))
    assert program.end() == 0, program.out.read_text()
    assert "no sign of life for 2 s" in program.out.read_text()
    assert "seed-" in program.out.read_text()  # by its name
    assert statuses(tmp_path / "sweep") == ["done", "done"]


def test_processor_time_tells_who_works():
    import os

    before = pool.processor_seconds(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = pool.processor_seconds(os.getpid())
    assert before is not None
    assert after is not None
    assert after >= before + 0.05
    assert pool.processor_seconds(2**22 + 1) is None  # there is none


@pytest.mark.slow
def test_runs_and_sweeps_are_made_where_the_file_system_has_no_locks(start: Start, tmp_path):
    (tmp_path / "lockless.py").write_text(f"""
import fcntl

def refuse(*_):
    raise OSError({errno.ENOLCK}, "No locks available")

fcntl.flock = fcntl.lockf = refuse
from lossladder.models import RNN as Cell
""")
    words = ("model._target_=lockless.Cell", f"hydra.run.dir={tmp_path / 'run'}")
    run = start(*SWEEP[1:5], "engine=autograd", *words, packages=("lockless",))
    assert run.end() == 0, run.out.read_text()
    words = ("model._target_=lockless.Cell", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    sweep = start(*SWEEP, *words, packages=("lockless",))
    assert sweep.end() == 0, sweep.out.read_text()
    assert statuses(tmp_path / "sweep") == ["done", "done"]
