"""What the raw rounds say: medians, losses that are compared, and the machine's own floor."""

from collections.abc import Collection, Mapping
from statistics import median
from typing import Any

from benchmarks.problems import problem

Result = Mapping[str, Any]
LOSS_TOLERANCE = 1e-3  # nats: float32 rounds differently in every order of summation


def measured(contest: Result) -> dict[str, Result]:
    """Return the entries that have rounds, without the probes."""
    return {
        name: entry
        for name, entry in contest["entries"].items()
        if entry["status"] == "measured" and entry["rounds"] and name not in ("gemm", "tanh")
    }


def per_second(entry: Result, clock: str) -> float:
    """Return the median speed over the rounds, in the contest's unit a second of `clock`."""
    return median(one["work"] / one[clock] for one in entry["rounds"])


def pace(contest: Result, entry: Result, clock: str) -> float:
    """Return updates or symbols a second; of whole runs and starts, the seconds of one."""
    speed = per_second(entry, clock)
    return speed if contest["unit"] in ("updates", "symbols") else 1 / speed


def pace_is(contest: Result, clock: str) -> str:
    """Return what `pace` counts, in words."""
    second, unit = "CPU-second" if clock == "cpu" else "second", contest["unit"]
    fast = unit in ("updates", "symbols")
    return f"{unit} a {second}" if fast else f"{second}s a {unit.removesuffix('s')}"


def spread(entry: Result, clock: str) -> float:
    """Return the range of the middle half of the rounds, as a share of the median."""
    speeds = sorted(one["work"] / one[clock] for one in entry["rounds"])
    cut = len(speeds) // 4
    return (speeds[-1 - cut] - speeds[cut]) / median(speeds)


def times_as_fast(contest: Result, entry: Result, ours: Collection[str]) -> float | None:
    """Return how many times as fast ours is, by CPU time; None: no such entry was measured.

    Args:
        contest: as it was measured.
        entry: of the contest, with which ours is compared.
        ours: names of entries, at most one for each number of members.
    """
    others = measured(contest)
    mine = [others[name] for name in ours if name in others]
    alike = [one for one in mine if one["members"] == entry["members"]]
    return per_second(alike[0], "cpu") / per_second(entry, "cpu") if alike else None


def ratios(
    contest: Result, entry: str, other: str, clock: str = "cpu"
) -> tuple[float, float, float] | None:
    """Return how many times as fast an entry is as another: median, least and most over rounds.

    Those of one round were taken one after the other, so that what slows the machine for a while
    slows both. None: they are not both there.
    """
    there = measured(contest)
    if entry not in there or other not in there:
        return None
    pairs = zip(there[entry]["rounds"], there[other]["rounds"], strict=True)
    found = sorted(a["work"] / a[clock] / (b["work"] / b[clock]) for a, b in pairs)
    return median(found), found[0], found[-1]


def loss_of(contest: Result, entry: Result) -> float | None:
    """Return the loss that is compared, of the first whole round from the shared start."""
    first = entry.get("warm_up") or entry["rounds"][0]
    return first.get(contest["compared"])


def loss_everybody_has(contest: Result) -> float | None:
    """Return the loss that most of them have; None: nobody trained."""
    losses = [loss_of(contest, entry) for entry in measured(contest).values()]
    known = [loss for loss in losses if loss is not None]
    # no median: where a few go ways of their own it is one of theirs
    alike = [sum(abs(loss - other) < LOSS_TOLERANCE for other in known) for loss in known]
    return known[alike.index(max(alike))] if known else None


def floor(contest: Result) -> float | None:
    """Return the CPU-seconds of an update's arithmetic at this core's peak; None: not measured."""
    probes = [contest["entries"].get(name) for name in ("gemm", "tanh")]
    if contest["problem"] is None or not all(p and p["rounds"] for p in probes):
        return None
    gemm, tanh = (per_second(probe, "cpu") for probe in probes if probe)
    task = problem(**contest["problem"])
    return task.flops() / gemm + task.activations() / tanh


def share_of_floor(contest: Result, entry: Result) -> float | None:
    """Return how many times the floor an update takes; None: there is none."""
    seconds = floor(contest)
    return None if seconds is None else 1 / (per_second(entry, "cpu") * seconds)
