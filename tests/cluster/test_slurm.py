"""Sweeps on a real Slurm: whatever ends a worker, no run is lost, and none is done twice."""

import csv
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from commands import SWEEP, Command, assert_alike

pytestmark = pytest.mark.cluster

TWO = "launch=slurm", "launch.workers=2"

Victims = list[tuple[int, str]]  # the process of each worker, and the job of Slurm's that it is


def workers(environment: Mapping[str, str]) -> Victims:
    """Return the workers of this Slurm that are under way."""
    mark, conf = b"submitit.core._submit", f"SLURM_CONF={environment['SLURM_CONF']}".encode()
    found: Victims = []

    def program(line: bytes) -> bytes:
        return line.partition(b"\0")[0]

    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark not in (words := (path / "cmdline").read_bytes()):
                continue
            its = (path / "environ").read_bytes().split(b"\0")
            jobs = [x.partition(b"=")[2].decode() for x in its if x.startswith(b"SLURM_JOB_ID=")]
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            kin = Path(f"/proc/{parent}/cmdline").read_bytes()
            # not srun, which names it, and not the processes that the worker has forked
            own = b"python" in program(words) and (mark not in kin or b"srun" in program(kin))
            if own and conf in its:
                found += [(int(path.name), job) for job in jobs]
    return found


Strike = Callable[[Command, random.Random, Victims], None]


