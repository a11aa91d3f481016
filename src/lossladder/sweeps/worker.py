"""What one process of a sweep does: a slice of jobs, together if they can be, else one by one."""

import multiprocessing
import os
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from lossladder import signals
from lossladder.checks import RequestError
from lossladder.runs.group import in_group
from lossladder.runs.result import RunFailedError
from lossladder.sweeps.bar import Advance
from lossladder.sweeps.job import Failures, Job, JobOutcome, end_of, give_up, outcome
from lossladder.sweeps.lock import job_lock
from lossladder.train import is_from_outside, train, train_together
from lossladder.training.build import Parts, build
from lossladder.training.callbacks import ProgressReporter


def work(
    slice_: Sequence[Job], sweep: Path, failed: Failures, connection: Connection, wait: bool
) -> None:
    """Do the jobs that nobody does and nobody has done; tell how each ended.

    Args:
        slice_: the jobs.
        sweep: folder of the sweep.
        failed: what had failed before the sweep began.
        connection: to whoever wants to know: `Advance` and `JobOutcome`.
        wait: True: for jobs that another process is at.
    """
    # Ctrl-C in a terminal reaches every process, and the parent hands it on once more
    with suppress(KeyboardInterrupt), signals.handled(patient=True), ExitStack() as held:
        # noted by the parent's handler, which was still in place just after the fork
        if signals.stop_asked():
            return
        # until a run asks for more: each core has a worker
        torch.set_num_threads(1)
        mine: list[Job] = []
        # in one order everywhere, or two processes might wait for each other
        ordered = sorted(slice_, key=lambda job: job.identity)
        for job in ordered:
            if not held.enter_context(job_lock(sweep, job.identity, wait)):
                # who has the first has the slice: two that begin at once do not share it out
                busy = ordered if job is ordered[0] else [job]
                for each in busy:
                    _tell(connection, JobOutcome(each.number, "busy"))
                if busy is ordered:
                    return
            # asked again under the lock: whoever held it may have done the job meanwhile
            elif (result := end_of(job, failed)) is not None:
                _tell(connection, outcome(job, result))
            else:
                mine.append(job)
        mine = [job for job in slice_ if job in mine]
        for job, told in _together(mine, sweep, connection):
            mine.remove(job)
            _tell(connection, told)
        for job in mine:
            _tell(connection, told := _one(job, sweep, connection))
            if told.status == "interrupted" and signals.stop_asked():
                return


def _together(
    jobs: Sequence[Job], sweep: Path, connection: Connection
) -> list[tuple[Job, JobOutcome]]:
    """Train jobs together; whatever stands in the way, each can still be tried alone."""
    together: list[Job] = []
    built: list[Parts] = []
    for job in jobs:
        # a wrong request says so when it is tried alone
        with suppress(RequestError):
            built.append(build(job.config))
            together.append(job)
    # the last of a group that was under way ends as it would have among the others
    if not together or (len(together) < 2 and not in_group(together[0].folder)):
        return []

    def report(updates: int, passed: Counter[str]) -> None:
        _tell(connection, Advance(updates, passed))

    configs, folders = [job.config for job in together], [job.folder for job in together]
    try:
        results = train_together(configs, folders, built, sweep, report)
    except Exception as error:
        if is_from_outside(error):
            why = JobOutcome(0, "interrupted", message=str(error))
            return [(job, why._replace(number=job.number)) for job in together]
        # one member's fault, it may be: alone, the others do not suffer from it
        return []
    return [(job, outcome(job, result)) for job, result in zip(together, results, strict=False)]


def _one(job: Job, sweep: Path, connection: Connection) -> JobOutcome:
    """Train a job alone; its folder says what went wrong, if it began."""

    def report(updates: int, passed: str) -> None:
        _tell(connection, Advance(updates, Counter([passed])))

    try:
        return outcome(job, train(job.config, job.folder, sweep, [ProgressReporter(report)]))
    except RequestError as error:
        return JobOutcome(job.number, "wrong", message=str(error))
    except RunFailedError as error:
        return JobOutcome(job.number, "interrupted", message=str(error))
    except Exception as error:
        status = "interrupted" if is_from_outside(error) else "failed"
        return outcome(job, give_up(job, status, traceback.format_exc()))


def _tell(connection: Connection, message: Advance | JobOutcome) -> None:
    parent = multiprocessing.parent_process()
    with suppress(OSError):
        connection.send(message)
    # its end of the pipe may be open in another worker, so that sending alone does not tell
    if parent is not None and os.getppid() != parent.pid:
        # nobody is left to hear it: what is under way is kept, for whoever asks for it again
        signals.ask_to_stop("the end of its parent")
