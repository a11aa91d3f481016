"""What other systems lack: macOS cannot count the cores of a process, and forks none that live."""

import json
import os
import sys

import pytest
from processes import run

PROGRAM = """
import sys
import lossladder
from lossladder.sweeps import pool

if __name__ == "__main__":
    pool.START_METHOD = "spawn"
    lossladder.main()
"""


@pytest.mark.slow  # five processes
def test_a_run_and_a_sweep_are_made_where_no_core_can_be_counted_and_workers_are_spawned(tmp_path):
    # what Python imports first, in workers as well
    (tmp_path / "sitecustomize.py").write_text("import os\ndel os.sched_getaffinity\n")
    (tmp_path / "train.py").write_text(PROGRAM)
    small = (
        "trainer.max_epochs=null",
        "trainer.max_steps=40",
        "data.batch_size=20",
        "engine=fused",
    )
    folders = (f"hydra.run.dir={tmp_path / 'run'}", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    for words in (["seed=0"], ["-m", "seed=0,1"]):
        command = ["train.py", *words, *small, *folders, "trainer.progress=false"]
        run(*command, cwd=tmp_path, PYTHONPATH=path)
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert [result["status"] for result in results] == ["done"] * 3
    by_seed = {(result["seed"], result["loss"]) for result in results}
    assert len(by_seed) == 2  # seed 0, alone and among others, has one loss
