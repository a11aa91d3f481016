"""Cost of an update against members, hidden size, window and batch; memory against the stream."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.process import CrashError, MissingError, Worker


class Axis(NamedTuple):
    """What grows.

    Args:
        name: as `ours.growing` knows it.
        title: on the page.
        where: contestant.
        sizes: in order.
        engines: who is measured, each up to its largest size; None: to the end. One that is called
            `autograd-2` may use two threads.
        options: of the contestant.
    """

    name: str
    title: str
    where: str
    sizes: Sequence[int]
    engines: Mapping[str, int | None]
    options: Mapping[str, Any] = {}


GROWING, _STREAMING = "benchmarks.ours.growing:Growing", "benchmarks.ours.growing:Streaming"
AXES = (
    Axis("members", "members", GROWING, [4**k for k in range(6)], {"fused": None, "stacked": 256}),
    Axis("hidden", "hidden size", GROWING, [4, 8, 16, 32, 64, 128, 256, 512],
         {"fused": None, "autograd": None}),
    Axis("window", "window, steps", GROWING, [1, 2, 5, 10, 20, 50, 100, 200],
         {"fused": None, "autograd": None}),
    Axis("batch", "batch", GROWING, [1, 4, 16, 64, 256, 1024, 4096],
         {"fused": None, "autograd": None}),
    Axis("stream", "symbols of a stream", _STREAMING, [10**k for k in range(3, 9)],
         {"fused": None, "autograd": 10**6}),
)  # fmt: skip


def grow(
    rounds: int,
    say: Callable[[str], None],
    axes: Sequence[Axis] = AXES,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure every axis, or only some engines; at each size the engines take turns."""
    if only:
        axes = [axis._replace(engines={e: axis.engines[e] for e in only if e in axis.engines})
                for axis in axes]  # fmt: skip
    return {
        "axes": {axis.options.get("cell", axis.name): _measured(axis, rounds, say) for axis in axes}
    }


def _measured(axis: Axis, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    workers, skipped = {}, {}
    for engine in axis.engines:
        try:
            workers[engine] = _worker(axis, engine)
        except (MissingError, CrashError) as error:
            skipped[engine] = str(error)
            say(f"growth, {axis.title}: {engine}: skipped, {error}")
    points: dict[str, list[dict[str, Any]]] = {engine: [] for engine in workers}
    for size in axis.sizes:
        here = [e for e in workers if (axis.engines[e] or size) >= size]
        taken: dict[str, list[dict[str, Any]]] = {engine: [] for engine in here}
        for _ in range(rounds):
            for engine in here:
                taken[engine].append(workers[engine].round(size, least=0.02))
        for engine in here:
            points[engine].append({"size": size, "rounds": taken[engine]})
    for worker in workers.values():
        worker.kill()
    say(f"growth, {axis.title}: done")
    return {"title": axis.title, "points": points, "skipped": skipped}


def _worker(axis: Axis, engine: str) -> Worker:
    threads = int(engine.partition("-")[2] or 1)
    cores = sorted(os.sched_getaffinity(0))[:threads]
    worker = Worker(
        sys.executable,
        {"where": axis.where, "cores": cores, "engine": engine, "axis": axis.name, **axis.options},
    )
    worker.round(axis.sizes[0], least=0)  # what is loaded at first use
    return worker
