"""One alternated run: the contestants of a contest take turns, A B C A B C, round after round."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.contests import Contest
from benchmarks.entries import PROBES, Entry
from benchmarks.machine import load
from benchmarks.process import CrashError, MissingError, Worker, interpreter
from benchmarks.results import measured, pace, pace_is

Say = Callable[[str], None]
Pythons = Mapping[str, str]  # interpreters by the name of an entry or of its package


def measure(
    contest: Contest, rounds: int, pythons: Pythons, say: Say, only: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a contest.

    Args:
        contest: who takes part in what.
        rounds: timed rounds of each.
        pythons: interpreters of peers that do not live in this one.
        say: where a line about each of them goes.
        only: names of the entries that take part; none: all.
    Returns:
        Plain values: what everybody was, the raw rounds, and who was missing and why.
    """
    entries = [entry for entry in contest.entries if not only or entry.name in only]
    results = {entry.name: _described(entry) for entry in entries}
    workers = {}
    for entry in entries:  # one after another: a start-up that is timed has the machine to itself
        worker = _started(entry, contest, pythons, results[entry.name], say)
        if worker is not None:
            workers[entry.name] = worker
    loads = [load()]
    for turn in range(rounds):
        for entry in entries:
            if entry.once and turn > 0:
                continue
            if entry.name in workers and not _round(entry, workers, results[entry.name], say):
                del workers[entry.name]
        loads.append(load())
    for name, worker in workers.items():
        _end(worker, results[name])
    taken = {
        "title": contest.title,
        "unit": contest.unit,
        "problem": contest.problem,
        "compared": contest.compared,
        "load": loads,
        "entries": results,
    }
    for entry in measured(taken).values():
        what = pace_is(taken, "cpu")
        say(f"{contest.name}: {entry['label']}: {pace(taken, entry, 'cpu'):,.4g} {what}")
    return taken


def _described(entry: Entry) -> dict[str, Any]:
    return {
        "label": entry.label,
        "members": entry.options.get("members", 1),
        "cores": entry.cores,
        "status": "measured",
        "rounds": [],
    }


def _started(
    entry: Entry, contest: Contest, pythons: Pythons, result: dict[str, Any], say: Say
) -> Worker | None:
    """Return a worker that is ready and warm; None: it cannot be had, and the result says why."""
    task: dict[str, Any] = {
        "where": entry.where,
        "cores": sorted(os.sched_getaffinity(0))[: entry.cores],
        **entry.options,
    }
    if contest.problem is not None and entry not in PROBES:
        task["problem"] = dict(contest.problem)
    python = interpreter([entry.name, entry.package], pythons, default=sys.executable)
    try:
        worker = Worker(python, task)
    except MissingError as missing:
        _lost(contest, result, "skipped", f"{missing}; {entry.how_to_get}", say)
        return None
    except CrashError as crash:
        _lost(contest, result, "crashed", str(crash), say)
        return None
    result["startup"] = worker.startup
    if entry.warm_up:
        try:
            result["warm_up"] = worker.round(size=None, least=0)
            if entry.windows is not None:  # a round of another size may be compiled anew
                worker.round(size=entry.windows, least=0)
        except CrashError as crash:
            _lost(contest, result, "crashed", str(crash), say)
            worker.kill()
            return None
    return worker


def _round(entry: Entry, workers: Mapping[str, Worker], result: dict[str, Any], say: Say) -> bool:
    """Let an entry take a turn; return whether it survived."""
    try:
        result["rounds"].append(workers[entry.name].round(entry.windows))
    except CrashError as crash:
        workers[entry.name].kill()
        result["status"], result["why"] = "crashed", str(crash)
        say(f"{entry.name}: crashed, {crash}")
        return False
    return True


def _end(worker: Worker, result: dict[str, Any]) -> None:
    try:
        result.update(worker.end())
    except CrashError as crash:  # it did all its rounds: they count
        result["why"] = str(crash)
    worker.kill()


def _lost(contest: Contest, result: dict[str, Any], status: str, why: str, say: Say) -> None:
    result["status"], result["why"] = status, why
    say(f"{contest.name}: {result['label']}: {status}, {why}")
