"""What a sweep on a cluster asks for, and what it says where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from doors import Door
from lossladder.checks import RequestError
from lossladder.runs.result import Result, read_result
from lossladder.sweeps.cluster import Workers, WorkerState, _checked
from lossladder.sweeps.job import Job
from lossladder.sweeps.slurm import Slurm, _state

WORDS = ("-m", "launch=slurm", "seed=range(3)", "model.hidden_size=4", "trainer.max_steps=20")


@pytest.mark.parametrize(("launch", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_what_is_not_installed_is_said_in_a_line(train: Door, monkeypatch, launch, package):
    monkeypatch.setitem(sys.modules, package, None)
    outcome = train("-m", f"launch={launch}", "seed=0,1")
    assert outcome.code == 2
    assert f"launch={launch}: {package} is not installed" in outcome.complaint
    assert f"pip install -e '.[{launch}]'" in outcome.complaint
    assert not outcome.anything


def test_the_script_for_sbatch_is_shown_and_nothing_is_left(train: Door):
    pytest.importorskip("submitit")
    asked = {
        "account": "ours", "partition": "short", "qos": "low", "gres": "gpu:1", "timeout_min": 20,
        "mem_gb": 1.5, "cores": 3, "workers": 2, "dry": "true",
        "setup": "[module load python]", "sbatch": "{constraint: avx512}",
    }  # fmt: skip
    outcome = train(*WORDS, *(f"launch.{key}={value}" for key, value in asked.items()))
    assert outcome.code == 0
    for line in (
        *("account=ours", "partition=short", "qos=low", "gres=gpu:1", "time=20", "mem=1536M"),
        *("cpus-per-task=3", "constraint=avx512", "requeue", "array=0-1%2", "signal=USR2@90"),
    ):
        assert f"\n#SBATCH --{line}\n" in outcome.out
    assert "\nmodule load python\n" in outcome.out
    assert not outcome.anything


def test_there_are_as_many_workers_as_slices_and_at_most_eight(train: Door):
    pytest.importorskip("submitit")
    words = ("-m", "launch=slurm", "launch.dry=true", "trainer.max_steps=20", "engine=autograd")
    # by this engine each run is a slice of its own
    for sweep, array in (("seed=0", None), ("seed=range(3)", "0-2%3"), ("seed=range(9)", "0-7%8")):
        out = train(*words, sweep).out
        assert (f"--array={array}\n" in out) if array else ("--array" not in out)
    assert "--array=0-4%5\n" in train(*words, "seed=range(9)", "launch.cores=2").out


def test_where_there_is_no_sbatch_it_is_said_and_nothing_is_left(train: Door, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", os.devnull)
    outcome = train(*WORDS)
    assert outcome.code == 2
    assert "no sbatch here" in outcome.err
    assert not outcome.anything


@pytest.mark.parametrize(
    ("said", "lives", "death"),
    [
        ("JobState=RUNNING ExitCode=0:0", True, None),
        ("JobState=PENDING ExitCode=0:0 Restarts=2", True, None),
        ("JobState=COMPLETED ExitCode=0:0", False, None),
        ("JobState=FAILED ExitCode=137:0", False, "was killed by SIGKILL"),
        ("JobState=FAILED ExitCode=0:9", False, "was killed by SIGKILL"),
        ("JobState=FAILED ExitCode=1:0", False, "ended with exit code 1 (FAILED)"),
        ("JobState=OUT_OF_MEMORY ExitCode=0:125", False, "was killed for want of memory"),
        ("JobState=NODE_FAIL ExitCode=0:0", False, "was lost with its node"),
        ("JobState=TIMEOUT ExitCode=0:15", False, "was killed at its time limit"),
    ],
)
def test_what_slurm_says_of_a_job_is_said_in_words(said, lives, death):
    state = _state(dict(word.split("=") for word in said.split()))
    assert state.lives is lives
    assert (state.death or "").startswith(death or "")
    assert (state.death is None) is (death is None)
    assert state.restarts == (2 if "Restarts" in said else 0)


def test_tasks_that_wait_are_told_of_together_and_live(tmp_path, monkeypatch):
    said = (
        "JobId=9 ArrayJobId=7 ArrayTaskId=2-3%4 JobName=x JobState=PENDING ExitCode=0:0\n"
        "JobId=8 ArrayJobId=7 ArrayTaskId=1 JobState=FAILED Reason=RaisedSignal ExitCode=0:9\n"
        "JobId=7 ArrayJobId=7 ArrayTaskId=0 JobState=RUNNING ExitCode=0:0\n"
    )
    script = tmp_path / "scontrol"
    script.write_text(f"#!/bin/sh\ncat <<END\n{said}END\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    slurm = Slurm(4, 1, 9, 9, None, None, None, None, None, [], None, False)
    slurm._job, slurm._states = "7", [WorkerState(lives=True)] * 4
    assert [state.lives for state in slurm.states()] == [True, False, True, True]


class Here:
    """A worker on this machine, if there is to be one at all."""

    workers, cores = 1, 1

    def __init__(self, begins: bool = True) -> None:
        self.begins = begins
        self.stopped = False

    def start(self, file: Path, count: int) -> None:
        # so that it loads torch while the command does
        assert file.parent.is_dir()
        assert not file.exists()
        self.file = file
        words = [sys.executable, "-m", "lossladder.sweeps.cluster", str(file)]
        if self.begins:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE)

    def states(self) -> list[WorkerState]:
        return [WorkerState(lives=self.process.poll() is None)]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


SMALL = "model.hidden_size=4", "trainer.max_steps=20", "trainer.progress=false"


def test_a_worker_that_began_before_the_request_was_checked_does_it(configured, tmp_path):
    configs = [configured(*SMALL, f"seed={seed}") for seed in range(2)]
    jobs = [Job(n, config, tmp_path / f"run-{n}") for n, config in enumerate(configs)]
    cluster = Here()
    outcomes = Workers(cluster, tmp_path, shown=False).train(jobs)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert cluster.process.wait() == 0
    cluster.process.communicate()
    results = [read_result(job.folder) for job in jobs]
    assert [r.steps for r in results if isinstance(r, Result)] == [20, 20]
    assert not (tmp_path / ".workers").exists()


def test_what_workers_have_begun_for_is_taken_back_if_it_is_refused(configured, tmp_path):
    config = configured(*SMALL)
    wrong = {**config, "model": {**config["model"], "hidden_size": -1}}
    jobs = [Job(n, each, tmp_path / f"run-{n}") for n, each in enumerate((config, wrong))]
    cluster = Here(begins=False)
    with pytest.raises(RequestError, match="hidden_size=-1"):
        Workers(cluster, tmp_path, shown=False).train(jobs)
    assert cluster.stopped
    assert not _checked(cluster.file)
    assert not [*tmp_path.iterdir()]
