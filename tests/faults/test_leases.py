"""Where the file system has no locks, jobs are leased: one process at a time, whoever dies."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import Start
from test_workers import SWEEP, statuses

from lossladder.sweeps import lock
from lossladder.sweeps.lock import LEASES, check_locks, job_lock


@pytest.fixture(autouse=True)
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.05)


HOLD = f"""
import fcntl, sys, time
from pathlib import Path
from lossladder.sweeps import lock
def refuse(*_):
    raise OSError({errno.ENOLCK}, "No locks available")
fcntl.lockf = refuse
lock._HOST = sys.argv[2] or lock._HOST
lock._TOUCH_SECONDS = float(sys.argv[3])
with lock.job_lock(Path(sys.argv[1]), "ab", wait=False) as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


def holder(sweep: Path, host: str = "", touch: float = 0.05) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLD, str(sweep), host, str(touch)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_job_is_leased_to_one_process_until_it_ends_or_dies(tmp_path):
    with job_lock(tmp_path, "ab", wait=False) as ours:
        assert ours
        with job_lock(tmp_path, "ab", wait=False) as again:
            assert not again
        with job_lock(tmp_path, "cd", wait=False) as another:
            assert another
    with holder(tmp_path) as process:
        with job_lock(tmp_path, "ab", wait=False) as ours:
            assert not ours
        process.kill()
        process.wait()
        # of this machine it is known at once who is dead
        with job_lock(tmp_path, "ab", wait=True) as ours:
            assert ours


def test_a_lease_of_another_machine_lasts_as_long_as_it_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_LEASE_SECONDS", 0.6)
    with holder(tmp_path, host="elsewhere") as process:
        time.sleep(1.2)  # it is touched
        with job_lock(tmp_path, "ab", wait=False) as ours:
            assert not ours
        process.kill()
        process.wait()
        with job_lock(tmp_path, "ab", wait=False) as ours:
            assert not ours  # here nobody knows yet
        with job_lock(tmp_path, "ab", wait=True) as ours:
            assert ours


def test_who_was_away_for_too_long_stops_when_it_sees_that_another_has_its_lease(
    tmp_path, monkeypatch
):
    said: list[str] = []
    monkeypatch.setattr(lock.signals, "ask_to_stop", said.append)
    monkeypatch.setattr(lock, "_LEASE_SECONDS", 0.2)
    monkeypatch.setattr(lock, "_TOUCH_SECONDS", 0.01)
    with job_lock(tmp_path, "ab", wait=False) as ours:
        assert ours
        assert said == []
        # as another machine would that finds it untouched
        (tmp_path / LEASES / "ab.2").write_text("elsewhere 7")
        late = time.monotonic() + 20
        while not said and time.monotonic() < late:
            time.sleep(0.01)
        assert said[0] == "the loss of its lease"


def test_of_many_that_ask_at_once_one_gets_the_lease(tmp_path):
    program = HOLD.replace("time.sleep(60)", "input()")
    words = [sys.executable, "-c", program, str(tmp_path), "", "0.05"]
    askers = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        answers = [asker.stdout.readline() for asker in askers if asker.stdout]
        assert sorted(answers) == ["False\n", "False\n", "False\n", "True\n"]
    finally:
        for asker in askers:
            asker.kill()
            asker.communicate()


def test_that_there_are_no_locks_is_said_at_the_start(tmp_path, capsys):
    check_locks(tmp_path)
    assert "no locks; jobs are leased" in capsys.readouterr().err
    assert os.listdir(tmp_path) == [lock.FILE]


@pytest.mark.slow
def test_two_commands_share_a_sweep_without_locks(start: Start, tmp_path):
    (tmp_path / "lockless.py").write_text(f"""
import fcntl

def refuse(*_):
    raise OSError({errno.ENOLCK}, "No locks available")

fcntl.flock = fcntl.lockf = refuse
from lossladder.models import RNN as Cell
""")
    words = (*SWEEP, "model._target_=lockless.Cell", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    both = [start(*words, packages=("lockless",)) for _ in range(2)]
    for program in both:
        assert program.end() == 0, program.out.read_text()
    assert statuses(tmp_path / "sweep") == ["done", "done"]
    for log in (tmp_path / "sweep").glob("*/run.log"):
        assert log.read_text().count("INFO lossladder: verdict") == 1
