"""Contests of any cell: those that people write, and how torch's own fare on the same path."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks.contests import Contest
from benchmarks.entries import (
    AUTOGRAD,
    TEMPLATE,
    Entry,
    apart,
    fused,
    in_trainer,
    jax,
    making,
    stacked,
)
from benchmarks.growth import GROWING, Axis
from benchmarks.results import measured, per_second, ratios

STEPS = {4: 5, 16: 10, 64: 10}  # of a window, by hidden size
WRITTEN = ("leaky", "mingru", "diagonal", "normed")
LAYERS = ("rnn", "lstm", "gru")


def _contest(
    cell: str,
    hidden: int,
    ours: Sequence[str],
    entries: Sequence[Entry],
    kind: str = "members",
    stream_steps: int = 5000,
) -> Contest:
    steps = STEPS[hidden]
    problem = {"kind": "echo", "cell": cell, "bptt_steps": steps, "hidden_size": hidden}
    problem["stream_steps"] = stream_steps
    title = f"{cell}, hidden {hidden}"
    return Contest(f"{kind}-{cell}-{hidden}", title, "updates", entries, problem, ours=ours)


# a stack of large networks is slow: fewer windows of them
_LAYER_CONTESTS = [
    _contest(
        *(layer, hidden, ("fused-1", f"fused-{members}")),
        (AUTOGRAD, fused(1), stacked(members, windows), fused(members)),
        stream_steps=stream_steps,
    )
    for layer in LAYERS
    for hidden, members, windows, stream_steps in (
        (4, 64, 50, 1000),
        (16, 64, 20, 500),
        (64, 8, 4, 100),
    )
]
_AGAINST = (stacked(64, 50), fused(64), fused(64, 2), apart(64))
ALL: Sequence[Contest] = (
    *(_contest(c, 4, ("fused-64",), (jax(64), *_AGAINST), stream_steps=2500) for c in WRITTEN),
    *(_contest(c, 16, ("fused-64",), (jax(64), *_AGAINST), stream_steps=500) for c in WRITTEN),
    _contest("delta", 4, ("fused-64",), _AGAINST, stream_steps=1000),
    *(
        _contest(
            *(cell, 4, ("fused-in-trainer",), (TEMPLATE, in_trainer("fused", 120))),
            kind="alone",
            stream_steps=2500,
        )
        for cell in WRITTEN
    ),
    *_LAYER_CONTESTS,
    *(
        Contest(
            name=f"copying-{hidden}",
            title=f"leaky, hidden {hidden}",
            unit="updates",
            problem={
                "kind": "echo",
                "cell": "leaky",
                "bptt_steps": STEPS[hidden],
                "hidden_size": hidden,
            },
            entries=[fused(members, kind="benchmarks.ours.kernels:Copying") for members in (8, 64)],
        )
        for hidden in (4, 16)
    ),
    *(
        Contest(
            name=f"making-{cell}",
            title=f"{cell}, hidden {hidden}",
            unit="starts",
            problem={
                "kind": "echo",
                "cell": cell,
                "bptt_steps": STEPS[hidden],
                "hidden_size": hidden,
            },
            entries=(
                making("compile", "compiled, from the network on", kept=False),
                making("reload", "reloaded, from the network on", kept=True),
                making("code", "reloaded, its machine code alone", kept=True, whole=False),
            ),
        )
        for cell, hidden in [*((cell, 16) for cell in (*WRITTEN, *LAYERS)), ("delta", 4)]
    ),
)
CELLS = {contest.name: contest for contest in ALL}


class Target(NamedTuple):
    """What was asked of any cell.

    Args:
        what: in words.
        asked: in words.
        bound: in numbers; least: it is the least that will do, not the most.
        unit: of both.
        contests: how their names begin.
        of: what was measured in one of them; nothing, if it was not.
    """

    what: str
    asked: str
    bound: float
    unit: str
    contests: tuple[str, ...]
    of: Callable[[Mapping[str, Any]], list[float]]
    least: bool = True

    def met(self, value: float) -> bool:
        """Return whether a value is within the bound."""
        return value >= self.bound if self.least else value <= self.bound


def _times(entry: str, other: str, clock: str = "cpu") -> Callable[[Any], list[float]]:
    def of(contest: Any) -> list[float]:
        found = ratios(contest, entry, other, clock)
        return [] if found is None else [found[0]]

    return of


def _seconds(entry: str, factor: float) -> Callable[[Any], list[float]]:
    def of(contest: Any) -> list[float]:
        there = measured(contest)
        return [factor / per_second(there[entry], "cpu")] if entry in there else []

    return of


def _outside(contest: Any) -> list[float]:
    shares = [[r["outside"] for r in e["rounds"]] for e in measured(contest).values()]
    return [100 * max(map(median, shares))]


def _of(hidden: int) -> tuple[str, ...]:
    return tuple(f"members-{cell}-{hidden}" for cell in WRITTEN)


TARGETS = (
    Target("64 members beside JAX, hidden 4", "≥ 10 ×", 10, "×", _of(4),
           _times("fused-64", "jax-64")),
    Target("64 members beside JAX, hidden 16", "≥ 4 ×", 4, "×", _of(16),
           _times("fused-64", "jax-64")),
    Target("inside the Trainer beside template Lightning, hidden 4", "≥ 300 ×", 300, "×",
           ("alone",), _times("fused-in-trainer", "template")),
    Target("delta, 64 members beside stacked", "≥ 5 ×", 5, "×", ("members-delta-4",),
           _times("fused-64", "stacked-64")),
    Target("copying, of a chunk", "≤ 3 %", 3, "%", ("copying",), _outside, least=False),
    Target("two threads beside one, wall time", "≥ 1.8 ×", 1.8, "×",
           (*_of(4), *_of(16), "members-delta-4"), _times("fused-64-on-2", "fused-64", "wall")),
    Target("compiling a new cell", "< 0.7 CPU-s", 0.7, "CPU-s", ("making",),
           _seconds("compile", 1), least=False),
    Target("reloading its machine code", "< 5 ms", 5, "CPU-ms", ("making",),
           _seconds("code", 1e3), least=False),
    Target("reloading, from the network on", "< 5 ms", 5, "CPU-ms", ("making",),
           _seconds("reload", 1e3), least=False),
)  # fmt: skip

_WIDTHS = [64, 96, 128, 192, 256, 384]
WIDTHS = (
    Axis("hidden", "rnn", GROWING, _WIDTHS,
         dict.fromkeys(("fused", "autograd", "autograd-2", "loop", "loop-2")), {"cell": "rnn"}),
    Axis("hidden", "lstm", GROWING, _WIDTHS,
         dict.fromkeys(("fused", "autograd", "autograd-2")), {"cell": "lstm"}),
)  # fmt: skip
