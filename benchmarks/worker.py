"""The worker's end of the line: a process that holds one contestant and does a round when told.

    started with   {"where": "module:Class", "cores": [0], "problem": {...}, ...}   as its argument
    says           {"ready": {...}}          seconds and CPU-seconds of imports and preparation
    or             {"missing": "..."}        a package it needs is not there
    is told        {"size": 200}             do a round of so many updates; null: all there are
    says           {"wall": ..., "cpu": ..., "work": ..., "loss": ...}
    is told        {"end": true}
    says           {"peak_mb": ...}          the most memory it ever held, and ends

One JSON value a line. Whatever the contestant prints goes to standard error.
"""

import gc
import json
import os
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_LAST = 100  # updates whose mean loss is compared
_LEAST_CPU = 0.1  # seconds: shorter rounds are repeated until they add up to this
_MOST_REPEATS = 200


def main(argument: str) -> None:
    """Hold the contestant that the argument describes."""
    line = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # peers print banners: they must not end up among the answers
    options = json.loads(argument)
    os.sched_setaffinity(0, options.pop("cores"))
    try:
        contestant, ready = _prepared(options)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=line)
        return
    print(json.dumps({"ready": ready}), file=line)
    for told in map(json.loads, sys.stdin):
        if told.get("end"):
            print(json.dumps({"peak_mb": peak_mb()}), file=line)
            return
        print(json.dumps(_round(contestant, told["size"], told["least"])), file=line)


def _prepared(options: dict[str, Any]) -> tuple[Any, dict[str, float]]:
    """Return the contestant, and what it took to get it."""
    from benchmarks.contestant import Clock

    module, name = options.pop("where").split(":")
    with Clock() as importing:
        kind = getattr(import_module(module), name)
    sizes = options.pop("problem", None)
    if sizes is not None:
        from benchmarks.problems import problem

        options["problem"] = problem(**sizes)
    with Clock() as preparing:
        contestant = kind(**options)
    # as a run does when torch is loaded: one look through all modules takes as long as a round
    gc.collect()
    gc.freeze()
    return contestant, {
        "import_wall": importing.wall,
        "import_cpu": importing.cpu,
        "prepare_wall": preparing.wall,
        "prepare_cpu": preparing.cpu,
    }


def _round(contestant: Any, size: int | None, least: float | None) -> dict[str, Any]:
    """Do a round, repeated until the clock has something to measure."""
    least = _LEAST_CPU if least is None else least
    done = [contestant.round(size)]
    while sum(one.cpu for one in done) < least and len(done) < _MOST_REPEATS:
        done.append(contestant.round(size))
    sums = {key: sum(getattr(one, key) for one in done) for key in ("wall", "cpu", "work")}
    answer: dict[str, Any] = {**sums, **(done[-1].notes or {})}
    losses = done[-1].losses
    if losses is not None:
        last = losses[:, -_LAST:]
        answer["loss"] = float(last[0].mean())
        answer["loss_of_all"] = float(last.mean())
        answer["first_loss"] = float(losses[0, 0])
    return answer


def peak_mb() -> float:
    """Return the peak resident memory of this process, or of the largest of its children."""
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's as well
    (kilobytes,) = [row.split()[1] for row in status.splitlines() if row.startswith("VmHWM")]
    return max(int(kilobytes), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
