"""A job of a sweep: the folder it lives in, and what it leaves there."""

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lossladder.runs.folder import append_log, write_config
from lossladder.runs.identity import NOT_IDENTITY, identity, identity_in
from lossladder.runs.result import FILE, Result, ended, read_result
from lossladder.runs.verdict import standing

# characters of a folder's name; a file system takes 255, and the identity comes on top
_LONGEST = 120

_MORE = "search.trials"  # with more of them, a search goes on

# What of a run's name tells its setting, for TensorBoard's colours: all but seed and identity. Of
# names of other kinds, like those of reference lines, it is the whole.
SETTING = r"^(.*?)(?:(?:^|[+/])seed-\d+)?(?:-[0-9a-f]{12})?$"


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        number: its place in the sweep.
        config: resolved, plain values.
        folder: the run's own.
    """

    number: int
    config: Mapping[str, Any]
    folder: Path

    @cached_property
    def identity(self) -> str:
        """See `identity`."""
        return identity(self.config)


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


# --- folder and name ------------------------------------------------------------------------


def command_hash(words: Sequence[str]) -> str:
    """Return eight hexadecimal digits that depend on what a command asks for, in any order.

    The same sweep asked for again finds its folder, and in it what is done.

    >>> command_hash(["-m", "seed=0,1", "model=rnn"]) == command_hash(["model=rnn", "seed=0,1"])
    True
    """
    asked = sorted(word for word in words if not is_beside(word))
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:8]


def folder_name(
    overrides: Sequence[str], config: Mapping[str, Any], varied: Collection[str]
) -> str:
    """Return a name that tells a job apart: the words of its own, the seed last, its identity.

    >>> words = ["seed=3", "model=rnn", "trainer.max_steps=9"]
    >>> name = folder_name(words, {"seed": 3}, varied={"seed", "model"})
    >>> name, re.match(SETTING, name)[1]
    ('model-rnn+seed-3-1391dc1f10fa', 'model-rnn')
    """
    own = (word for word in overrides if key_of(word) in varied)
    # nothing that a shell, a file system or Hydra (resume=<folder>) would want quoted
    safe = sorted(re.sub(r"[^\w.+-]", "-", word).lstrip("-") for word in own)
    seed = [word for word in safe if re.fullmatch(r"seed-\d+", word)]
    setting = "+".join(word for word in safe if word not in seed)
    # what is cut off may be what tells it apart
    if len(setting) > _LONGEST:
        setting = f"{setting[:_LONGEST]}-{hashlib.sha256(setting.encode()).hexdigest()[:12]}"
    return f"{'+'.join(filter(None, [setting, *seed])) or 'run'}-{identity(config)}"


def varied_keys(jobs: Sequence[Sequence[str]]) -> set[str]:
    """Return the keys that tell jobs apart: those whose words not all of them have, and the seed.

    >>> sorted(varied_keys([["seed=0", "model=rnn", "a.b=1"], ["seed=0", "model=gru", "a.b=1"]]))
    ['model', 'seed']
    """
    common = set.intersection(*map(set, jobs)) if jobs else set()
    own = {word for words in jobs for word in words} - common
    return {key_of(word) for word in own} | {"seed"}


def key_of(word: str) -> str:
    """Return the key that a word of the command line names.

    >>> [key_of(word) for word in ("seed=0", "+model.a=b=c", "~experiment", "++a=1")]
    ['seed', 'model.a', 'experiment', 'a']
    """
    return word.lstrip("+~").partition("=")[0]


def job_folders(sweep: Path) -> dict[str, str]:
    """Return the names of the folders of a sweep's jobs, by identity.

    A job asked for in other words, like a default that is named, is found in the folder it has.
    """
    try:
        names = sorted(os.listdir(sweep))
    except OSError:
        return {}
    return {found: name for name in names if (found := identity_in(name)) is not None}


def is_beside(word: str) -> bool:
    """Return whether a word of the command line says nothing of what is trained."""
    key = key_of(word)
    if key == "suite":
        return False  # of one network, another suite has a folder and a page of its own
    beside = ("-", "hydra", "launch.", "passport.")
    return word.startswith(beside) or key in (*NOT_IDENTITY, "launch", _MORE)


# --- what a job leaves ------------------------------------------------------------------------

# of jobs whose run had failed when a sweep was asked for, by number: when its result was written
Failures = Mapping[int, int]


def failures(jobs: Iterable[Job]) -> dict[int, int]:
    """Return which jobs have failed so far: a sweep does them again, once."""
    ends = ((job, _written(job.folder), read_result(job.folder)) for job in jobs)
    return {
        job.number: time
        for job, time, end in ends
        if time is not None and isinstance(end, Result) and end.status == "failed"
    }


def end_of(job: Job, failed: Failures) -> Result | None:
    """Return how a job ended, if it is not to be done any more; None: it is to be done.

    Args:
        job: of a sweep that several processes may be at.
        failed: what had failed before: what has failed since then was done by another process.
    """
    time, end = _written(job.folder), read_result(job.folder)
    if not isinstance(end, Result) or end.status == "interrupted":
        return None
    return None if end.status == "failed" and time in (None, failed.get(job.number)) else end


def outcome(job: Job, result: Result, before: bool = False) -> JobOutcome:
    """Return how a job ended, from its result."""
    return JobOutcome(job.number, result.status, result.loss, standing(result), before=before)


def once_each(jobs: Sequence[Job]) -> dict[Path, Job]:
    """Return each job once, by its folder: one that is asked for twice is one job."""
    firsts: dict[Path, Job] = {}
    for job in jobs:
        firsts.setdefault(job.folder, job)
    return firsts


def settled(jobs: Iterable[Job], failed: Failures) -> dict[int, JobOutcome]:
    """Return how those jobs ended that need not be done any more, by their numbers."""
    ends = ((job, end_of(job, failed)) for job in jobs)
    return {job.number: outcome(job, end, before=True) for job, end in ends if end is not None}


def _written(folder: Path) -> int | None:
    """Return when the result of a run was written, by its file system; None: there is none."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return None


def give_up(job: Job, status: str, why: str) -> Result:
    """Write down how a job ended that could not do so itself: its process may be dead.

    What it wrote before it died counts more; that, or what is written now, is returned.
    """
    if (result := ended(job.folder)) is not None:
        return result
    job.folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        write_config(job.folder, job.config)
    append_log(job.folder, logging.ERROR, why)
    last = why.strip().splitlines()[-1]
    names, seed = job.config["names"], job.config["seed"]
    result = Result(**names, seed=seed, status=status, why=last)
    result.write(job.folder)
    return result
