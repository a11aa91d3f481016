"""What one process of a sweep does: a slice of jobs, together if they can be, else one by one."""

import signal
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

from lossladder.checks import RequestError
from lossladder.runs.atomic import interrupt_pending
from lossladder.runs.result import Result
from lossladder.runs.verdict import standing
from lossladder.sweeps.job import Job, clear, ended, fail
from lossladder.sweeps.lock import job_lock
from lossladder.train import train, train_together
from lossladder.training.build import Parts, build
from lossladder.training.callbacks import ProgressReporter


class JobOutcome(NamedTuple):
    """The end of a job.

    Args:
        number: of the job.
        status: as in `result.json`; or wrong: the request was; or busy: another process is at it.
        loss: on the validation sequences, nats a step.
        standing: where the run stands, in words.
        message: what was wrong.
        before: True: had ended before this sweep began.
    """

    number: int
    status: str
    loss: float | None = None
    standing: str | None = None
    message: str = ""
    before: bool = False


class Advance(NamedTuple):
    """The progress of a slice.

    Args:
        updates: made since the last report, of all members.
        passed: how many members have passed what, by their training loss.
    """

    updates: int
    passed: Counter[str]


def work(slice_: Sequence[Job], sweep: Path, connection: Connection, wait: bool) -> None:
    """Do the jobs that nobody does and nobody has done; tell how each ended.

    Args:
        slice_: the jobs.
        sweep: folder of the sweep.
        connection: to whoever wants to know: `Advance` and `JobOutcome`.
        wait: True: for jobs that another process is at.
    """
    signal.signal(signal.SIGINT, _once)
    # until a run asks for more: each core has a worker
    torch.set_num_threads(1)
    with suppress(KeyboardInterrupt), ExitStack() as held:
        # noted by the parent's handler, which was still in place just after the fork
        if interrupt_pending():
            raise KeyboardInterrupt
        mine: list[Job] = []
        for job in slice_:
            if not held.enter_context(job_lock(sweep, job.identity, wait)):
                _tell(connection, JobOutcome(job.number, "busy"))
            # asked again under the lock: whoever held it may have done the job meanwhile
            elif (result := ended(job.folder)) is not None:
                _tell(connection, outcome(job, result))
            else:
                clear(job.folder)
                mine.append(job)
        for job, result in _together(mine, sweep, connection):
            mine.remove(job)
            _tell(connection, outcome(job, result))
        for job in mine:
            _tell(connection, ended_how := _one(job, sweep, connection))
            if ended_how.status == "interrupted":
                return


def outcome(job: Job, result: Result, before: bool = False) -> JobOutcome:
    """Return how a job ended, from its result."""
    return JobOutcome(job.number, result.status, result.loss, standing(result), before=before)


def _together(jobs: Sequence[Job], sweep: Path, connection: Connection) -> list[tuple[Job, Result]]:
    """Train jobs together; whatever stands in the way, each can still be tried alone."""
    together: list[Job] = []
    built: list[Parts] = []
    for job in jobs:
        # a wrong request says so when it is tried alone
        with suppress(RequestError):
            built.append(build(job.config))
            together.append(job)
    if len(together) < 2:
        return []

    def report(updates: int, passed: Counter[str]) -> None:
        _tell(connection, Advance(updates, passed))

    configs, folders = [job.config for job in together], [job.folder for job in together]
    try:
        results = train_together(configs, folders, built, sweep, report)
    except Exception:
        # one member's fault, it may be: alone, the others do not suffer from it
        for folder in folders:
            clear(folder)
        return []
    return list(zip(together, results, strict=False))


def _one(job: Job, sweep: Path, connection: Connection) -> JobOutcome:
    """Train a job alone; its folder says what went wrong, if it began."""

    def report(updates: int, passed: str) -> None:
        _tell(connection, Advance(updates, Counter([passed])))

    try:
        return outcome(job, train(job.config, job.folder, sweep, [ProgressReporter(report)]))
    except RequestError as error:
        return JobOutcome(job.number, "wrong", message=str(error))
    except Exception:
        fail(job, traceback.format_exc())
        return JobOutcome(job.number, "failed")


def _tell(connection: Connection, message: Advance | JobOutcome) -> None:
    # where nobody is left to hear it, the work is still worth finishing
    with suppress(OSError):
        connection.send(message)


def _once(number: int, frame: FrameType | None) -> None:
    # Ctrl-C asks once: a second would interrupt what the first one has to write
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
