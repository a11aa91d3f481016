"""Workers as jobs of Slurm's: one array, sent by submitit."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from lossladder import checks
from lossladder.checks import RequestError
from lossladder.sweeps.cluster import WorkerState, work_at

# states of a job that trains, or is to
_LIVE = ("PENDING", "RUNNING", "CONFIGURING", "REQUEUED", "RESIZING", "SUSPENDED", "STOPPED")
_DEATHS = {
    "OUT_OF_MEMORY": "was killed for want of memory (launch.mem_gb)",
    "TIMEOUT": "was killed at its time limit (launch.timeout_min)",
    "NODE_FAIL": "was lost with its node",
    "CANCELLED": "was cancelled",
    "PREEMPTED": "was preempted",
}
_REQUEUES = 1000  # at time limits; each has trained for as long as one allows


def _submitit(module: str) -> Any:
    """Return a module of submitit, which need not be installed where nothing is sent to Slurm."""
    return import_module(f"submitit.{module}")


class _Work:
    """What submitit calls in a job, and asks before it puts the job back into the queue."""

    def __call__(self, file: Path) -> None:
        work_at(file)

    def checkpoint(self, file: Path) -> Any:
        """Return what the job does when it is begun anew: the same, from the checkpoints."""
        return _submitit("helpers").DelayedSubmission(self, file)


@dataclass
class Slurm:
    """Slurm; conf/launch/slurm.yaml says what each key means, and its unit.

    Raises:
        ValueError: naming the key, what came and what is allowed.
    """

    workers: int | None
    cores: int
    timeout_min: int
    warning_s: int
    mem_gb: float | None
    account: str | None
    partition: str | None
    qos: str | None
    gres: str | None
    setup: list[str]
    sbatch: Mapping[str, Any] | None
    dry: bool
    _job: str = field(default="", init=False)
    _states: list[WorkerState] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Check the values."""
        for key in ("workers", "cores", "timeout_min", "warning_s"):
            if getattr(self, key) is not None or key != "workers":
                checks.whole(key, getattr(self, key))
        if self.mem_gb is not None:
            checks.real("mem_gb", self.mem_gb, above=0)
        checks.flag("dry", self.dry)
        if self.sbatch is not None:
            checks.mapping("sbatch", self.sbatch, "{constraint: avx512}")
        if not (isinstance(self.setup, list) and all(isinstance(x, str) for x in self.setup)):
            raise ValueError(f"setup={self.setup!r}: must be lines, as [module load python]")

    @property
    def _asked(self) -> dict[str, Any]:
        """What sbatch is asked for, in submitit's words."""
        own = ("account", "partition", "qos", "gres", "setup")
        asked = {
            **{key: getattr(self, key) for key in own},
            "job_name": "lossladder",
            "time": self.timeout_min,
            "signal_delay_s": self.warning_s,
            "cpus_per_task": self.cores,
            "mem": self.mem_gb and f"{round(1024 * self.mem_gb)}M",
            # srun does not ask sbatch how many
            "srun_args": [f"--cpus-per-task={self.cores}"],
            "additional_parameters": {"requeue": True, **(self.sbatch or {})},
        }
        return {key: value for key, value in asked.items() if value}

    def script(self, count: int, folder: Path) -> str:
        """Return what sbatch is handed for so many workers, whose files are in a folder."""
        command = f"{sys.executable} -u -m submitit.core._submit {folder}"
        array = {"map_count": count} if count > 1 else {}
        return _submitit("slurm.slurm")._make_sbatch_string(command, folder, **self._asked, **array)

    def start(self, file: Path, count: int) -> None:
        """See `Cluster`."""
        if shutil.which("sbatch") is None:
            raise RequestError(
                "launch=slurm: there is no sbatch here; start the command where there is, or see "
                "with launch.dry=true what it would be handed"
            )
        executor = _submitit("slurm.slurm").SlurmExecutor(file.parent, max_num_timeout=_REQUEUES)
        executor.update_parameters(**self._asked)
        try:
            with _outside_of_jobs(), redirect_stderr(StringIO()):
                jobs = executor.map_array(_Work(), [file] * count)
        except _submitit("core.utils").FailedJobError as error:
            said = "; ".join(line for line in str(error).splitlines() if line)
            raise RequestError(f"launch=slurm: {said or 'sbatch failed'}") from error
        self._job = jobs[0].job_id.partition("_")[0]
        self._states = [WorkerState(lives=True)] * count

    def states(self) -> list[WorkerState]:
        """See `Cluster`."""
        # not sacct, which needs a database that small clusters lack
        asked = ("scontrol", "--oneliner", "show", "job", self._job)
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return self._states
        if "Invalid job id" in done.stderr:
            # Slurm forgets a job some minutes after its end
            self._states = [state._replace(lives=False) for state in self._states]
        # a controller that does not answer just now says nothing of the workers
        for line in done.stdout.splitlines():
            said = dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", line))
            # tasks that wait are told of together: 2-7%8
            if (task := said.get("ArrayTaskId", "0")).isdecimal():
                self._states[int(task)] = _state(said)
        return self._states

    def stop(self) -> None:
        """See `Cluster`."""
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["scancel", self._job], capture_output=True, timeout=60, check=False)

    def close(self) -> None:
        """See `Cluster`."""


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide meanwhile that this process is part of a job: those it asks for are no part of it."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    # by which Slurm is found at all
    found = {key: os.environ[key] for key in ("SLURM_CONF",) if key in os.environ}
    with _submitit("helpers").clean_env():
        os.environ.update(found)
        yield


def _state(said: Mapping[str, str]) -> WorkerState:
    state = said["JobState"]
    restarts = int(said.get("Restarts", 0))
    if state in (*_LIVE, "COMPLETING"):
        return WorkerState(lives=True, restarts=restarts)
    code, _, number = said["ExitCode"].partition(":")
    # a shell says of a program that a signal has killed that it exits with 128 and its number
    killed = int(number) or max(0, int(code) - 128)
    death = None
    if state in _DEATHS:
        death = _DEATHS[state]
    elif killed:
        death = f"was killed by {signal.Signals(killed).name}"
    elif state != "COMPLETED":
        death = f"ended with exit code {code} ({state})"
    return WorkerState(lives=False, death=death, restarts=restarts)
