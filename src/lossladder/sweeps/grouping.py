"""The grouping of jobs that can be trained together: those that differ only as members can."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lossladder import console
from lossladder.checks import RequestError
from lossladder.data.datamodule import Data
from lossladder.engines.population import SingleMember
from lossladder.sweeps.job import Job
from lossladder.training.build import Parts, build, initialisation_keys
from lossladder.training.population import engine_for

_MOST = 64  # members of a slice: more would share no more, and hold more memory
_LEAST = 8
_BYTES = 200_000_000  # that the sequences of all members of a slice may take
_OWN = ("seed", "logs")  # numbers of a member's own, besides the constants of its optimizer


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Put jobs that differ in seed, constants of the optimizer and initialisation only together."""
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(_shared(job.config), []).append(job)
    return list(alike.values())


def slices(group: Sequence[Job]) -> list[list[Job]]:
    """Cut a group into slices that are trained at once, each small enough for memory."""
    together = _engine(group)
    if together is None:
        return [[job] for job in group]
    engine, parts = together
    if engine.waits_for is not None:
        console.note(engine.waits_for)
    engine.prepare()  # here, so that no process has to wait for it again
    parts.data.engine_windows = engine.windows_per_chunk
    size = max(_LEAST, min(_MOST, _BYTES // _bytes(parts.data)))
    return [list(group[first : first + size]) for first in range(0, len(group), size)]


def _bytes(data: Data) -> int:
    """Return what the sequences of one member take: its chunk, and what it is validated on."""
    window = data.batch_size * data.bptt_steps
    trained = 4 * data.chunk_size * window  # an input and a target, its own and among all
    validated = data.validated
    outputs = validated.probabilities.nbytes
    return trained + sum(part.nbytes for part in validated) + outputs


def _engine(group: Sequence[Job]) -> tuple[SingleMember, Parts] | None:
    config = group[0].config
    if len(group) == 1 or config["resume"] is not None or config["trainer"]["accelerator"] != "cpu":
        return None
    try:
        parts = build(config)
    except RequestError:
        return None  # each says itself what is wrong with it
    if parts.data.length is not None:
        return None  # the sequences of each grow with its own success
    engine = engine_for(parts, len(group))
    return None if engine is None else (engine, parts)


def _shared(config: Mapping[str, Any]) -> str:
    """Return everything that members have in common, as text."""
    shared = {key: value for key, value in config.items() if key not in _OWN}
    shared["optimizer"] = config["optimizer"].get("_target_")
    shared["readout"] = config["readout"].get("alone")  # the rest of it is numbers
    own = initialisation_keys(config["model"])
    shared["model"] = {k: v for k, v in config["model"].items() if k not in own}
    return json.dumps(shared, sort_keys=True, default=str)
