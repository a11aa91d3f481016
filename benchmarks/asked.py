"""What was asked of the library before it was written, row by row, beside what it does."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.results import measured, per_second, share_of_floor


class Ask(NamedTuple):
    """One figure.

    Args:
        row: what it is about.
        contest: in which it is measured.
        ours: our entry; the first of these that was measured.
        against: the peer's entry; floor: the machine's own.
        ratio: at least so many times the peer; for the floor, at most so many times as long.
        clock: cpu or wall.
    """

    row: str
    contest: str
    ours: tuple[str, ...]
    against: str
    ratio: float
    clock: str = "cpu"


_IN_TRAINER = ("auto-in-trainer", "fused-in-trainer", "autograd-in-trainer")
_HIDDEN_4 = "echo, hidden 4, window 5, 1 member, inside the Trainer"
_HIDDEN_16 = "echo, hidden 16, window 10, 1 member"
_MEMBERS = "echo, 64 members, hidden {}: member-updates"

ASKED = (
    Ask(_HIDDEN_4, "echo-4", _IN_TRAINER, "jax-1", 7),
    Ask(_HIDDEN_4, "echo-4", _IN_TRAINER, "notebook", 80),
    Ask(_HIDDEN_4, "echo-4", _IN_TRAINER, "template", 500),
    Ask(_HIDDEN_16, "echo-16", ("fused-1", "autograd"), "jax-1", 3.5),
    Ask(_HIDDEN_16, "echo-16", ("fused-1", "autograd"), "floor", 1.3),
    Ask(_MEMBERS.format(4), "echo-4", ("fused-64",), "jax-64", 7),
    Ask(_MEMBERS.format(16), "echo-16", ("fused-64",), "jax-64", 4.5),
    Ask("the same on two cores, hidden 4", "echo-4", ("fused-64-on-2",), "fused-64", 1.7, "wall"),
    Ask("the same on two cores, hidden 16", "echo-16", ("fused-64-on-2",), "fused-64", 1.7, "wall"),
    Ask("count, LSTM of 12", "count", ("fused-1", "autograd"), "jax-1", 5),
    Ask("count, LSTM of 12", "count", ("fused-1", "autograd"), "torch-loop", 12),
    Ask("count, LSTM of 12", "count", ("fused-1", "autograd"), "floor", 2.5),
    Ask(
        "parity, 10 000 × 50, hidden 25, an iteration",
        "parity",
        ("fused-1", "autograd"),
        "notebook",
        10,
    ),
    Ask(
        "64 one-epoch runs as one sweep, start-up and report included",
        "runs",
        ("sweep",),
        "processes",
        80,
        "wall",
    ),
    Ask(
        "the same as members alone, start-up apart",
        "runs",
        ("members-apart",),
        "processes",
        80,
        "wall",
    ),
    Ask("128 runs as one sweep, with its report", "sweep", ("sweep",), "one-by-one", 40, "wall"),
    Ask("a million echo symbols", "data", ("ours",), "notebook", 1000),
    Ask("a user's own cell, 64 members, a member", "echo-4", ("stacked-64",), "template", 20),
)


class Answer(NamedTuple):
    """What was measured: who of ours, the ratio, and whether it suffices; None: not measured."""

    ask: Ask
    ours: str
    peer: str
    ratio: float | None

    @property
    def met(self) -> bool | None:
        """Whether it is what was asked; None: not known."""
        if self.ratio is None:
            return None
        below = self.ask.against == "floor"
        return self.ratio <= self.ask.ratio if below else self.ratio >= self.ask.ratio


def answers(contests: Mapping[str, Any]) -> list[Answer]:
    """Every figure that was asked, with the one measured."""
    return [_answer(ask, contests.get(ask.contest)) for ask in ASKED]


def _answer(ask: Ask, contest: Mapping[str, Any] | None) -> Answer:
    ran = measured(contest) if contest is not None else {}
    ours = next((name for name in ask.ours if name in ran), None)
    peer = "the floor" if ask.against == "floor" else ask.against
    if contest is None or ours is None or (ask.against != "floor" and ask.against not in ran):
        return Answer(ask, ours or ask.ours[0], peer, None)
    if ask.against == "floor":
        return Answer(ask, ran[ours]["label"], "the floor", share_of_floor(contest, ran[ours]))
    speeds = (per_second(ran[name], ask.clock) for name in (ours, ask.against))
    mine, theirs = speeds
    return Answer(ask, ran[ours]["label"], ran[ask.against]["label"], mine / theirs)
