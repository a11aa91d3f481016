"""The workers of a sweep on a cluster, each at the whole sweep; and whoever waits for them.

The folder of the sweep is their queue: they take its jobs by its locks, and go on with what one
that died has left. The command that started them trains nothing: it reads in the folder what they
have done. Torch takes seconds to load: both sides do so at once, and the workers wait until the
command has checked what they are to do.
"""

import os
import pickle
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from pathlib import Path
from shutil import rmtree
from signal import SIGTERM
from typing import NamedTuple, Protocol, runtime_checkable

from lossladder import console, signals
from lossladder.lazy import loading
from lossladder.runs.atomic import atomic_write
from lossladder.runs.group import remove_ended_groups
from lossladder.runs.result import RunFailedError
from lossladder.sweeps.bar import Advance, SweepBar
from lossladder.sweeps.job import Job, JobOutcome, end_of, failures, once_each, outcome, settled

FOLDER = ".workers"  # in that of the sweep: what workers are told, and what they print
_JOBS, _WRONG = "jobs", "wrong"
_MOST = 8  # workers, unless more are asked for

_LOOK_SECONDS, _ASK_SECONDS = 0.25, 5.0  # between looks into the folder; between questions
_AT_END_SECONDS = 0.2  # between questions when all is done
_END_SECONDS = 60.0  # that workers have to end in, when nothing is left to do or they are stopped
_CHECK_SECONDS = 3600.0  # that a worker waits for the command to check a request: it may be dead


class WorkerState(NamedTuple):
    """What a cluster knows of a worker.

    Args:
        lives: whether it trains, waits to begin, or is to begin anew.
        death: how it ended, in words; None: well, or not yet.
        restarts: how often it was begun anew.
    """

    lives: bool
    death: str | None = None
    restarts: int = 0


@runtime_checkable
class Cluster(Protocol):
    """Where workers run."""

    workers: int | None  # None: as many as there are slices, at most 8
    cores: int  # of each

    def start(self, file: Path, count: int) -> None:
        """Start workers that call `work_at(file)`; what they print is kept beside the file.

        Raises:
            RequestError: if it is refused.
        """
        ...

    def states(self) -> list[WorkerState]:
        """Return the state of each worker."""
        ...

    def stop(self) -> None:
        """Ask all workers to write what is under way, and to end."""
        ...

    def close(self) -> None:
        """Let go of the cluster."""
        ...


def work_at(file: Path) -> None:
    """Be a worker: do the jobs of a sweep that nobody does and nobody has done.

    Args:
        file: as `Workers` writes it when the request has been checked.
    """
    with loading():
        from lossladder.sweeps.pool import WorkerPool, one_thread

    jobs: list[Job]
    try:
        with signals.handled(), one_thread():
            if not _checked(file):
                return
            folder, cores, failed, jobs = pickle.loads(file.read_bytes())
            outcomes = WorkerPool(folder, shown=False, cores=cores).train(jobs, failed)
    except KeyboardInterrupt:
        sys.exit(console.FAILED)
    # the only ends of which the folder of a run says nothing
    if wrong := [end for end in outcomes if end.status == "wrong"]:
        with atomic_write(file.with_name(f"{_WRONG}-{secrets.token_hex(6)}")) as scratch:
            scratch.write_bytes(pickle.dumps(wrong))


def _checked(file: Path) -> bool:
    """Wait for the command to check what is asked for; return False if it was refused."""
    late = time.monotonic() + _CHECK_SECONDS
    while not file.exists():
        if not file.parent.is_dir():
            return False
        if time.monotonic() > late:
            sys.exit(console.FAILED)
        time.sleep(_AT_END_SECONDS)
    return True


