"""The folder of a sweep, read back: its runs, and what tells them apart."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.checks import RequestError
from lossladder.runs.folder import CHECKPOINT, CONFIG, LOG, NOT_IDENTITY, read_flat_config
from lossladder.runs.result import FILE, CurveRecord, Damaged, Result, RungRecord, read_result
from lossladder.sweeps.job import identity_in
from lossladder.sweeps.manifest import read_manifest

GOING = "going"  # the status of a run that has left no result yet
BINS = 160  # points of a curve at most: what a picture can show
Setting = tuple[tuple[str, str], ...]  # (key, value), as on the command line

_LEFT = (CONFIG, FILE, LOG, Path(CHECKPOINT).parts[0])  # a folder with one of them is a run's
_LEAK = "its loss lies under what the exact law attains: it sees what it is to predict"


# --- a run ------------------------------------------------------------------------------------


class LadderRecord(NamedTuple):
    """What the runs of a task are held against, as their results have it; the ceiling first."""

    task: str
    rungs: tuple[RungRecord, ...]
    unit: str = "nats"  # of the losses, per scored step

    @property
    def span(self) -> float:
        """Loss from floor to ceiling."""
        return (self.rungs[0].loss - self.rungs[-1].loss) or 1.0


class BinnedCurve(NamedTuple):
    """The training loss of one run, thinned.

    Args:
        updates: (points,)
        losses: (points,), nats per scored step.
    """

    updates: NDArray[np.float64]
    losses: NDArray[np.float32]


@dataclass(slots=True)
class RunSummary:
    """What a report keeps of a run: a tenth of its result, because there may be ten thousand.

    Args:
        folder: its own.
        config: flat: `model.hidden_size` -> "16".
        task, model: names.
        seed: of weights and data.
        status: as in `result.json`, or `going`.
        why: what ended a run that failed, in one line.
        ladder: None while there is no result; so with all that follows.
        reached: update at which each rung was first reached, the ceiling first.
        curve: None also if the run ended before its first update.
        grows: whether sequences grew in training; then the curve is that of validation.
    """

    folder: Path
    config: Mapping[str, str]
    task: str
    model: str
    seed: int
    status: str = GOING
    why: str = ""
    ladder: LadderRecord | None = None
    loss: float | None = None
    standard_error: float | None = None
    above_floor: float | None = None
    rung: str | None = None
    reached: tuple[int | None, ...] = ()
    mistakes: int | None = None
    steps: int | None = None
    seconds: float | None = None
    training_seconds: float | None = None
    curve: BinnedCurve | None = None
    grows: bool = False
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        """Whether its loss counts: it was trained to its end, and found to be honest."""
        return self.status == "done"


_AS_THEY_ARE = ("task", "model", "loss", "standard_error", "above_floor", "rung", "mistakes",
                "steps", "seconds", "training_seconds")  # fmt: skip


def read_run(folder: Path) -> RunSummary | Damaged:
    """Return what a report keeps of a run, or what is wrong with its folder."""
    try:
        config = read_flat_config(folder)
        task, model, seed = config["names.task"], config["names.model"], int(config["seed"])
    except FileNotFoundError:
        return Damaged(f"has no {CONFIG}")
    except OSError as error:
        return Damaged(f"its {CONFIG} cannot be read: {error.strerror}")
    except Exception as error:  # yaml has exceptions of many kinds, and none for another's file
        return Damaged(f"its {CONFIG} is no config of a run: {' '.join(str(error).split())}")
    run = RunSummary(folder, config, task, model, seed)
    result = read_result(folder)
    if isinstance(result, Result):
        if not result.rungs and result.status != "failed":
            return Damaged(f"its {FILE} is no result of a run: it has no ladder")
        _add(run, result)
    return result if isinstance(result, Damaged) else run


def _add(run: RunSummary, result: Result) -> None:
    run.status = result.status
    if result.status == "failed":
        run.why = _LEAK if result.leaks else result.why or "no reason known"
        if not result.rungs:  # its process died, and somebody else wrote this
            return
    rungs = (
        # rounded, because another machine may have another last digit
        RungRecord(rung.name, round(rung.loss, 12), rung.knows)
        for rung in result.rungs
    )
    run.ladder = _one(LadderRecord(result.task, tuple(rungs), result.unit))
    run.reached = tuple(rung.reached_at for rung in result.rungs)
    for key in _AS_THEY_ARE:
        setattr(run, key, getattr(result, key))
    # the loss that the ladder holds for: not that of training on sequences that grow
    run.grows = result.length is not None
    run.curve = binned(result.validation if run.grows else result.curve)
    run.versions = _one(tuple(sorted(result.versions.items())))


@cache
def _one(value: Any) -> Any:
    """Return the first of all equal values: ten thousand runs keep one ladder."""
    return value


def binned(curve: CurveRecord) -> BinnedCurve | None:
    """Return means over equal parts of the logarithmic axis, each at its last update.

    Late parts hold many points, which would be drawn over one another as a thick band of noise.
    What a diverging run logged last is no number, and left out; None: nothing is left.
    """
    both = np.array([curve.updates, curve.loss], dtype=np.float64)
    # there is no update 0 on a logarithmic axis, and no such loss in single precision
    made, loss = both[:, (both[0] > 0) & (abs(both[1]) < 1e30)]
    if len(made) == 0:
        return None
    edges = np.geomspace(made[0], made[-1], BINS + 1)[1:-1]
    _, starts = np.unique(np.searchsorted(edges, made), return_index=True)
    counts = np.diff(np.append(starts, len(made)))
    means = np.add.reduceat(loss, starts) / counts
    return BinnedCurve(made[starts + counts - 1], means.astype(np.float32))


# --- a sweep ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """Runs that were asked for together.

    Args:
        folder: in which they lie, each in a folder of its own.
        commands: that made them, the latest last; none where no record tells.
        runs: all that can be read, in the order of their names.
        settings: (runs,); what sets each apart, its seed left aside.
        damaged: (name, what is wrong) of what cannot be read.
        asked: how many runs were asked for, or are there.
        not_begun: how many of them have left nothing.
    """

    folder: Path
    commands: Sequence[str]
    runs: Sequence[RunSummary]
    settings: Sequence[Setting]
    damaged: Sequence[tuple[str, str]]
    asked: int
    not_begun: int

    @property
    def keys(self) -> list[str]:
        """What was varied besides the seed."""
        return [key for key, _ in self.settings[0]] if self.settings else []

    def values(self, key: str) -> list[str]:
        """All that a key was set to: numbers by size, words as they came."""
        return in_order(dict.fromkeys(value for s in self.settings for k, value in s if k == key))

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how, or go on."""
        return Counter(run.status for run in self.runs)

    @property
    def versions(self) -> dict[str, list[str]]:
        """Package -> versions that runs were made with."""
        found: dict[str, set[str]] = {}
        for versions in {run.versions for run in self.runs}:
            for package, version in versions:
                found.setdefault(package, set()).add(version)
        return {package: sorted(versions) for package, versions in found.items()}


