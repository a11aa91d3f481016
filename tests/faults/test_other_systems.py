"""What other systems lack: macOS cannot count the cores of a process, and forks none that live."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

PROGRAM = """
import sys
import lossladder
from lossladder.sweeps import pool

if __name__ == "__main__":
    pool.START_METHOD = "spawn"
    lossladder.main()
"""


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
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    for words in (["seed=0"], ["-m", "seed=0,1"]):
        command = [sys.executable, "train.py", *words, *small, *folders, "trainer.progress=false"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=env,
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
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert [result["status"] for result in results] == ["done"] * 3
    by_seed = {(result["seed"], result["loss"]) for result in results}
    assert len(by_seed) == 2  # seed 0, alone and among others, has one loss
