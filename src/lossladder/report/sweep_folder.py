"""The folder of a sweep, read back: its runs, and what tells them apart."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.checks import RequestError
from lossladder.runs.folder import CHECKPOINT, CONFIG, LOG, read_flat_config
from lossladder.runs.identity import NOT_IDENTITY, identity_in
from lossladder.runs.result import FILE, CurveRecord, Damaged, Result, RungRecord, read_result
from lossladder.sweeps.manifest import read_manifest

GOING = "going"  # the status of a run that has left no result yet
BINS = 160  # points of a curve at most: what a picture can show
Setting = tuple[tuple[str, str], ...]  # (key, value), as on the command line

# A folder that holds one of them is a run's; that of TensorBoard's reference lines holds none.
_LEFT = (CONFIG, FILE, LOG, Path(CHECKPOINT).parts[0])
_LEAK = "its loss lies under what the exact law attains: it sees what it is to predict"
_HOPELESS = "the loss became infinite, no number or hopelessly large"
# Of a use, what a report shows; the first three are always known.
USE = ("lag", "variation", "variation_error", "true_variation", "effect", "true_effect")
# Ten thousand runs keep one ladder: the first of all that are equal.
_one = cache(lambda ladder: ladder)


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
    """The training loss of one run, thinned."""

    updates: NDArray[np.float64]  # (points,)
    losses: NDArray[np.float32]  # (points,), nats per scored step


@dataclass(slots=True)
class RunSummary:
    """What a report keeps of a run: a tenth of its result, because there may be ten thousand."""

    folder: Path
    config: Mapping[str, str]  # flat: `model.hidden_size` -> "16"
    result: Result  # without rungs, curves and uses; where there is none yet, its status is `going`
    ladder: LadderRecord | None = None  # None while there is no result
    reached: tuple[int | None, ...] = ()  # update at which the loss first passed each rung
    curve: BinnedCurve | None = None  # None if the run ended before its first update
    uses: NDArray[np.float32] | None = None  # (lags, `USE`), NaN where unknown; None: no input

    @property
    def done(self) -> bool:
        """Whether its loss counts: it was trained to its end, and found to be honest."""
        return self.result.status == "done"

    @property
    def why(self) -> str:
        """What ended a run that ended badly, in one line."""
        if self.result.status == "diverged":
            return self.result.why or _HOPELESS
        return _LEAK if self.result.leaks else self.result.why or "no reason known"


def read_run(folder: Path) -> RunSummary | Damaged:
    """Return what a report keeps of a run, or what is wrong with its folder."""
    try:
        config = read_flat_config(folder)
        task, model, seed = config["names.task"], config["names.model"], int(config["seed"])
    except FileNotFoundError:
        return Damaged(f"has no {CONFIG}")
    except OSError as error:
        return Damaged(f"its {CONFIG} cannot be read: {error.strerror}")
    # yaml has exceptions of many kinds, and none for another's file.
    except Exception as error:
        return Damaged(f"its {CONFIG} is no config of a run: {' '.join(str(error).split())}")
    result = read_result(folder)
    if isinstance(result, Damaged):
        return result
    if result is None:
        return RunSummary(folder, config, Result(task, model, "", seed, GOING))
    if not result.rungs:
        if result.status not in ("failed", "interrupted"):
            return Damaged(f"its {FILE} is no result of a run: it has no ladder")
        # The run's process died before it knew one: what had started it wrote this result.
        return RunSummary(folder, config, replace(result, seed=seed))
    # Another machine may have another last digit, and would seem to have another ladder.
    rungs = tuple(
        RungRecord(rung.name, round(rung.loss, 12), rung.knows, includes=rung.includes)
        for rung in result.rungs
    )
    none = CurveRecord()
    kept = replace(
        result,
        seed=seed,
        rungs=(),
        curve=none,
        validation=none,
        divergences=None,
        uses=None,
        snapshots=None,
    )
    if kept.divergence is None:
        # Older versions did not measure it; what they did differs from it by sampling alone.
        kept = replace(kept, divergence=result.above_floor, divergence_error=result.standard_error)
    return RunSummary(
        folder,
        config,
        kept,
        _one(LadderRecord(result.task, rungs, result.unit)),
        tuple(rung.reached_at for rung in result.rungs),
        # Where sequences grow in training, the ladder holds for those of validation alone.
        binned(result.curve if result.length is None else result.validation),
        _compact(result.uses or ()),
    )


def _compact(uses: Sequence[Mapping[str, float | None]]) -> NDArray[np.float32] | None:
    table = np.array([[use.get(key) for key in USE] for use in uses], dtype=np.float64)
    table = table.reshape(-1, len(USE)).clip(-1e9, 1e9)
    told = table[np.isfinite(table[:, :3]).all(axis=1)].astype(np.float32)
    return told if len(told) else None


def binned(curve: CurveRecord) -> BinnedCurve | None:
    """Return means over equal parts of the logarithmic axis, each at its last update.

    Late parts hold many points, which would be drawn over one another as a thick band of noise.
    What a diverging run logged last is no number, and left out; None: nothing is left.
    """
    both = np.array([curve.updates, curve.loss], dtype=np.float64)
    # There is no update 0 on a logarithmic axis, and no such loss in single precision.
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
    """Runs that were asked for together."""

    folder: Path
    commands: Sequence[str]  # that made them, the latest last; none where no record tells
    runs: Sequence[RunSummary]  # all that can be read, in the order of their names
    settings: Sequence[Setting]  # (runs,); what sets each apart, its seed left aside
    damaged: Sequence[tuple[str, str]]  # (name, what is wrong) of what cannot be read
    asked: int  # how many runs were asked for, or are there
    not_begun: int  # how many of them have left nothing
    common: Mapping[str, str]  # of a config, what `RunSummary.config` leaves out

    @property
    def keys(self) -> list[str]:
        """What was varied besides the seed."""
        return [key for key, _ in self.settings[0]] if self.settings else []

    def values(self, key: str) -> list[str]:
        """Return all that a key was set to: numbers by size, words as they came."""
        found = dict.fromkeys(value for s in self.settings for k, value in s if k == key)
        return sorted(found, key=float) if are_numbers(found) else [*found]

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how, or go on."""
        return Counter(run.result.status for run in self.runs)

    @property
    def versions(self) -> dict[str, list[str]]:
        """Package -> versions that runs were made with."""
        pairs = {pair for run in self.runs for pair in run.result.versions.items()}
        packages = sorted({package for package, _ in pairs})
        return {name: sorted(v for package, v in pairs if package == name) for name in packages}


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
    manifest = read_manifest(folder)
    begun, damaged = {identity_in(path.name) or path.name for path in found}, [*manifest.damaged]
    runs: list[RunSummary] = []
    common: dict[str, str] = {}
    for path in sorted(found, key=_natural):
        run = read_run(path)
        if isinstance(run, Damaged):
            damaged.append((path.name, run.why))
            continue
        # Of ten thousand configs only what differs from the first is kept.
        common = common or dict(run.config)
        both = {key: run.config.get(key, "") for key in common.keys() | run.config.keys()}
        run.config = {key: value for key, value in both.items() if value != common.get(key, "")}
        runs.append(run)
    varied = {key for run in runs for key in run.config}
    configs = [{key: run.config.get(key, common.get(key, "")) for key in varied} for run in runs]
    return Sweep(
        folder=folder,
        commands=manifest.commands,
        runs=runs,
        settings=settings(configs, manifest.keys),
        damaged=damaged,
        asked=len(manifest.jobs | begun),
        not_begun=len(manifest.jobs - begun),
        common=common,
    )


