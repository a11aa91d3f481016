"""What surrounds a run, and was not asked for, has no part in it: a cluster's leavings, threads."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import run

import lossladder.cli.main

ROOT = Path(__file__).parents[2]
SLURM_JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("seed=7",), id="a run"),
        pytest.param(("-m", "seed=7,8"), id="a sweep", marks=pytest.mark.slow),
    ],
)
def test_a_job_of_slurms_takes_no_checkpoint_it_did_not_ask_for(tmp_path, monkeypatch, words):
    """Lightning would load hpc_ckpt_*.ckpt from the current folder, whoever left it there."""
    monkeypatch.chdir(tmp_path)
    small = ("trainer.max_epochs=null", "trainer.progress=false", "data.batch_size=20")
    words = (*words, *small, "trainer.max_steps=60")
    other = (*small, "trainer.max_steps=90", "seed=3", "hydra.run.dir=other")
    assert lossladder.cli.main.run(other).code == 0
    shutil.copy("other/checkpoints/last.ckpt", "hpc_ckpt_1.ckpt")
    quiet = (*words, "hydra.run.dir=quiet/run", "hydra.sweep.dir=quiet")
    assert lossladder.cli.main.run(quiet).code == 0
    slurm = (*words, "hydra.run.dir=slurm/run", "hydra.sweep.dir=slurm")
    for key, value in SLURM_JOB.items():
        monkeypatch.setenv(key, value)
    assert lossladder.cli.main.run(slurm).code == 0
    found = {}
    for name in ("quiet", "slurm"):
        results = [
            json.loads(p.read_text()) for p in sorted(tmp_path.glob(f"{name}/*/result.json"))
        ]
        found[name] = [{k: r[k] for k in ("seed", "steps", "loss", "curve")} for r in results]
    assert found["slurm"] == found["quiet"]
    assert {result["steps"] for result in found["slurm"]} == {60}


LARGE = ("task=count", "model=rnn", "task.num_steps=14", "data.train_size=8000", "seed=0,1")
SHORT = ("trainer.max_epochs=null", "trainer.max_steps=20")


@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_sweep_ends_though_its_data_are_large_enough_for_many_threads(tmp_path, threads):
    """A worker forked from a process that has used OpenMP waits for ever for threads it lacks."""
    words = (*LARGE, *SHORT, f"trainer.threads={threads}", "trainer.progress=false")
    run(str(ROOT / "train.py"), "-m", *words, f"hydra.sweep.dir={tmp_path}", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_sweep_ends_though_the_notebook_that_asks_for_it_has_used_many_threads(tmp_path, threads):
    (tmp_path / "notebook.py").write_text(f"""
import torch
import lossladder
if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.rand(3000, 3000) @ torch.rand(3000, 3000)
    words = {(*LARGE, *SHORT, f"trainer.threads={threads}")}
    runs = lossladder.sweep(*words, folder="sweep")
    assert list(runs.status) == ["done", "done"]
    assert torch.get_num_threads() == 2  # as the notebook had it
""")
    run("notebook.py", cwd=tmp_path)


def test_torchrun_does_not_train_one_run_many_times(tmp_path):
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}
    words = ["train.py", "trainer.max_steps=10", f"logs={tmp_path / 'logs'}"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "WORLD_SIZE=2: start one process" in line
    assert not (tmp_path / "logs").exists()


SHORT_RUN = ("model.hidden_size=4", "trainer.max_steps=20", "engine=autograd")


@pytest.mark.slow
def test_a_verdict_that_the_terminal_has_no_signs_for_is_printed_all_the_same(tmp_path):
    """It holds a ±; where output was not UTF-8 a run that was done ended as a wrong request."""
    words = [*SHORT_RUN, "trainer.progress=true", f"hydra.run.dir={tmp_path / 'run'}"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    for command in (["train.py", *words], ["evaluate.py", f"run={tmp_path / 'run'}"]):
        done = subprocess.run(
            [sys.executable, str(ROOT / command[0]), *command[1:]],
            cwd=tmp_path, env=ascii_only, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert b"nats a step" in done.stdout
        assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_is_made_where_standard_error_is_closed(tmp_path):
    words = " ".join([*SHORT_RUN, "trainer.progress=true", f"hydra.run.dir={tmp_path / 'run'}"])
    command = f"{sys.executable} {ROOT / 'train.py'} {words} 2>&-"
    done = subprocess.run(command, shell=True, cwd=tmp_path, stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "done"


def test_a_value_of_any_size_is_told_in_a_line_that_can_be_read(tmp_path):
    huge = "x" * 70_000
    done = subprocess.run(
        [sys.executable, "train.py", f"model={huge}"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr) < 3000