class Workers:
    """The workers of a sweep, as the command sees them that has started them.

    Args:
        cluster: where they run.
        folder: of the sweep.
        shown: whether to draw a progress bar.
    """

    def __init__(self, cluster: Cluster, folder: Path, shown: bool) -> None:
        self.cluster = cluster
        self.folder = folder
        self.shown = shown
        self.outcomes: dict[int, JobOutcome] = {}

    def train(self, jobs: Sequence[Job]) -> list[JobOutcome]:
        """Do what has not been done; return how each job ended, in order.

        Raises:
            RequestError: if a job, or the cluster, is asked for what it cannot.
            RunFailedError: if jobs are left that no worker is left for.
            KeyboardInterrupt: after Ctrl-C, when the workers have written what was under way.
        """
        firsts = self._look(jobs)
        if self.left:
            self._do(list(firsts.values()))
        return [self.outcomes[firsts[job.folder].number] for job in jobs]

    def count(self, jobs: Sequence[Job]) -> int:
        """Return how many workers there would be.

        Raises:
            RequestError: if a job is asked for what it cannot.
        """
        firsts = self._look(jobs)
        self._check()
        return self.cluster.workers or self._count(firsts.values())

    def _look(self, jobs: Sequence[Job]) -> dict[Path, Job]:
        """Find out what is left to do; return each job once, by its folder."""
        firsts = once_each(jobs)
        self.failed = failures(firsts.values())
        self.outcomes = settled(firsts.values(), self.failed)
        self.left = {j.number: j for j in firsts.values() if j.number not in self.outcomes}
        return firsts

    def _check(self) -> None:
        """Refuse what no worker can do; they would find out, too, but maybe hours later."""
        with loading():
            from lossladder.sweeps.grouping import groups
            from lossladder.training.build import build

        for group in groups(self.left.values()):
            build(group[0].config)

    def _count(self, jobs: Collection[Job]) -> int:
        """Return how many workers the slices that are left are worth."""
        from lossladder.sweeps.grouping import to_begin, to_go_on_with

        begun = to_go_on_with(list(self.left.values()), self.folder)
        fresh = set(self.left) - {job.number for slice_ in begun for job in slice_}
        slices = len(begun) + len(list(to_begin(jobs, fresh)))
        return max(1, min(_MOST, -(-slices // self.cluster.cores)))

    def _start(self, jobs: Collection[Job], place: Path) -> int:
        """Start workers, whose files are in `place`, as soon as it is known how many."""
        early = self.cluster.workers is not None  # they load torch while the request is checked
        if not early:
            self._check()
        count = self.cluster.workers or self._count(jobs)
        place.mkdir(parents=True)
        self.cluster.start(place / _JOBS, count)
        try:
            if early:
                self._check()
            with atomic_write(place / _JOBS) as scratch:
                whole = self.folder, self.cluster.cores, self.failed, jobs
                scratch.write_bytes(pickle.dumps(whole))
        except BaseException:
            rmtree(place, ignore_errors=True)  # which tells them
            self.cluster.stop()
            raise
        return count

    def _do(self, jobs: Collection[Job]) -> None:
        place = self.folder / FOLDER / secrets.token_hex(6)
        told: list[str] = []
        try:
            count = self._start(jobs, place)
            with closing(SweepBar(len(self.left), self.shown)) as bar:
                states = self._wait(bar)
            told = [line for line in map(_told, range(count), states) if line]
            for file in place.glob(f"{_WRONG}-*"):
                for end in pickle.loads(file.read_bytes()):
                    self.left.pop(end.number, None)
                    self.outcomes[end.number] = end
        finally:
            self.cluster.close()
            # what workers printed is worth a look where one of them died
            if not (told or (self.left and sys.exc_info()[0] is None)):
                rmtree(place, ignore_errors=True)
            with suppress(OSError):
                place.parent.rmdir()
        for line in told:
            console.echo(line)
        remove_ended_groups(self.folder)
        if self.left:
            raise RunFailedError(
                f"{console.many(len(self.left), 'run')} left, and no worker; see "
                f"{console.relative(place)}. The same command again goes on"
            )

    def _wait(self, bar: SweepBar) -> list[WorkerState]:
        """Read what the workers do until all is done, or none is left; return how they ended."""
        states, asked = self.cluster.states(), time.monotonic()
        try:
            while self.left and any(state.lives for state in states):
                begun = time.monotonic()
                self._read(bar)
                # of a file system that is slow it asks little: a fifth of the time
                took = time.monotonic() - begun
                time.sleep(max(_LOOK_SECONDS, 4 * took) if self.left else 0)
                if time.monotonic() - asked > _ASK_SECONDS:
                    states, asked = self.cluster.states(), time.monotonic()
            self._read(bar)
        except KeyboardInterrupt:
            self.cluster.stop()
            bar.say_once("the workers write what is under way; Ctrl-C again leaves them to it")
            self._until_ended(_END_SECONDS)
            raise
        states = self._until_ended(_END_SECONDS / 6)
        if any(state.lives for state in states):
            self.cluster.stop()  # they had not begun
        return states

    def _read(self, bar: SweepBar) -> None:
        """Take in which jobs have ended."""
        for job in list(self.left.values()):
            if (result := end_of(job, self.failed)) is not None:
                del self.left[job.number]
                self.outcomes[job.number] = outcome(job, result)
                bar.note(job.number, Advance(result.steps, Counter()))
                bar.note(job.number, self.outcomes[job.number])

    def _until_ended(self, seconds: float) -> list[WorkerState]:
        late = time.monotonic() + seconds
        states = self.cluster.states()
        while any(state.lives for state in states) and time.monotonic() < late:
            time.sleep(_AT_END_SECONDS)
            states = self.cluster.states()
        return states


def _told(number: int, state: WorkerState) -> str | None:
    """Return what a sweep's summary says of a worker; None: nothing."""
    again = f"was begun anew {console.many(state.restarts, 'time')}" if state.restarts else None
    words = [word for word in (state.death, again) if word]
    return f"worker {number}  {'; '.join(words)}; its runs are gone on with" if words else None


def _end_with_parent() -> None:
    """End when whoever holds the other end of standard input dies."""
    # not sys.stdin, whose lock this thread would hold in every process that is forked meanwhile
    os.read(0, 1)
    os.kill(os.getpid(), SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work_at(Path(sys.argv[1]))
