"""The workers of a sweep: slices of jobs, each in a process of its own, as many as there are cores.

A process that dies takes nothing with it but its slice, whose jobs are then tried one by one, so
that one job's death costs no other anything.
"""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from lossladder.cores import core_count
from lossladder.runs.atomic import defer_interrupt
from lossladder.sweeps.grouping import groups, slices
from lossladder.sweeps.job import Job, ended, fail
from lossladder.sweeps.progress import SweepBar
from lossladder.sweeps.worker import Advance, JobOutcome, outcome, work

# a fork shares what is loaded already; elsewhere than on Linux system libraries do not survive it
START_METHOD = "fork" if sys.platform == "linux" else "spawn"


@dataclass(frozen=True)
class _Slice:
    """Jobs handed to one process at once.

    Args:
        jobs: which.
        waits: True: another process is at it, and may yet die.
    """

    jobs: Sequence[Job]
    waits: bool = False


@dataclass
class _Running:
    slice_: _Slice
    process: BaseProcess
    left: dict[int, Job]  # jobs of which nothing has been heard yet


class WorkerPool:
    """Trains the jobs of a sweep, many at once.

    Args:
        folder: of the sweep.
        shown: whether to draw a progress bar.
    """

    def __init__(self, folder: Path, shown: bool) -> None:
        self.folder = folder
        self.shown = shown
        self.context = multiprocessing.get_context(START_METHOD)
        self.outcomes: dict[int, JobOutcome] = {}
        self.running: dict[Connection, _Running] = {}

    def train(self, jobs: Sequence[Job]) -> list[JobOutcome]:
        """Do what has not been done; return how each job ended, in order.

        Raises:
            KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
        """
        firsts: dict[Path, Job] = {}  # a job that is asked for twice is one job
        for job in jobs:
            firsts.setdefault(job.folder, job)
        todo = [job for job in firsts.values() if not self._is_done(job)]
        if any(job.config["trainer"]["threads"] != 1 for job in todo):
            # OpenMP's threads do not survive a fork, and whoever asks for a sweep may have had
            # some: a forked worker gets on without them as long as it needs no more than one
            self.context = multiprocessing.get_context("spawn")
        pending = deque(_Slice(s) for group in groups(todo) for s in slices(group))
        self.bar = SweepBar(len(todo), self.shown)
        try:
            while pending or self.running:
                while pending and len(self.running) < core_count():
                    self._start(pending.popleft())
                for connection in wait(list(self.running)):
                    pending.extend(self._hear(connection))  # pyright: ignore[reportArgumentType]
        except KeyboardInterrupt:
            self._interrupt()
            raise
        finally:
            self.bar.close()
        return [self.outcomes[firsts[job.folder].number] for job in jobs]

    def _is_done(self, job: Job) -> bool:
        result = ended(job.folder)
        if result is not None:
            self.outcomes[job.number] = outcome(job, result, before=True)
        return result is not None

    def _start(self, slice_: _Slice) -> None:
        ours, theirs = self.context.Pipe(duplex=False)
        asked = (slice_.jobs, self.folder, theirs, slice_.waits)
        process = self.context.Process(target=work, args=asked)
        with defer_interrupt():  # Python drops what is raised while it forks
            process.start()
            theirs.close()
            jobs = {job.number: job for job in slice_.jobs}
            self.running[ours] = _Running(slice_, process, jobs)

    def _hear(self, connection: Connection) -> list[_Slice]:
        """Take in a message, or the end of a process; return what has to be done because of it."""
        running = self.running[connection]
        try:
            message: Advance | JobOutcome = connection.recv()
        except EOFError:
            return self._end(connection)
        self.bar.note(running.process.pid or 0, message)
        if isinstance(message, JobOutcome):
            job = running.left.pop(message.number)
            if message.status == "busy":  # the last to be tried: then all else is done
                self.bar.say_once("another process is at some of the runs; they are waited for")
                return [_Slice([job], waits=True)]
            self.outcomes[message.number] = message
        return []

    def _end(self, connection: Connection) -> list[_Slice]:
        running = self.running.pop(connection)
        running.process.join()
        self.bar.lose(running.process.pid or 0)
        lost = list(running.left.values())
        if len(running.slice_.jobs) > 1:
            return [_Slice([job]) for job in lost]
        for job in lost:
            fail(job, f"the process that trained it {_death(running.process.exitcode)}")
            self.outcomes[job.number] = JobOutcome(job.number, "failed")
            self.bar.note(running.process.pid or 0, self.outcomes[job.number])
        return []

    def _interrupt(self) -> None:
        """Hand Ctrl-C on, and let everything under way be written."""
        for running in self.running.values():
            if running.process.is_alive() and running.process.pid is not None:
                os.kill(running.process.pid, signal.SIGINT)
        for running in self.running.values():
            running.process.join()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
