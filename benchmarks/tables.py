"""The tables of the page, as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks import cells
from benchmarks.contests import CONTESTS
from benchmarks.fits import crossing, curve, memory, slope
from benchmarks.networks import rows_of
from benchmarks.results import (
    LOSS_TOLERANCE,
    floor,
    loss_everybody_has,
    loss_of,
    measured,
    pace,
    pace_is,
    per_second,
    ratios,
    share_of_floor,
    spread,
    times_as_fast,
)
from benchmarks.suites import scaled

_PROBED = ("echo-4", "echo-16", "count", "parity")
_MISSING = "not measured yet: `make bench`"


def all_of(
    contests: Mapping[str, Any],
    growth: Mapping[str, Any],
    of_cells: Mapping[str, Any],
    widths: Mapping[str, Any],
    networks: Mapping[str, Any],
    suite: Mapping[str, Any],
    clusters: Mapping[str, Any],
) -> dict[str, str]:
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
        **any_cell(of_cells),
        "widths": wide(widths) if widths else _MISSING,
        "networks": all_networks(networks) if networks else _MISSING,
        "suite": of_suite(suite) if suite else _MISSING,
        "clusters": of_clusters(clusters) if clusters else _MISSING,
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


# --- any cell -----------------------------------------------------------------------------------


def any_cell(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of any cell by their places."""
    if not results:
        return dict.fromkeys(
            ("cells_machine", "targets", *_BESIDE, "threads", "copying", "making"), _MISSING
        )
    taken = results["contests"]
    beside = {place: _beside(taken, *columns) for place, columns in _BESIDE.items()}
    return {
        "cells_machine": _machine(results),
        "targets": targets(taken),
        **beside,
        "threads": _threads(taken),
        "copying": _copying(taken),
        "making": _making(taken),
    }


# whose contests; ours, by which the others' columns are divided; the others
_Columns = tuple[Sequence[str], str, Mapping[str, str]]
_NAMES = [*(f"{cell}-{hidden}" for hidden in (4, 16) for cell in cells.WRITTEN), "delta-4"]
_BESIDE: dict[str, _Columns] = {
    "members": (
        [f"members-{name}" for name in _NAMES],
        *("fused-64", {"jax-64": "JAX by vmap", "stacked-64": "**stacked**"}),
    ),
    "alone": (
        [f"alone-{cell}-4" for cell in cells.WRITTEN],
        *("fused-in-trainer", {"template": "Lightning as every template does it"}),
    ),
    "layers": (
        [f"members-{layer}-{hidden}" for layer in cells.LAYERS for hidden in (4, 16, 64)],
        *("fused-1", {"autograd": "**autograd**"}),
    ),
    "layers_members": (
        [f"members-{layer}-{hidden}" for layer in cells.LAYERS for hidden in (4, 16)],
        *("fused-64", {"stacked-64": "**stacked**"}),
    ),
    "layers_large": (
        [f"members-{layer}-64" for layer in cells.LAYERS],
        *("fused-8", {"stacked-8": "**stacked**"}),
    ),
}


def _beside(taken: Mapping[str, Any], names: Sequence[str], ours: str, others: Any) -> str:
    """Return a line a contest: ours, how many times as fast as each of the others, and losses."""
    rows = []
    for name in names:
        there = measured(taken[name]) if name in taken else {}
        if ours not in there:
            continue
        contest = taken[name]
        row = [contest["title"], _plain(per_second(there[ours], "cpu"))]
        for other in others:
            pace = _plain(per_second(there[other], "cpu")) if other in there else ""
            row += [pace, _range(ratios(contest, ours, other))]
        losses = [loss_of(contest, there[who]) for who in (ours, *others) if who in there]
        rows.append([*row, *_apart([loss for loss in losses if loss is not None])])
    head = ["", "**fused**"]
    head += [word for label in others.values() for word in (label, "ours is faster by")]
    return _table([*head, "loss", "apart by"], rows) if rows else _MISSING