def read_sweep(folder: Path) -> Sweep:
    """Return every run in a folder.

    Raises:
        RequestError: if there is none; the message says what to name instead.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder; name the folder of a sweep")
    if (folder / CONFIG).exists():
        raise RequestError(f"{folder}: is a single run; name the folder of a sweep")
    found = [path for path in folder.iterdir() if any((path / left).exists() for left in _LEFT)]
    if not found:
        raise RequestError(f"{folder}: holds no runs; name the folder of a sweep")
    asked = read_manifest(folder)
    begun, damaged = {identity_in(path.name) or path.name for path in found}, [*asked.damaged]
    runs: list[RunSummary] = []
    common: dict[str, str] = {}  # the first config: of the others, what sets them apart is kept
    for path in sorted(found, key=_natural):
        run = read_run(path)
        if isinstance(run, Damaged):
            damaged.append((path.name, run.why))
            continue
        common = common or dict(run.config)
        keys = common.keys() | run.config.keys()
        here, there = run.config, common
        run.config = {k: here.get(k, "") for k in keys if here.get(k, "") != there.get(k, "")}
        runs.append(run)
    varied = {key for run in runs for key in run.config}
    configs = [{key: run.config.get(key, common.get(key, "")) for key in varied} for run in runs]
    return Sweep(
        folder=folder,
        commands=asked.commands,
        runs=runs,
        settings=settings(configs, asked.keys),
        damaged=damaged,
        asked=len(asked.jobs | begun),
        not_begun=len(asked.jobs - begun),
    )


def in_order(values: Iterable[str]) -> list[str]:
    """Return numbers by size, words as they come.

    >>> in_order(["10", "1", "5"]), in_order(["rnn", "gru"])
    (['1', '5', '10'], ['rnn', 'gru'])
    """
    numbers = [(typed(value), value) for value in values]
    if any(isinstance(number, str) for number, _ in numbers):
        return [value for _, value in numbers]
    return [value for _, value in sorted(numbers)]


def typed(value: str) -> int | float | str:
    """Return a value of the command line as a number, if it is one.

    >>> [typed(value) for value in ("4", "1e-3", "rnn", "nan")]
    [4, 0.001, 'rnn', 'nan']
    """
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if abs(number) < 1e300 else value
    return value


def _natural(path: Path) -> list[tuple[float, str]]:
    """Return a key that sorts numbers in names by size: the tenth comes after the ninth."""
    parts = re.split(r"(\d+(?:\.\d+)?)", path.name)
    return [(math.inf, p) if place % 2 == 0 else (float(p), "") for place, p in enumerate(parts)]


# --- what tells runs apart --------------------------------------------------------------------

_LEFT_OUT = ("seed", "resume", *NOT_IDENTITY)  # `seed` only says which one of several
# Keys are tried in this order: a choice (model=lstm) says all that the keys it brings along do. The
# engine comes last: it changes the speed of a run, not its losses.
_ORDER = ("names.task", "names.model", "model", "task", "optimizer", "data", "trainer", "readout",
          "names.engine", "engine")  # fmt: skip


def settings(configs: Sequence[Mapping[str, str]], wanted: Collection[str] = ()) -> list[Setting]:
    """Return one setting a run; equal for runs that differ in nothing but their seed.

    A key is left out where the keys before it determine its value, unless it is one of `wanted`
    (`model`, `optimizer.lr`) and has several values.

    >>> rnn, lstm = {"names.model": "rnn", "a.b": "1"}, {"names.model": "lstm", "a.b": "2"}
    >>> settings([rnn, lstm])
    [(('model', 'rnn'),), (('model', 'lstm'),)]
    >>> settings([rnn, {**rnn, "a.b": "3"}])
    [(('a.b', '1'),), (('a.b', '3'),)]
    """
    keys = sorted({key for config in configs for key in config} - set(_LEFT_OUT), key=_rank)
    found: list[Setting] = [() for _ in configs]
    for key in keys:
        name, values = _said(key, [config.get(key, "") for config in configs])
        named = any(name == key for key, _ in found[0])
        told = name in wanted and not named and len(set(values)) > 1
        if told or len(set(zip(found, values, strict=True))) > len(set(found)):
            found = [(*s, (name, value)) for s, value in zip(found, values, strict=True)]
    return found


def _said(key: str, values: list[str]) -> tuple[str, list[str]]:
    """Return key and values as on the command line; a class by its group and its bare name."""
    if key.endswith("._target_"):
        return key.removesuffix("._target_"), [value.rpartition(".")[2] for value in values]
    return key.removeprefix("names."), values


def labels(found: Sequence[Setting]) -> dict[Setting, str]:
    """Return a short name for each setting: what sets it apart from those named alike so far.

    >>> small, large = (("model", "rnn"), ("n", "4")), (("model", "rnn"), ("n", "9"))
    >>> list(labels([small, large, (("model", "lstm"), ("n", "9"))]).values())
    ['rnn, n 4', 'rnn, n 9', 'lstm']
    """
    names = dict.fromkeys(found, "")
    for place, (key, _) in enumerate(found[0] if found else ()):
        alike: dict[str, set[str]] = {}
        for setting, name in names.items():
            alike.setdefault(name, set()).add(setting[place][1])
        for setting, name in names.items():
            if len(alike[name]) > 1:
                value = setting[place][1] or "unset"  # a knob that this run does not have
                word = value if key in ("task", "model", "engine") else f"{short(key)} {value}"
                names[setting] = f"{name}, {word}" if name else word
    return names


def short(key: str) -> str:
    """Return a key as a few words.

    >>> short("model.hidden_size")
    'hidden size'
    """
    return key.rpartition(".")[2].replace("_", " ").strip()


def _rank(key: str) -> tuple[int, bool, str]:
    group = key if key in _ORDER else key.partition(".")[0]
    place = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    return place, not key.endswith("_target_"), key
