"""Several processes at one sweep: slices stay whole, and what one has done no other does again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from lossladder.sweeps import grouping
from lossladder.sweeps.grouping import to_begin
from lossladder.sweeps.job import Job, JobOutcome, end_of, failures, give_up
from lossladder.sweeps.lock import job_lock
from lossladder.sweeps.worker import work


def jobs_in(sweep: Path, count: int) -> list[Job]:
    names = {"task": "echo", "model": "rnn", "engine": "auto"}
    return [Job(n, {"seed": n, "names": names}, sweep / f"job-{n}") for n in range(count)]


def test_whoever_joins_a_sweep_cuts_it_as_those_that_are_at_it_do(tmp_path, monkeypatch):
    monkeypatch.setattr(grouping, "groups", lambda jobs: [[*jobs]])
    monkeypatch.setattr(
        grouping, "slices", lambda group: [group[n : n + 4] for n in range(0, len(group), 4)]
    )
    jobs = jobs_in(tmp_path, 12)

    def cut(*done: int) -> list[list[int]]:
        left = set(range(12)) - {*done}
        return [[job.number for job in slice_] for slice_ in to_begin(jobs, left)]

    assert cut() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    # one more is done while this process begins: the other slices are what they are to the others
    assert cut(0) == [[4, 5, 6, 7], [8, 9, 10, 11], [1, 2, 3]]
    # what is left of many slices is trained together, as when seeds are added to a sweep
    assert cut(0, 1, 4, 5, 8, 9) == [[2, 3, 6, 7], [10, 11]]
    assert cut(*range(12)) == []


def test_what_has_failed_meanwhile_is_not_done_again_and_what_had_failed_before_is(tmp_path):
    (job,) = jobs_in(tmp_path, 1)
    assert end_of(job, {}) is None
    give_up(job, "failed", "it broke")
    before = failures([job])
    assert before.keys() == {0}
    assert end_of(job, before) is None  # the command is there to try it again
    result = end_of(job, {})  # it has failed since the command began
    assert result is not None
    assert result.why == "it broke"
    give_up(job, "failed", "again")
    result = end_of(job, before)
    assert result is not None
    assert result.why == "again"
    give_up(job, "interrupted", "killed")
    assert end_of(job, before) is None


class Told:
    """The end of a pipe that keeps what is sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def send(self, message: Any) -> None:
        self.messages.append(message)


HOLD = """
import sys
from pathlib import Path
from lossladder.sweeps.lock import job_lock
with job_lock(Path(sys.argv[1]), sys.argv[2], wait=False):
    print(flush=True)
    input()
"""


def test_of_two_processes_at_one_slice_one_has_all_of_it(tmp_path):
    jobs = jobs_in(tmp_path, 4)
    first = min(jobs, key=lambda job: job.identity)
    words = [sys.executable, "-c", HOLD, str(tmp_path), first.identity]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        told = Told()
        work(jobs, tmp_path, {}, told, wait=False)  # pyright: ignore[reportArgumentType]
        assert sorted(told.messages) == [JobOutcome(n, "busy") for n in range(4)]
        other.communicate("")
    for job in jobs:
        with job_lock(tmp_path, job.identity, wait=False) as ours:
            assert ours