def _apart(losses: Sequence[float]) -> list[str]:
    apart = max(losses) - min(losses)
    return [f"{losses[0]:.4f}", "< 1e-6" if apart < 1e-6 else f"{apart:.0e}"]


def _copying(taken: Mapping[str, Any]) -> str:
    rows = [
        [contest["title"], str(entry["members"]), f"{share:.1%}"]
        for name, contest in taken.items()
        if name.startswith("copying")
        for entry in measured(contest).values()
        for share in [median(one["outside"] for one in entry["rounds"])]
    ]
    return _table(["", "members", "of the CPU time outside of the loop"], rows)


_TWO = "fused-64-on-2", "fused-64"


def _threads(taken: Mapping[str, Any]) -> str:
    rows = [
        [
            contest["title"],
            *(_range(ratios(contest, *_TWO, clock)) for clock in ("wall", "cpu")),
            _range(ratios(contest, "apart-64", "fused-64", "wall")),
        ]
        for contest in taken.values()
        if ratios(contest, *_TWO)
    ]
    head = [
        "64 members, two threads beside one",
        *("by wall time", "by CPU time of both", "two processes, by wall time"),
    ]
    return _table(head, rows) if rows else _MISSING


def _making(taken: Mapping[str, Any]) -> str:
    contests = [contest for name, contest in taken.items() if name.startswith("making")]
    if not contests:
        return _MISSING
    labels = [entry["label"] for entry in contests[0]["entries"].values()]
    rows = [
        [contest["title"], *(_milli(contest, entry) for entry in measured(contest).values())]
        for contest in contests
    ]
    return _table(["CPU-milliseconds [least, most]", *labels], rows)


