"""The workers of a sweep, as many as there are cores, each at a slice of jobs; and their one bar.

A process that dies takes nothing with it but its slice, whose jobs are then tried one by one, so
that one job's death costs no other anything.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lossladder import console
from lossladder.cores import core_count
from lossladder.runs.atomic import defer_interrupt
from lossladder.sweeps.grouping import groups, slices
from lossladder.sweeps.job import Job, ended, fail
from lossladder.sweeps.worker import Advance, JobOutcome, outcome, work

# a fork shares what is loaded already; elsewhere than on Linux system libraries do not survive it
START_METHOD = "fork" if sys.platform == "linux" else "spawn"


@dataclass
class _Running:
    process: BaseProcess
    jobs: Sequence[Job]
    left: dict[int, Job]  # those of which nothing has been heard yet


class WorkerPool:
    """The processes that train the jobs of a sweep.

    Args:
        folder: of the sweep.
        shown: whether to draw a progress bar.
    """

    def __init__(self, folder: Path, shown: bool) -> None:
        self.folder = folder
        self.shown = shown
        self.context = multiprocessing.get_context(START_METHOD)
        # slices to be handed out; True: another process is at it, and may yet die
        self.pending: deque[tuple[Sequence[Job], bool]] = deque()
        self.outcomes: dict[int, JobOutcome] = {}
        self.running: dict[Connection, _Running] = {}

    def train(self, jobs: Sequence[Job]) -> list[JobOutcome]:
        """Do what has not been done; return how each job ended, in order.

        Raises:
            KeyboardInterrupt: after Ctrl-C, when all that was under way has been written.
        """
        # a job that is asked for twice is one job
        firsts: dict[Path, Job] = {}
        for job in jobs:
            firsts.setdefault(job.folder, job)
        todo: list[Job] = []
        for job in firsts.values():
            if (result := ended(job.folder)) is None:
                todo.append(job)
            else:
                self.outcomes[job.number] = outcome(job, result, before=True)
        # OpenMP's threads do not survive a fork, and whoever asks for a sweep may have had some: a
        # forked worker gets on without them as long as it needs no more than one
        if any(job.config["trainer"]["threads"] != 1 for job in todo):
            self.context = multiprocessing.get_context("spawn")
        self.pending.extend((jobs, False) for group in groups(todo) for jobs in slices(group))
        self.bar = SweepBar(len(todo), self.shown)
        try:
            while self.pending or self.running:
                while self.pending and len(self.running) < core_count():
                    self._start(*self.pending.popleft())
                for connection in wait(list(self.running)):
                    self._hear(connection)  # pyright: ignore[reportArgumentType]
        except KeyboardInterrupt:
            self._interrupt()
            raise
        finally:
            self.bar.close()
        return [self.outcomes[firsts[job.folder].number] for job in jobs]

    def _start(self, jobs: Sequence[Job], waits: bool) -> None:
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=work, args=(jobs, self.folder, theirs, waits))
        # Python drops what is raised while it forks
        with defer_interrupt():
            process.start()
            # open in the worker only: that it has died is told by the end of the pipe
            theirs.close()
            self.running[ours] = _Running(process, jobs, {job.number: job for job in jobs})

    def _hear(self, connection: Connection) -> None:
        """Take in a message, or the end of a process."""
        running = self.running[connection]
        try:
            message: Advance | JobOutcome = connection.recv()
        except EOFError:
            self._end(connection)
            return
        self.bar.note(running.process.pid or 0, message)
        if isinstance(message, JobOutcome):
            job = running.left.pop(message.number)
            # last in the line: while it waits for the other process, it keeps a core idle
            if message.status == "busy":
                self.bar.say_once("another process is at some of the runs; they are waited for")
                self.pending.append(([job], True))
            else:
                self.outcomes[message.number] = message

    def _end(self, connection: Connection) -> None:
        running = self.running.pop(connection)
        running.process.join()
        self.bar.lose(running.process.pid or 0)
        for job in running.left.values():
            # one of them has killed the others: only alone does it show which
            if len(running.jobs) > 1:
                self.pending.append(([job], False))
                continue
            fail(job, f"the process that trained it {_death(running.process.exitcode)}")
            self.outcomes[job.number] = JobOutcome(job.number, "failed")
            self.bar.note(running.process.pid or 0, self.outcomes[job.number])

    def _interrupt(self) -> None:
        """Hand Ctrl-C on, and let everything under way be written."""
        # a terminal sends it to all processes, but a scheduler, or `kill`, to the first one only
        for running in self.running.values():
            if running.process.is_alive() and running.process.pid is not None:
                os.kill(running.process.pid, signal.SIGINT)
        for running in self.running.values():
            running.process.join()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


class SweepBar:
    """One bar for a sweep, on standard error: runs ended, updates a second, rungs.

    Args:
        runs: how many.
        shown: False: count, but draw nothing.
    """

    def __init__(self, runs: int, shown: bool) -> None:
        self.bar: tqdm[Any] = tqdm(
            total=runs,
            desc="sweep",
            # what is cut off in a narrow terminal comes last
            bar_format="{desc} {n_fmt}/{total_fmt} runs, {remaining} left{postfix} {bar}",
            file=sys.stderr,
            # a log, unlike a terminal, keeps a line for every time that the bar is drawn
            mininterval=0.2 if sys.stderr.isatty() else 5.0,
            dynamic_ncols=True,
            disable=not (shown and runs),
        )
        self.updates = 0
        self.started = time.perf_counter()
        self.ended: Counter[str] = Counter()
        self.under_way: dict[int, Counter[str]] = {}
        self.said: set[str] = set()

    def note(self, process: int, message: Advance | JobOutcome) -> None:
        """Take in what a process reports of its slice."""
        if isinstance(message, Advance):
            self.updates += message.updates
            self.under_way[process] = message.passed
        else:
            self.under_way.pop(process, None)
            if message.status != "busy":
                done = message.status == "done"
                self.ended[(message.standing if done else None) or message.status] += 1
                self.bar.update()
        speed = self.updates / (time.perf_counter() - self.started)
        rungs = ", ".join(f"{count} {name}" for name, count in self.whereabouts().most_common(4))
        self.bar.set_postfix_str(f"{speed:,.0f} updates/s; {rungs}", refresh=False)

    def lose(self, process: int) -> None:
        """Forget where the members of a process stood: it has ended."""
        self.under_way.pop(process, None)

    def say_once(self, message: str) -> None:
        """Say something in a line of its own, above the bar."""
        if message not in self.said:
            self.said.add(message)
            self.bar.write(console.line(message), file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()

    def whereabouts(self) -> Counter[str]:
        """Return how many runs have passed or stand on what, or ended otherwise."""
        return sum(self.under_way.values(), self.ended)
