"""The workers of a sweep, as many as there are cores, each at a slice of jobs; and their one bar.

A process that dies takes nothing with it but its slice, which goes on in another; if that dies,
too, its jobs are tried one by one, so that one job's death costs no other anything.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from lossladder import console, signals
from lossladder.cores import core_count
from lossladder.runs.group import remove_ended_groups
from lossladder.sweeps.bar import Advance, SweepBar
from lossladder.sweeps.grouping import to_begin, to_go_on_with
from lossladder.sweeps.job import (
    Failures,
    Job,
    JobOutcome,
    failures,
    give_up,
    once_each,
    outcome,
    settled,
)
from lossladder.sweeps.lock import job_lock
from lossladder.sweeps.worker import work

# a fork shares what is loaded already; elsewhere than on Linux system libraries do not survive it
START_METHOD = "fork" if sys.platform == "linux" else "spawn"


# after which a process that has neither said anything nor used the processor hangs
_STILL_SECONDS = 120.0
_TRIES = 2  # of a slice, and of a job alone
_LOOK_SECONDS = 5.0


@dataclass
class _Slice:
    jobs: Sequence[Job]
    waits: bool = False  # for another process, which is at it and may yet die
    tried: int = 0


@dataclass
class _Running:
    process: BaseProcess
    slice_: _Slice
    left: dict[int, Job]  # those of which nothing has been heard yet
    busy: list[Job]
    heard: float  # when it last said anything or used the processor, and how much it had used
    used: float = 0.0


class WorkerPool:
    """The processes that train the jobs of a sweep.

    Args:
        folder: of the sweep.
        shown: whether to draw a progress bar.
        cores: how many processes train at a time; None: as many as there are cores.
    """

    def __init__(self, folder: Path, shown: bool, cores: int | None = None) -> None:
        self.folder = folder
        self.shown = shown
        self.cores = cores or core_count()
        self.context = multiprocessing.get_context(START_METHOD)
        self.pending: deque[_Slice] = deque()
        self.outcomes: dict[int, JobOutcome] = {}
        self.running: dict[Connection, _Running] = {}

    def train(self, jobs: Sequence[Job], failed: Failures | None = None) -> list[JobOutcome]:
        """Do what has not been done; return how each job ended, in order.

        Args:
            jobs: of the sweep.
            failed: what had failed when the sweep was asked for, and is done again; None: what has
                failed by now.
        Raises:
            KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
        """
        firsts = once_each(jobs)
        self.failed = failures(firsts.values()) if failed is None else failed
        self.outcomes = settled(firsts.values(), self.failed)
        todo = [job for job in firsts.values() if job.number not in self.outcomes]
        # OpenMP's threads do not survive a fork, and whoever asks for a sweep may have had some: a
        # forked worker gets on without them as long as it needs no more than one
        if any(job.config["trainer"]["threads"] != 1 for job in todo):
            self.context = multiprocessing.get_context("spawn")
        begun = to_go_on_with(todo, self.folder)
        left = {job.number for job in todo} - {job.number for slice_ in begun for job in slice_}
        self.pending.extend(map(_Slice, (*begun, *to_begin([*firsts.values()], left))))
        self.bar = SweepBar(len(todo), self.shown)
        try:
            while self.pending or self.running:
                while self.pending and len(self.running) < self.cores:
                    self._start(self.pending.popleft())
                for connection in wait(list(self.running), _LOOK_SECONDS):
                    self._hear(connection)  # pyright: ignore[reportArgumentType]
                self._end_what_hangs()
        # a scheduler that has put the job back into its queue ends this process by SystemExit
        except (KeyboardInterrupt, SystemExit):
            self._interrupt()
            raise
        finally:
            self.bar.close()
        remove_ended_groups(self.folder)
        return [self.outcomes[firsts[job.folder].number] for job in jobs]

    def _start(self, slice_: _Slice) -> None:
        ours, theirs = self.context.Pipe(duplex=False)
        words = slice_.jobs, self.folder, self.failed, theirs, slice_.waits
        process = self.context.Process(target=work, args=words)
        # Python drops what is raised while it forks
        with signals.held():
            process.start()
            # open in the worker only: that it has died is told by the end of the pipe
            theirs.close()
            left = {job.number: job for job in slice_.jobs}
            self.running[ours] = _Running(process, slice_, left, [], time.monotonic())
            signals.workers.add(process.pid or 0)

    def _hear(self, connection: Connection) -> None:
        """Take in a message, or the end of a process."""
        running = self.running[connection]
        running.heard = time.monotonic()
        try:
            message: Advance | JobOutcome = connection.recv()
        except (EOFError, OSError):
            self._end(connection)
            return
        self.bar.note(running.process.pid or 0, message)
        if isinstance(message, JobOutcome):
            job = running.left.pop(message.number)
            if message.status == "busy":
                self.bar.say_once("another process is at some of the runs; they are waited for")
                running.busy.append(job)
            else:
                self.outcomes[message.number] = message

    def _end(self, connection: Connection) -> None:
        running = self.running.pop(connection)
        running.process.join()
        signals.workers.discard(running.process.pid or 0)
        self.bar.lose(running.process.pid or 0)
        if running.busy:
            # in the order of their group, in which its members draw the numbers of dropout
            busy = [job for job in running.slice_.jobs if job in running.busy]
            # last in the line: while they wait for the other process, they keep a core idle
            self.pending.append(_Slice(busy, waits=True))
        if not running.left:
            return
        left, tried = list(running.left.values()), running.slice_.tried + 1
        why = f"the process that trained it {_death(running.process.exitcode)}"
        if tried < _TRIES:
            self.bar.say_once(f"{console.many(len(left), 'run')}: {why}; going on in another")
            self.pending.append(_Slice(left, tried=tried))
        elif len(running.slice_.jobs) > 1:
            # one of them has killed the others: only alone does it show which
            self.pending.extend(_Slice([job], tried=tried - 1) for job in left)
        else:
            (job,) = left
            with job_lock(self.folder, job.identity, wait=False) as ours:
                if not ours:
                    # somebody else has taken it up
                    self.pending.append(_Slice([job], waits=True))
                    return
                self.outcomes[job.number] = outcome(job, give_up(job, "interrupted", why))
            self.bar.note(running.process.pid or 0, self.outcomes[job.number])

    def _end_what_hangs(self) -> None:
        """End processes that do nothing at all; their jobs have another try."""
        now = time.monotonic()
        for running in self.running.values():
            used = processor_seconds(running.process.pid or 0)
            # one that waits for a job of another process has nothing to do
            if used is None or used > running.used + 0.01 or running.slice_.waits:
                running.heard, running.used = now, used or 0.0
            elif now - running.heard > _STILL_SECONDS:
                names = ", ".join(job.folder.name for job in running.left.values())
                self.bar.say_once(f"{names}: no sign of life for {_STILL_SECONDS:.0f} s; ended")
                running.process.kill()

    def _interrupt(self) -> None:
        """Ask all workers to stop, and let everything under way be written.

        A second Ctrl-C ends them where they are: what they have written is whole.
        """
        # a terminal sends Ctrl-C to all processes, a scheduler, or `kill`, to the first one only
        for running in self.running.values():
            running.process.terminate()
        try:
            for running in self.running.values():
                running.process.join()
        except KeyboardInterrupt:
            for running in self.running.values():
                running.process.kill()
            raise
        finally:
            signals.workers.clear()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one processor thread meanwhile."""
    # OpenMP's threads do not survive a fork: a worker would wait for them for ever
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processor_seconds(process: int) -> float | None:
    """Return the processor time that a process has used, s; None: the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
