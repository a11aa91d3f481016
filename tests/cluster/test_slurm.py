"""Sweeps on a real Slurm: whatever ends a worker, no run is lost, and none is done twice."""

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from commands import SWEEP, Command, assert_alike

pytestmark = pytest.mark.cluster


def workers() -> Iterator[tuple[int, str]]:
    """Yield the process of each worker, and the job of Slurm's that it is."""
    mark = b"submitit.core._submit"

    def program(line: bytes) -> bytes:
        return line.partition(b"\0")[0]

    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark not in (words := (path / "cmdline").read_bytes()):
                continue
            job = re.search(rb"\0SLURM_JOB_ID=(\d+)", b"\0" + (path / "environ").read_bytes())
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            kin = Path(f"/proc/{parent}/cmdline").read_bytes()
            # not srun, which names it, and not the processes that the worker has forked
            if job and b"python" in program(words) and (mark not in kin or b"srun" in program(kin)):
                yield int(path.name), job[1].decode()


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


def killed(command: Command, chance: random.Random) -> None:
    process, _ = chance.choice([*workers()])
    os.kill(process, signal.SIGKILL)


def robbed(command: Command, chance: random.Random) -> None:
    """Kill what a worker has forked, as the kernel does for want of memory."""
    busy = [child for process, _ in workers() for child in trained_by(process)]
    if busy:
        os.kill(chance.choice(busy), signal.SIGKILL)


def signalled(number: signal.Signals) -> Callable[[Command, random.Random], None]:
    def send(command: Command, chance: random.Random) -> None:
        _, job = chance.choice([*workers()])
        command.ask("scancel", f"--signal={number.name.removeprefix('SIG')}", job)

    return send


def preempted(command: Command, chance: random.Random) -> None:
    """Let a job of a partition that comes first take both cores for a moment."""
    command.ask(
        "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=true"
    )


def requeued(command: Command, chance: random.Random) -> None:
    _, job = chance.choice([*workers()])
    command.ask("scontrol", "requeue", job)


def node_lost(command: Command, chance: random.Random) -> None:
    (node,) = set(command.ask("sinfo", "--noheader", "--format=%n").split())
    command.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    command.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


DEATHS = {
    "KILL": (killed, 3),
    "KILL of what it has forked": (robbed, 6),
    "USR1": (signalled(signal.SIGUSR1), 3),
    "USR2": (signalled(signal.SIGUSR2), 4),
    "TERM": (signalled(signal.SIGTERM), 3),
    "preemption": (preempted, 3),
    "requeue": (requeued, 4),
    "node failure": (node_lost, 3),
}


@pytest.mark.parametrize("kind", DEATHS)
def test_no_death_of_a_worker_loses_a_run_or_does_one_twice(
    slurm_environment, tmp_path, whole, kind
):
    strike, most = DEATHS[kind]
    chance, struck = random.Random(kind), 0
    words = (*SWEEP, "launch=slurm", "launch.workers=4", "launch.mem_gb=null")
    command = Command(tmp_path / "sweep", slurm_environment, *words)
    while struck < most and command.wait_for(lambda: command.trains() and [*workers()]):
        strike(command, chance)
        struck += 1
        time.sleep(chance.uniform(0.5, 2.0))
    code = command.end()
    print(kind, "struck", struck, "code", code, command.said)
    if code:  # no worker is left; the same command goes on
        assert "no worker" in command.said
        command = Command(tmp_path / "sweep", slurm_environment, *words)
        assert command.end() == 0, command.said
    assert_alike(tmp_path / "sweep", whole)
    assert struck >= most // 2