def _natural(path: Path) -> list[tuple[float, str]]:
    """Return a key that sorts numbers in names by size: the tenth comes after the ninth."""
    # With the brackets, every second part is a number; words sort after numbers, as infinity does.
    parts = re.split(r"(\d+(?:\.\d+)?)", path.name)
    return [(math.inf, p) if place % 2 == 0 else (float(p), "") for place, p in enumerate(parts)]


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
        # Neither `nan` nor infinity has a place in an order or on an axis.
        return number if abs(number) < 1e300 else value
    return value


def are_numbers(values: Iterable[str]) -> bool:
    """Return whether all values are numbers, so that they have an order, and places on an axis.

    >>> are_numbers(["10", "1", "5"]), are_numbers(["rnn", "gru"])
    (True, False)
    """
    return not any(isinstance(typed(value), str) for value in values)


# --- what tells runs apart --------------------------------------------------------------------

_LEFT_OUT = ("seed", "resume", *NOT_IDENTITY)  # `seed` only says which one of several
# Keys are tried in this order: a choice (model=lstm) says all that the keys it brings along do. The
# engine comes last: it changes the speed of a run, not its losses.
_ORDER = ("names.task", "names.model", "model", "task", "optimizer", "schedule", "data", "trainer",
          "readout", "names.engine", "engine")  # fmt: skip


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
    told = {key for config in configs for key in config if not key.startswith("suite.")}
    keys = sorted(told - set(_LEFT_OUT), key=_rank)
    found: list[Setting] = [() for _ in configs]
    for key in keys:
        name, values = key.removeprefix("names."), [config.get(key, "") for config in configs]
        # The command line names a class by its group, and a person by its bare name.
        if key.endswith("._target_"):
            name = key.removesuffix("._target_")
            values = [value.rpartition(".")[2] for value in values]
        named = any(name == key for key, _ in found[0])
        told = name in wanted and not named and len(set(values)) > 1
        # A key tells runs apart if there are more settings with it than without.
        if told or len(set(zip(found, values, strict=True))) > len(set(found)):
            found = [(*s, (name, value)) for s, value in zip(found, values, strict=True)]
    return found


def _rank(key: str) -> tuple[int, bool, str]:
    group = key if key in _ORDER else key.partition(".")[0]
    place = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    return place, not key.endswith("_target_"), key


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
        # A key is named where it tells apart those that are still called the same.
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
