"""The tables of the page, as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.contests import CONTESTS
from benchmarks.fits import crossing, curve, memory, slope
from benchmarks.results import (
    LOSS_TOLERANCE,
    floor,
    loss_everybody_has,
    loss_of,
    measured,
    pace,
    pace_is,
    per_second,
    share_of_floor,
    spread,
    times_as_fast,
)

_PROBED = ("echo-4", "echo-16", "count", "parity")
_MISSING = "not measured yet: `make bench`"


def all_of(contests: Mapping[str, Any], growth: Mapping[str, Any]) -> dict[str, str]:
    """Return every table by the name of its place."""
    taken = contests.get("contests", {})
    return {
        "machine": _machine(contests) if contests else _MISSING,
        **{name.replace("-", "_"): contest(taken.get(name), known.ours)
           for name, known in CONTESTS.items()},
        "trainer": trainer(taken),
        "floors": floors(taken),
        "startup": startup(taken),
        "skipped": skipped(taken),
        "growth": grown(growth) if growth else _MISSING,
    }  # fmt: skip


def contest(taken: Mapping[str, Any] | None, ours: Sequence[str] = ()) -> str:
    """Return the speed of everybody in a contest, how much faster ours is, floor and loss.

    Args:
        taken: the contest as it was measured; None: it was not.
        ours: the entries that the others are compared with, one for each number of members.
    """
    if taken is None or not measured(taken):
        return _MISSING
    trains = taken["problem"] is not None
    everybody = loss_everybody_has(taken)
    paces = [pace_is(taken, clock) for clock in ("cpu", "wall")]
    head = ["who", *paces, *(["ours is faster by"] if ours else [])]
    head += ["half of the rounds within", "peak MB"]
    rows = []
    for entry in sorted(measured(taken).values(), key=lambda one: per_second(one, "cpu")):
        row = [
            entry["label"],
            *(_plain(pace(taken, entry, clock)) for clock in ("cpu", "wall")),
            *([_times(times_as_fast(taken, entry, ours))] if ours else []),
            f"{spread(entry, 'cpu'):.0%}",
            f"{entry['peak_mb']:.0f}" if "peak_mb" in entry else "",
        ]
        if trains:
            share, loss = share_of_floor(taken, entry), loss_of(taken, entry)
            row += [_times(share), _loss(loss, everybody)]
        rows.append(row)
    return _table([*head, *(["of the floor", "loss"] if trains else [])], rows)


def _loss(loss: float | None, everybody: float | None) -> str:
    """Return the loss, marked where it is not everybody's."""
    if loss is None or everybody is None:
        return ""
    return f"{loss:.4f}" + ("" if abs(loss - everybody) < LOSS_TOLERANCE else " **differs**")


def trainer(contests: Mapping[str, Any]) -> str:
    """Return what the runs inside the Trainer say of themselves."""
    lines = []
    for taken in contests.values():
        for entry in measured(taken).values():
            own = [one["steps_per_second"] for one in entry["rounds"] if "steps_per_second" in one]
            if own:
                lines.append(f"* {taken['title']}: {entry['label']}: {_plain(median(own))}")
    return "\n".join(lines) or _MISSING


def floors(contests: Mapping[str, Any]) -> str:
    """Return what the core can do, and the least time an update can take on it."""
    rows = []
    for name in _PROBED:
        taken = contests.get(name)
        seconds = floor(taken) if taken else None
        if taken is None or seconds is None:
            continue
        gemm, tanh = (per_second(taken["entries"][probe], "cpu") for probe in ("gemm", "tanh"))
        rows.append(
            [taken["title"], f"{gemm / 1e9:.0f}", f"{tanh / 1e9:.2f}", _plain(seconds * 1e6),
             _plain(1 / seconds)]
        )  # fmt: skip
    head = ["contest", "GFLOP/s", "tanh, 10⁹/s", "floor of an update, µs", "updates a CPU-second"]
    return _table(head, rows) if rows else _MISSING


def startup(contests: Mapping[str, Any]) -> str:
    """Return what comes before the first update of those in the first contest."""
    taken = contests.get("echo-4")
    if taken is None:
        return _MISSING
    rows = [
        [
            entry["label"],
            f"{entry['startup']['import_cpu']:.2f}",
            f"{entry['startup']['prepare_cpu']:.2f}",
            f"{entry['warm_up']['cpu']:.2f}" if "warm_up" in entry else "",
        ]
        for entry in measured(taken).values()
    ]
    return _table(["who", "imports, CPU-s", "data and compile, CPU-s", "first round, CPU-s"], rows)


def skipped(contests: Mapping[str, Any]) -> str:
    """Return who is missing, and why."""
    lines = [
        f"* {taken['title']}: {entry['label']}: {entry['status']}, {entry['why']}"
        for taken in contests.values()
        for entry in taken["entries"].values()
        if entry["status"] != "measured"
    ]
    return "\n".join(lines) or "Nobody was missing."


def grown(growth: Mapping[str, Any]) -> str:
    """Return the slopes of the growth curves, and where the engines cross."""
    rows = []
    for axis in growth["axes"].values():
        for engine, points in axis["points"].items():
            sizes, micros = curve(points)
            least, most = memory(points)
            held = "" if most is None else f"{least:.0f} … {most:.0f}"
            rows.append(
                [axis["title"], f"`{engine}`", f"{sizes[0]:,} … {sizes[-1]:,}", _plain(micros[0]),
                 _plain(micros[-1]), f"{slope(sizes, micros):+.2f}", held]
            )  # fmt: skip
    head = ["what grows", "engine", "from … to", "first, µs", "last, µs", "slope", "peak MB"]
    machine = growth["machine"]
    lines = [f"{_described(machine)}, load {machine['load']:.1f}.", "", _table(head, rows), ""]
    lines += [f"* {sentence}" for sentence in map(crossing, growth["axes"].values()) if sentence]
    return "\n".join(lines).rstrip()


def _machine(contests: Mapping[str, Any]) -> str:
    loads = [load for taken in contests["contests"].values() for load in taken["load"]]
    return (
        f"{_described(contests['machine'])}, {contests['rounds']} rounds, "
        f"load {min(loads):.1f} to {max(loads):.1f}."
    )


def _described(about: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gb']:.0f} GB, "
        f"{about['system']}, Python {about['python']}, {versions}; {about['date']}"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{_plain(ratio)} ×"


def _plain(value: float) -> str:
    """Return a number with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
