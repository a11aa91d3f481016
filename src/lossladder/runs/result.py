"""What came of a run, as `result.json` keeps it: one schema that writes, reads and validates."""

import json
import math
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from lossladder.runs.atomic import atomic_write

FILE = "result.json"
# done: came to its end. stopped: early, by `trainer.stop_above`. diverged: the loss did. failed: by
# a fault of its own, or the network saw its answers. interrupted: from outside, by a signal, a full
# disk or the death of its process
STATUSES = ("done", "stopped", "diverged", "failed", "interrupted")
# once more, these would come out the same
_ENDED = ("done", "stopped", "diverged")
# These stand in the file even where they are unknown, so that a program finds them in every one;
# other unknowns are left out of it.
_ALWAYS = ("why", "loss", "floor", "above_floor", "rung", "steps_per_second")


class RunFailedError(RuntimeError):
    """The run did not end well; its folder says why, if that could be written."""


class RunCutOffError(RunFailedError):
    """The run was ended from outside, and can go on: what it would have come to is not known."""


class Damaged(NamedTuple):
    """A file that is not as a run leaves it, and why: "its result.json cannot be read: …"."""

    # a value and no exception: one such file among ten thousand must stop no report
    why: str


@dataclass(frozen=True, slots=True)
class RungRecord:
    """A rung as a result keeps it.

    Args:
        name: short name.
        loss: exact loss of its predictor.
        knows: what the predictor knows, in plain words.
        reached_at: update at which the loss passed it; None: never.
        includes: names of the rungs just above it, whose knowledge is part of its own; None, in
            results of older versions: nobody knows.
    """

    name: str
    loss: float
    knows: str = ""
    reached_at: int | None = None
    # runs of older versions are held against the same ladder
    includes: tuple[str, ...] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CurveRecord:
    """A loss curve as a result keeps it.

    Args:
        updates: last update of each point.
        loss: of each point; no number where a run diverged.
    """

    updates: Sequence[int] = ()
    loss: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class SnapshotsRecord:
    """What a network was like at each validation, as a result keeps it.

    Args:
        updates: made before each.
        share: part of what can be known that the loss shows; None where there is nothing to know.
        nearest: the rung whose predictor the network was most like.
        divergences: from the predictor of each rung, by name.
    """

    updates: Sequence[int]
    share: Sequence[float | None]
    nearest: Sequence[str]
    divergences: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Result(Mapping[str, Any]):
    """What came of a run; docs/metrics.md defines every key with its unit.

    It reads as a mapping as well, with the keys that `result.json` has.

    >>> result = Result(task="echo", model="rnn", engine="fused", seed=0, status="failed")
    >>> result.status, result["loss"], "mistakes" in result
    ('failed', None, False)
    """

    task: str
    model: str
    engine: str
    seed: int
    status: str
    why: str | None = None
    seconds: float | None = None
    loss: float | None = None
    standard_error: float | None = None
    unit: str = "nats"
    floor: float | None = None
    above_floor: float | None = None
    divergence: float | None = None
    divergence_error: float | None = None
    standing: str | None = None
    stands_on: str | None = None
    knows: str | None = None
    share: float | None = None
    rung: str | None = None
    refitted_loss: float | None = None
    refitted_saved: float | None = None
    refitted_on: str | None = None
    nearest: str | None = None
    divergences: Mapping[str, float] | None = None
    uses: Sequence[Mapping[str, float | None]] | None = None
    memory: Sequence[Mapping[str, float | str | None]] | None = None
    theory: Sequence[Mapping[str, Any]] | None = None
    leak: float | None = None
    leaks: bool | None = None
    error: float | None = None
    mistakes: int | None = None
    sequences: int | None = None
    test_error: float | None = None
    train_error: float | None = None
    train_loss: float | None = None
    loss_of_shown: float | None = None
    hidden_sequences: int | None = None
    hidden_classes: Sequence[int] | None = None
    engine_why: str | None = None
    rungs: Sequence[RungRecord] = ()
    steps: int = 0
    steps_per_second: float | None = None
    training_seconds: float | None = None
    parameters: int | None = None
    curve: CurveRecord = field(default_factory=CurveRecord)
    validation: CurveRecord = field(default_factory=CurveRecord)
    snapshots: SnapshotsRecord | None = None
    length: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        if key not in _KEYS or ((value := getattr(self, key)) is None and key not in _ALWAYS):
            raise KeyError(key)
        return _plain(value)

    def __iter__(self) -> Iterator[str]:
        return (key for key in _KEYS if key in _ALWAYS or getattr(self, key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def write(self, folder: Path) -> None:
        """Write `result.json` into the folder of the run, all or nothing."""
        with atomic_write(folder / FILE) as scratch, scratch.open("w", encoding="utf-8") as file:
            # JSON has no word for what is infinite or no number
            json.dump(dict(self), file, indent=2, allow_nan=False)
            file.flush()
            # a run has ended only when its result survives a power cut
            os.fsync(file.fileno())

    @classmethod
    def parse(cls, values: Any) -> "Result":
        """Return the result that plain values describe.

        Raises:
            ValueError: if they are not as a run leaves them.
        """
        if not isinstance(values, dict):
            raise ValueError("is no result of a run")
        checked: dict[str, Any] = {}
        for name, read in _READERS.items():
            if values.get(name) is not None:
                try:
                    checked[name] = read(values[name])
                except ValueError as error:
                    raise ValueError(f"is no result of a run, by its {name}") from error
            elif name in _REQUIRED:
                raise ValueError(f"is no result of a run: it has no {name}")
        if checked["status"] not in STATUSES:
            raise ValueError(f"is no result of a run: its status is {checked['status']!r}")
        return cls(**checked)


def read_result(folder: Path) -> Result | Damaged | None:
    """Return what the folder of a run keeps of its end; None: the run has not ended."""
    try:
        return Result.parse(json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Damaged(f"its {FILE} cannot be read: {error.strerror}")
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; what nests too deep is neither
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        words = words if words.startswith("is no result") else f"cannot be read: {words}"
        return Damaged(f"its {FILE} {words}")


def ended(folder: Path) -> Result | None:
    """Return the result of a run that has come to its end; None: it goes on, or begins anew."""
    found = read_result(folder)
    return found if isinstance(found, Result) and found.status in _ENDED else None


# squares of what is smaller are still numbers, and so are standard deviations
_HUGE = 1e100
_NONE = type(None)
_KEYS = tuple(each.name for each in fields(Result))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, RungRecord | CurveRecord | SnapshotsRecord):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _only(*kinds: type) -> Callable[[Any], Any]:
    """Return a reader of values of these very types: JSON's `true` is no number."""

    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError
        return value

    return read


_text, _flag, _list, _mapping = _only(str), _only(bool), _only(list), _only(dict)


def _whole(value: Any) -> int:
    # NumPy, which pictures are drawn with, has no larger ones
    if abs(_only(int)(value)) >= 2**63:
        raise ValueError
    return value


def _number(value: Any) -> float | None:
    """Return a number; None for what no mean may hold: infinite, no number, or too large."""
    return value if abs(_only(int, float)(value)) < _HUGE else None


def _numbers(value: Any) -> dict[str, float | None]:
    """Return numbers by name; None where there is none."""
    return {key: None if v is None else _number(v) for key, v in _mapping(value).items()}


def _rung(value: Any) -> RungRecord:
    rung = _mapping(value)
    loss, reached = _number(rung.get("loss")), rung.get("reached_at")
    if loss is None:
        raise ValueError
    at = None if reached is None else _whole(reached)
    above = rung.get("includes")
    includes = None if above is None else tuple(_text(name) for name in _list(above))
    return RungRecord(_text(rung.get("name")), loss, _text(rung.get("knows", "")), at, includes)


def _mark(value: Any) -> dict[str, float | str | None]:
    mark = _mapping(value)
    loss, states = _number(mark.get("loss")), mark.get("states")
    if loss is None:
        raise ValueError
    words = {key: _text(mark.get(key, "")) for key in ("name", "says")}
    # of a state of many bits there are more than fit into 64 of them
    states = None if states is None else _only(int)(states)
    return {**words, "loss": loss, "states": states, "attained": _flag(mark.get("attained", False))}


# of a statement of theory, what is text in every one
_STATED = ("statement", "source", "says", "kind", "bound")


def _theory(value: Any) -> dict[str, Any]:
    mark = _mapping(value)
    loss, rung, agrees = (mark.get(key) for key in ("loss", "rung", "agrees"))
    return {
        **{key: _text(mark.get(key, "")) for key in _STATED},
        "asymptotic": _flag(mark.get("asymptotic", False)),
        "loss": None if loss is None else _number(loss),
        "rung": None if rung is None else _text(rung),
        "agrees": None if agrees is None else _text(agrees),
    }


def _curve(value: Any) -> CurveRecord:
    match value:
        case {"updates": list(updates), "loss": list(loss)} if len(updates) == len(loss):
            # by whole lists, because there may be ten thousand runs of a thousand points
            whole = set(map(type, updates)) <= {int} and set(map(type, loss)) <= {int, float, _NONE}
            if whole and all(map(operator.le, [0, *updates], [*updates, 2**63])):
                # None: a loss that was no number, for which JSON has no word
                losses = [
                    float(one) if one is not None and abs(one) < _HUGE else math.nan for one in loss
                ]
                return CurveRecord(updates, losses)
    raise ValueError


def _snapshots(value: Any) -> SnapshotsRecord:
    def numbers(values: Any) -> list[float | None]:
        return [None if one is None else _number(one) for one in _list(values)]

    found = _mapping(value)
    updates = [_whole(one) for one in _list(found.get("updates"))]
    nearest = [_text(one) for one in _list(found.get("nearest"))]
    away = {name: numbers(each) for name, each in _mapping(found.get("divergences")).items()}
    shares = numbers(found.get("share"))
    if {len(updates)} != {len(each) for each in (shares, nearest, *away.values())}:
        raise ValueError
    return SnapshotsRecord(updates, shares, nearest, away)


_REQUIRED = ("task", "model", "engine", "seed", "status", "rungs", "curve", "steps")
_READER_OF: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    str | None: _text,
    bool | None: _flag,
    int: _whole,
    int | None: _whole,
    float | None: _number,
    Sequence[int] | None: lambda value: [_whole(one) for one in _list(value)],
    Mapping[str, float] | None: lambda value: _numbers(value),
    Sequence[Mapping[str, float | None]] | None: lambda value: [_numbers(v) for v in _list(value)],
    Mapping[str, str]: lambda value: {k: _text(v) for k, v in _mapping(value).items()},
    Sequence[Mapping[str, float | str | None]] | None: lambda value: [
        _mark(one) for one in _list(value)
    ],
    Sequence[Mapping[str, Any]] | None: lambda value: [_theory(one) for one in _list(value)],
    Sequence[RungRecord]: lambda value: tuple(_rung(one) for one in _list(value)),
    CurveRecord: _curve,
    SnapshotsRecord | None: _snapshots,
}
_READERS = {each.name: _READER_OF[each.type] for each in fields(Result)}