def _milli(contest: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    return _span([1e3 * one["cpu"] / one["work"] for one in entry["rounds"]])


def targets(taken: Mapping[str, Any]) -> str:
    """Return what was asked of any cell, what was measured, and whether that is met."""
    rows = []
    for target in cells.TARGETS:
        found = {
            contest["title"]: value
            for name, contest in taken.items()
            if name.startswith(target.contests)
            for value in target.of(contest)
        }
        if not found:
            continue
        fits = {title: target.met(value) for title, value in found.items()}
        missed = "; ".join(title for title, fit in fits.items() if not fit)
        missed = "all" if not any(fits.values()) else missed
        values = sorted(found.values())
        span = (
            f"{_plain(values[0])} … {_plain(values[-1])}" if len(values) > 1 else _plain(values[0])
        )
        verdict = "met" if not missed else f"**missed** by {missed}"
        rows.append([target.what, target.asked, f"{span} {target.unit}", verdict])
    return _table(["", "asked", "measured, median of each contest", ""], rows)


def wide(widths: Mapping[str, Any]) -> str:
    """Return microseconds of an update against hidden size, and where the engines cross."""
    machine = widths["machine"]
    lines = [f"{_described(machine)}, load {machine['load']:.1f}.", ""]
    for cell, axis in widths["axes"].items():
        found = {}
        for engine, points in axis["points"].items():
            clocks = ("cpu", "wall") if engine.endswith("-2") else ("cpu",)
            for clock in clocks:
                found[_ENGINES[engine, clock]] = dict(zip(*curve(points, clock), strict=True))
        sizes = [point["size"] for point in axis["points"]["fused"]]
        rows = [[str(size), *(_plain(micros[size]) for micros in found.values())] for size in sizes]
        lines += [_table([f"{cell}, hidden", *found], rows), ""]
    lines += [f"* {sentence}" for sentence in map(crossing, widths["axes"].values()) if sentence]
    return "\n".join(lines).rstrip()


def all_networks(networks: Mapping[str, Any]) -> str:
    """Return what an update of every network costs on every engine."""
    machine = networks["machine"]
    head = ["network", "floats of state", "parameters", "`autograd`", "**`fused`**",
            "`stacked`, 16 members", "**`fused`, 16 members**"]  # fmt: skip
    lines = [
        f"{_described(machine)}, load {machine['load']:.1f}.",
        "",
        _table(head, rows_of(networks)),
    ]
    refused = {
        name: network["refused"]["fused"]
        for name, network in networks["networks"].items()
        if "fused" in network["refused"]
    }
    lines += ["", *(f"* `{name}` is not compiled: {why}" for name, why in refused.items())]
    return "\n".join(lines).rstrip()


def of_suite(measured: Mapping[str, Any]) -> str:
    """Return how long a suite takes, and how long its runs by Lightning, one at a time."""
    machine, runs = measured["machine"], measured["theirs"]
    ours, theirs = measured["ours"], scaled(measured)
    ratios = sorted(other / own for own, other in zip(ours, theirs, strict=True))
    ends = f"[{min(ratios):.0f}, {max(ratios):.0f}]"
    head = ["", "seconds, median", "times ours"]
    rows = [
        [f"**`suite={measured['suite']}`**", f"{median(ours):,.0f}", ""],
        ["Lightning", f"{median(theirs):,.0f}", f"{median(ratios):.0f} × {ends}"],
    ]
    each = " · ".join(
        f"{entry.partition('/')[2].replace('_', ' ')} {1e3 * median(run['seconds']):.1f}"
        for entry, run in runs.items()
    )
    return "\n".join(
        [
            f"{_described(machine)}, load {machine['load']:.1f}; {len(ours)} rounds.",
            "",
            _table(head, rows),
            "",
            f"Milliseconds of an update by Lightning: {each}.",
        ]
    )


_LAUNCHES = {
    "stacked": "this machine, `launch=stacked`",
    "slurm": "two workers on Slurm",
    "ray": "two workers on Ray",
}


def of_clusters(measured: Mapping[str, Any]) -> str:
    """Return how long a sweep takes here and by workers of a cluster, on the same cores."""
    machine, seconds = measured["machine"], measured["seconds"]
    here = seconds["stacked"]
    head = ["", *(word for runs in here for word in (f"{int(runs):,} runs, s", "times as long"))]
    rows = []
    for launch, label in _LAUNCHES.items():
        row = [label]
        for runs, taken in seconds[launch].items():
            each = [one / own for one, own in zip(taken, here[runs], strict=True)]
            beside = "" if launch == "stacked" else _span(each)
            row += [_span(taken), beside]
        rows.append(row)
    about = f"{_described(machine)}, load {machine['load']:.1f}; median [least, most]."
    return "\n".join([about, "", _table(head, rows)])


def _span(found: Sequence[float]) -> str:
    """Return the median, and the least and most where there are several."""
    ends = f" [{_plain(min(found))}, {_plain(max(found))}]" if len(found) > 1 else ""
    return f"{_plain(median(found))}{ends}"


_ENGINES = {
    ("fused", "cpu"): "**fused**, CPU-µs",
    ("autograd", "cpu"): "**autograd**, CPU-µs",
    ("autograd-2", "cpu"): "on two threads, CPU-µs",
    ("autograd-2", "wall"): "on two threads, µs",
    ("loop", "cpu"): "plain torch, `nn` layer, CPU-µs",
    ("loop-2", "cpu"): "`nn` layer on two threads, CPU-µs",
    ("loop-2", "wall"): "`nn` layer on two threads, µs",
}


def _range(found: tuple[float, float, float] | None) -> str:
    """Return a ratio with the least and most over the rounds."""
    if found is None:
        return ""
    middle, least, most = map(_plain, found)
    return f"{middle} × [{least}, {most}]"


def _machine(contests: Mapping[str, Any]) -> str:
    everybody = contests["contests"].values()
    loads = [load for taken in everybody for load in taken["load"]]
    rounds = " or ".join(str(number) for number in sorted({len(t["load"]) - 1 for t in everybody}))
    return (
        f"{_described(contests['machine'])}, {rounds} rounds, "
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
