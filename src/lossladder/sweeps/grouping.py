"""The grouping of jobs that can be trained together: those that differ only as members can."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lossladder.checks import RequestError
from lossladder.data.datamodule import Data
from lossladder.engines.population import SingleMember
from lossladder.runs.checkpoint import has_checkpoint
from lossladder.runs.folder import CHECKPOINT
from lossladder.runs.group import kept_groups
from lossladder.sweeps.job import Job
from lossladder.training.build import Parts, build, initialisation_keys
from lossladder.training.population import engine_for

# members of a slice: more would share no more and hold more memory, fewer would share little
_MOST, _LEAST = 64, 8
# that the sequences of all members of a slice may take; each core holds a slice
_BYTES = 200_000_000


def to_go_on_with(jobs: Sequence[Job], sweep: Path) -> list[list[Job]]:
    """Return the jobs that were under way, in slices: together are those that were so."""
    by_name = {job.folder.name: job for job in jobs}
    kept = ([by_name.pop(n) for n in names if n in by_name] for names in kept_groups(sweep))
    slices = [slice_ for slice_ in kept if slice_]
    slices += [[job] for job in by_name.values() if has_checkpoint(job.folder / CHECKPOINT)]
    for slice_ in slices:
        _ready(slice_)
    return slices


def to_begin(jobs: Iterable[Job], left: Collection[int]) -> Iterator[list[Job]]:
    """Yield the jobs that nobody has begun, in slices.

    They are cut as if none of the jobs were done: whoever joins a sweep while others are at it
    cuts it as they do, and takes up the very slice that one of them leaves.

    Args:
        jobs: all of the sweep.
        left: numbers of those that nobody has begun.
    """
    for group in groups(jobs):
        rest = [job for job in group if job.number in left]
        if rest:
            for slice_ in slices(group):
                if all(job.number in left for job in slice_):
                    yield slice_
                    rest = [job for job in rest if job not in slice_]
        if rest:
            yield from slices(rest)


def groups(jobs: Iterable[Job]) -> list[list[Job]]:
    """Return jobs in groups: together are those that differ only in what members can differ in."""
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(_shared(job.config), []).append(job)
    return list(alike.values())


def slices(group: Sequence[Job]) -> list[list[Job]]:
    """Cut a group into slices that are trained at once, each small enough for memory."""
    together = _ready(group)
    if together is None:
        return [[job] for job in group]
    engine, parts = together
    parts.data.suit(engine)
    size = max(_LEAST, min(_MOST, _BYTES // _bytes(parts.data)))
    return [list(group[first : first + size]) for first in range(0, len(group), size)]


def _bytes(data: Data) -> int:
    """Return what the sequences of one member take: its chunk, and what it is validated on."""
    # a byte each for an input and a target, in the member's own chunk and in the stacked one
    trained = 4 * data.chunk_size * data.batch_size * data.bptt_steps
    # besides the validation sequences, what the network says of them, as large as their law
    outputs = data.validated.probabilities.nbytes
    return trained + sum(part.nbytes for part in data.validated) + outputs


def _ready(group: Sequence[Job]) -> tuple[SingleMember, Parts] | None:
    """Return what `_engine` does, with the engine made ready."""
    together = _engine(group)
    if together is not None:
        # here, in the parent: what is compiled now, no worker has to wait for again
        together[0].prepare()
    return together


def _engine(group: Sequence[Job]) -> tuple[SingleMember, Parts] | None:
    config = group[0].config
    if len(group) == 1 or config["resume"] is not None or config["trainer"]["accelerator"] != "cpu":
        return None
    # if it is refused, each job says itself what is wrong with it
    with suppress(RequestError):
        parts = build(config)
        # where sequences grow in training, those of each grow with its own success
        grows = parts.data.length is not None
        if not grows and (engine := engine_for(parts, len(group))) is not None:
            return engine, parts
    return None


def _shared(config: Mapping[str, Any]) -> str:
    """Return everything that members have in common, as text."""
    own = ("seed", "logs", "schedule")
    shared = {key: value for key, value in config.items() if key not in own}
    # of these, all else is numbers, which members have of their own: constants, and how they start
    shared["optimizer"] = config["optimizer"].get("_target_")
    shared["readout"] = config["readout"].get("alone")
    start = initialisation_keys(config["model"])
    shared["model"] = {k: v for k, v in config["model"].items() if k not in start}
    return json.dumps(shared, sort_keys=True, default=str)