def trained_by(process: int) -> list[int]:
    """Return the processes that a worker has forked."""
    with suppress(OSError):
        return [
            int(x) for x in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def test_workers_leave_what_a_sweep_leaves_here(slurm_environment, tmp_path, whole):
    command = Command(tmp_path / "sweep", slurm_environment, *SWEEP, "launch=slurm")
    assert command.end() == 0, command.said
    assert_alike(tmp_path / "sweep", whole)
    assert "4/4 runs" in command.said
    assert "report" in command.said
    assert not (tmp_path / "sweep/.workers").exists()
    # what is done is not sent to Slurm again, and what is new is all that is
    again = Command(tmp_path / "sweep", slurm_environment, *SWEEP, "launch=slurm")
    assert again.end() == 0
    assert "4 of 4 runs were done before" in again.said
    more = [word.replace("range(2)", "range(3)") for word in SWEEP]
    raised = Command(tmp_path / "sweep", slurm_environment, *more, "launch=slurm")
    assert raised.end() == 0
    assert "4 of 6 runs were done before" in raised.said
    assert len([*(tmp_path / "sweep").glob("*/result.json")]) == 6


def test_workers_of_a_request_that_is_refused_are_taken_back(slurm_environment, tmp_path):
    words = [word.replace("4,5", "-4,5") for word in SWEEP]
    command = Command(tmp_path / "sweep", slurm_environment, *words, *TWO)
    assert command.end() == 2, command.said
    assert "model.hidden_size=-4" in command.said
    assert not (tmp_path / "sweep").exists()
    late = time.monotonic() + 60
    while command.ask("squeue", "--noheader"):
        assert time.monotonic() < late
        time.sleep(0.2)
    assert not (tmp_path / "sweep").exists()


def test_a_suite_leaves_the_table_that_it_leaves_here(slurm_environment, tmp_path):
    tasks = {
        "echo": ["task=echo", "data.stream_steps=200", "data.batch_size=20"],
        "words": ["task=words", "task.group=Z2", "data.batch_size=20"],
    }
    words = ["model.state=4", "trainer.max_steps=30", "engine=stacked"]
    suite = {"tasks": {"easy": tasks}, "words": words, "learning_rates": [0.003, 0.03]}
    (tmp_path / "conf/suite").mkdir(parents=True)
    own = tmp_path / "conf/suite/own.yaml"
    own.write_text(yaml.safe_dump({**suite, "seeds": 2, "tuning_seeds": 1}))
    asked = ("-m", "suite=own", "model=rnn", f"--config-dir={tmp_path / 'conf'}")
    here = Command(tmp_path / "here", os.environ, *asked)
    there = Command(tmp_path / "there", slurm_environment, *asked, *TWO)
    for command in (here, there):
        assert command.end() == 0, command.said
    # the rates are chosen first, by workers of their own
    assert there.said.count("4/4 runs") == 2
    assert passport_of(there) == passport_of(here) != []
    assert (there.sweep / "passport.html").is_file()


def passport_of(command: Command) -> list[dict[str, str]]:
    """What the table of a passport says, but for times and how it was asked for."""
    clock = ("microseconds", "seconds", "tuning_seconds", "command")
    with (command.sweep / "passport.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in clock} for row in csv.DictReader(file)]


def test_a_search_tries_what_it_tries_here(slurm_environment, tmp_path):
    pytest.importorskip("optuna", reason="no optuna: pip install -e '.[search]'")
    asked = (
        *("-m", "search=optuna", "search.trials=8", "search.batch=4", "search.seeds=2"),
        *("task=echo", "data.batch_size=20", "data.stream_steps=300", "trainer.max_steps=80"),
        *("trainer.max_epochs=null", "optimizer.lr=tag(log,interval(1e-3,3e-1))"),
        "model.hidden_size=choice(2,4)",
    )
    here = Command(tmp_path / "here", os.environ, *asked)
    there = Command(tmp_path / "there", slurm_environment, *asked, *TWO)
    for command in (here, there):
        assert command.end() == 0, command.said
    records = [json.loads((each.sweep / "search.json").read_text()) for each in (here, there)]
    assert records[0] == records[1]
    assert len(records[0]["trials"]) == 8


def killed(command: Command, chance: random.Random, victims: Victims) -> None:
    process, _ = chance.choice(victims)
    os.kill(process, signal.SIGKILL)


def robbed(command: Command, chance: random.Random, victims: Victims) -> None:
    """Kill what a worker has forked, as the kernel does for want of memory."""
    busy = [child for process, _ in victims for child in trained_by(process)]
    os.kill(chance.choice(busy), signal.SIGKILL)


def signalled(number: signal.Signals) -> Strike:
    def send(command: Command, chance: random.Random, victims: Victims) -> None:
        _, job = chance.choice(victims)
        # a worker that goes back to the queue at once is one that scancel finds gone
        with suppress(subprocess.CalledProcessError):
            command.ask("scancel", f"--signal={number.name.removeprefix('SIG')}", job)

    return send


def preempted(command: Command, chance: random.Random, victims: Victims) -> None:
    """Let a job of a partition that comes first take both cores for a moment."""
    words = ("--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=true")
    command.ask("sbatch", *words)


def requeued(command: Command, chance: random.Random, victims: Victims) -> None:
    _, job = chance.choice(victims)
    command.ask("scontrol", "requeue", job)


def node_lost(command: Command, chance: random.Random, victims: Victims) -> None:
    (node,) = set(command.ask("sinfo", "--noheader", "--format=%n").split())
    command.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    command.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


DEATHS: dict[str, tuple[Strike, int]] = {
    "KILL": (killed, 3),
    "KILL of what it has forked": (robbed, 6),
    "USR1": (signalled(signal.SIGUSR1), 3),
    "USR2": (signalled(signal.SIGUSR2), 4),
    "TERM": (signalled(signal.SIGTERM), 3),
    "preemption": (preempted, 3),
    "requeue": (requeued, 4),
    "node failure": (node_lost, 3),
}


# kind -> what does it, and how often
@pytest.mark.parametrize("kind", DEATHS)
def test_no_death_of_a_worker_loses_a_run_or_does_one_twice(
    slurm_environment, tmp_path, whole, kind
):
    (strike, most), environment = DEATHS[kind], slurm_environment
    chance, struck = random.Random(kind), 0
    words = (*SWEEP, "launch=slurm", "launch.workers=4", "launch.mem_gb=null")
    command = Command(tmp_path / "sweep", slurm_environment, *words)

    def training() -> Victims:
        return [worker for worker in workers(environment) if trained_by(worker[0])]

    while struck < most and command.wait_for(lambda: command.trains() and training()):
        # it may have ended meanwhile
        with suppress(IndexError, ProcessLookupError, subprocess.CalledProcessError):
            strike(command, chance, training())
            struck += 1
        time.sleep(chance.uniform(0.5, 2.0))
    code = command.end()
    print(f"{kind}: {struck}")
    if code:  # no worker is left; the same command goes on
        assert "no worker" in command.said
        command = Command(tmp_path / "sweep", slurm_environment, *words)
        assert command.end() == 0, command.said
    assert_alike(tmp_path / "sweep", whole)
    assert struck


SLOW = """
import time
from lossladder.models import RNN

class Slow(RNN):
    def forward(self, inputs, state):
        time.sleep(0.1)
        return super().forward(inputs, state)
"""


def test_a_run_that_is_longer_than_its_time_limit_ends_after_enough_requeues(
    slurm_environment, tmp_path
):
    (tmp_path / "slow.py").write_text(SLOW)
    environment = {**slurm_environment, "LOSSLADDER_PACKAGES": "slow"}
    words = ("-m", "seed=0", "model._target_=slow.Slow", "model.hidden_size=4", "engine=autograd")
    long = ("trainer.max_epochs=null", "trainer.max_steps=1500", "data.batch_size=20")
    limit = ("launch=slurm", "launch.timeout_min=2", "launch.warning_s=30")
    command = Command(tmp_path / "sweep", environment, *words, *long, *limit, path=tmp_path)
    assert command.end() == 0, command.said
    assert "worker 0  was begun anew" in command.said
    (log,) = (tmp_path / "sweep").glob("*/run.log")
    assert "going on from update" in log.read_text()
    result = json.loads((log.parent / "result.json").read_text())
    assert (result["status"], result["steps"]) == ("done", 1500)
    updates = result["curve"]["updates"]
    assert updates == sorted(set(updates))
