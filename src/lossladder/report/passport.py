"""The passport of a network: what its runs of a suite came to, a row for each reported seed."""

import csv
import hashlib
import json
import math
import statistics
from ast import literal_eval
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lossladder.checks import RequestError
from lossladder.console import many
from lossladder.cores import machine
from lossladder.report.inference import Share, difference, fisher, holm
from lossladder.report.sweep_folder import RunSummary, Sweep
from lossladder.report.table import harmless
from lossladder.runs.verdict import kept_states, strongest
from lossladder.sweeps.suite import FIRST_TUNING_SEED

TABLE = "passport.csv"
REFERENCES = Path(__file__).with_name("references.csv")
_MEASURED = "length.json"  # what was measured of a run's length, kept beside it
# of a config, what makes two runs comparable: all but the network, its rate and its seed
_PROTOCOL = ("task", "data", "schedule", "readout", "optimizer")
_LENGTH = ("trainer.max_epochs", "trainer.max_steps", "trainer.gradient_clip", "trainer.stop_at")
_SAID = 0.05  # chance of being wrong in any one of the differences that are said
_MOVES = 0.04  # of a prediction, that an input has to move to count as used, as in the verdict


@dataclass(frozen=True)
class PassportRow:
    """A reported run of a suite.

    Args:
        network: its name.
        entry: level and name of the task: "easy/echo".
        protocol: twelve hexadecimal digits; runs of one protocol can be compared.
        seed: of the run.
        status: as in `result.json`.
        solved: whether it stands on the floor of the ladder, by loss and by behaviour.
        known: share of what can be known; None: not measured.
        reached: update at which its training loss had passed the floor; None: never.
        updates: made.
        learning_rate: chosen on other seeds.
        parameters: trained.
        state: numbers in the state; None: not said.
        microseconds: of an update.
        seconds: of the run, its share where several are trained together.
        tuning_seconds: of all runs by which the learning rate of the task was chosen.
        task: the choice in `conf/task`.
        standing: on, between, above_ceiling or below_floor.
        stands_on: the rung, if on one.
        loss: of the last checkpoint, per scored step.
        divergence: from the exact law, per scored step.
        unit: of both.
        rungs: [name, loss], the ceiling first.
        theory: [statement, loss, bound] of theorems that speak of it.
        keeps: least size of its state, from its loss; empty: nothing follows.
        lengths: [steps, known] of the median seed at 1 to 64 times the trained length.
        horizon: how many of the last inputs move the median seed's predictions; None: not measured.
        command: that made it and what else lies in its folder, a line each.
        machine: that the page was made on.
        versions: of packages.
    """

    network: str
    entry: str
    protocol: str
    seed: int
    status: str
    solved: bool
    known: float | None
    reached: int | None
    updates: int
    learning_rate: float
    parameters: int | None
    state: int | None
    microseconds: float | None
    seconds: float | None
    tuning_seconds: float = 0.0
    task: str = ""
    standing: str = ""
    stands_on: str = ""
    loss: float | None = None
    divergence: float | None = None
    unit: str = "nats"
    rungs: Sequence[tuple[str, float]] = ()
    theory: Sequence[tuple[str, float, str]] = ()
    keeps: str = ""
    lengths: Sequence[tuple[int, float]] = ()
    horizon: int | None = None
    command: str = ""
    machine: str = ""
    versions: str = ""


# --- from runs --------------------------------------------------------------------------------


def level_and_task(entry: str) -> tuple[str, str]:
    """Return of which level a task of a suite is, and what it is called in words.

    >>> level_and_task("paper/words_A5")
    ('paper', 'words A5')
    """
    level, _, task = entry.partition("/")
    return level, task.replace("_", " ")


def reported(sweep: Sweep) -> dict[tuple[str, str], list[RunSummary]]:
    """Return (network, entry) -> its reported runs that have ended, in the order of the suite."""
    found: dict[tuple[str, str], list[RunSummary]] = {}
    order: dict[str, int] = {}
    for run in sweep.runs:
        config = {**sweep.common, **run.config}
        if not (entry := config.get("suite.entry")):
            continue
        for own in entries_of(config["suite.tasks"]):
            order.setdefault(own, len(order))
        if run.result.seed < FIRST_TUNING_SEED and run.result.status in ("done", "diverged"):
            found.setdefault((config["suite.network"], entry), []).append(run)
    return {
        key: sorted(found[key], key=lambda run: run.result.seed)
        for key in sorted(found, key=lambda key: (key[0], order[key[1]]))
    }


def passport_rows(
    sweep: Sweep, measure: bool = True, packages: Collection[str] = ()
) -> list[PassportRow]:
    """Return the reported runs of a suite that have ended, in the order of the suite.

    Args:
        sweep: its folder, read.
        measure: whether to measure the median seed of each task.
        packages: that configs of runs may name classes of, besides the library's own.
    """
    tuning: dict[tuple[str, str], float] = {}
    for run in sweep.runs:
        config = {**sweep.common, **run.config}
        if (entry := config.get("suite.entry")) and run.result.seed >= FIRST_TUNING_SEED:
            key = config["suite.network"], entry
            tuning[key] = tuning.get(key, 0.0) + (run.result.seconds or 0.0)
    found: list[PassportRow] = []
    for key, runs in reported(sweep).items():
        median = sorted(runs, key=lambda run: run.result.share or 0.0)[(len(runs) - 1) // 2]
        measured = _measured(median, packages) if measure else {}
        found += [
            _row(sweep, run, *key, tuning.get(key, 0.0), measured if run is median else {})
            for run in runs
        ]
    return found


@cache
def entries_of(tasks: str) -> list[str]:
    """Return the tasks of a suite, as the flat config of a run has them.

    >>> entries_of("{'easy': {'echo': ['task=echo']}, 'paper': {'copy': ['task=copy']}}")
    ['easy/echo', 'paper/copy']
    """
    return [f"{level}/{name}" for level, names in literal_eval(tasks).items() for name in names]


def runs_asked(sweep: Sweep) -> dict[str, int]:
    """Return network -> how many runs a suite reports of it when it is finished."""
    # of one network the last command counts, which may ask for more seeds than an earlier one
    found: dict[str, int] = {}
    for run in sweep.runs:
        config = {**sweep.common, **run.config}
        if config.get("suite.entry"):
            count = len(entries_of(config["suite.tasks"])) * int(config["suite.seeds"])
            found[config["suite.network"]] = max(found.get(config["suite.network"], 0), count)
    return found


def unfinished(sweep: Sweep) -> str:
    """Return what a suite lacks in a sentence; empty: nothing, or the sweep is no suite."""
    asked = sum(runs_asked(sweep).values())
    left = asked - sum(map(len, reported(sweep).values()))
    if left <= 0:
        return ""
    total = many(asked, "run")
    return f"Not finished: {left} of {total} to report are missing; the same command goes on."


def _row(
    sweep: Sweep,
    run: RunSummary,
    network: str,
    entry: str,
    tuning_seconds: float,
    measured: Mapping[str, Any],
) -> PassportRow:
    config, result = {**sweep.common, **run.config}, run.result
    rungs = tuple((rung.name, rung.loss) for rung in run.ladder.rungs) if run.ladder else ()
    own = result.stands_on.split(" or ") if result.stands_on else []
    on_floor = result.standing == "on" and bool(rungs) and rungs[-1][0] in own
    keeps = ""
    if result.loss is not None and result.memory:
        told = kept_states(result.loss, result.standard_error or 0.0, result.memory) or ""
        # that it is more than none goes without saying
        more = told.startswith("more than") and not told.startswith("more than 1 state,")
        keeps = told.partition(",")[0] if more else ""
    return PassportRow(
        network=network,
        entry=entry,
        protocol=protocol(config),
        seed=result.seed,
        status=result.status,
        solved=on_floor and result.knows is not None,
        known=result.share if run.done else None,
        reached=run.reached[-1] if run.reached else None,
        updates=result.steps,
        learning_rate=float(config["optimizer.lr"]),
        parameters=result.parameters,
        state=_whole(config.get("model.state", "")),
        microseconds=1e6 / result.steps_per_second if result.steps_per_second else None,
        seconds=result.seconds,
        tuning_seconds=tuning_seconds,
        task=result.task,
        standing=result.standing or "",
        stands_on=result.stands_on or "",
        loss=result.loss,
        divergence=result.divergence if run.done else None,
        unit=result.unit,
        rungs=rungs,
        theory=tuple(
            (mark["statement"], mark["loss"], mark["bound"])
            for mark in strongest(result.theory or ())
        ),
        keeps=keeps,
        command="\n".join(sweep.commands),
        machine=machine(),
        versions=", ".join(f"{name} {number}" for name, number in result.versions.items()),
        **measured,
    )


def protocol(config: Mapping[str, str]) -> str:
    """Return twelve hexadecimal digits that are equal for runs that can be compared.

    Args:
        config: flat; its network, learning rate and seed do not count.

    >>> alone = {"task.lag": "3", "model.gain": "1", "optimizer.lr": "0.1"}
    >>> protocol(alone) == protocol({"task.lag": "3", "task.group": "", "optimizer.lr": "0.2"})
    True
    """
    kept = {
        key: value
        for key, value in config.items()
        # a sweep has empty values for keys that only others of its runs have
        if value and (key.partition(".")[0] in _PROTOCOL or key in _LENGTH)
        if key != "optimizer.lr"
    }
    text = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _whole(value: str) -> int | None:
    return int(value) if value.isdigit() else None


def _measured(run: RunSummary, packages: Collection[str]) -> dict[str, Any]:
    """Return length and horizon of a run; what was measured once is read."""
    kept = run.folder / _MEASURED
    with suppress(OSError, ValueError, TypeError, AttributeError):  # damaged: measured anew
        read = json.loads(kept.read_bytes())
        return {**read, "lengths": _tuples(read.get("lengths", ()))}
    found: dict[str, Any] = {}
    if run.uses is not None:
        lags, variation, error = run.uses.T[:3]
        used = lags[variation > _MOVES + 3 * error]
        found["horizon"] = int(max(used, default=-1)) + 1
    # torch takes seconds: only where there is something to measure
    from lossladder.data.datamodule import seeded
    from lossladder.diagnostics import UnfitError, length_curve
    from lossladder.runs.load import load_run

    try:
        loaded = load_run(run.folder, packages=packages)
    except RequestError:
        return found
    seed = loaded.parts.data.validation_seed
    trained = loaded.task.num_steps or loaded.config["data"]["bptt_steps"]
    with suppress(UnfitError):
        curve = length_curve(loaded.network, loaded.task, trained, seeded("measuring", seed))
        shares = zip(curve.lengths, curve.share.tolist(), strict=True)
        # no number where nothing can be known
        found["lengths"] = [(n, round(share, 4)) for n, share in shares if not math.isnan(share)]
    with suppress(OSError):
        kept.write_text(json.dumps(found))
    return found


# --- table ------------------------------------------------------------------------------------


def _tuples(listed: Iterable[Iterable[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(one) for one in listed)


_KINDS = {
    "seed": int, "updates": int, "reached": int, "parameters": int, "state": int, "horizon": int,
    "known": float, "learning_rate": float, "microseconds": float, "seconds": float,
    "tuning_seconds": float, "loss": float, "divergence": float,
    "solved": lambda text: {"True": True, "False": False}[text],
    **dict.fromkeys(("rungs", "theory", "lengths"), lambda text: _tuples(json.loads(text))),
}  # fmt: skip


# what a run need not have
_EMPTY: Mapping[str, Any] = dict.fromkeys(
    ("known", "reached", "parameters", "state", "microseconds", "seconds")
)


def write_passport(rows: Sequence[PassportRow], out: Path) -> None:
    """Write rows as a table; an empty cell is no number."""
    names = [field.name for field in fields(PassportRow)]
    with out.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow([_cell(getattr(row, name)) for name in names])


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json.dumps(value) if value else ""
    return f"{value:.6g}" if isinstance(value, float) else harmless(value)


def read_passport(file: Path) -> list[PassportRow]:
    """Return the rows of a table.

    Raises:
        RequestError: if it is none of a passport.
        OSError: if it cannot be read.
    """
    known = {field.name: field.default for field in fields(PassportRow)}
    found: list[PassportRow] = []
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        for number, cells in enumerate(csv.DictReader(lines), start=2):
            try:
                values = {
                    name: _KINDS.get(name, str)(cell)
                    for name, cell in cells.items()
                    if name in known and cell
                }
                found.append(PassportRow(**{**_EMPTY, **values}))
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise RequestError(
                    f"{file}: line {number} is none of a passport; name a passport.csv"
                ) from error
    if not found:
        raise RequestError(f"{file}: holds no row; name a passport.csv")
    return found


@cache
def references() -> tuple[PassportRow, ...]:
    """Return the networks that passports are compared with, as they come with the library."""
    return tuple(read_passport(REFERENCES)) if REFERENCES.is_file() else ()


def seeds_of(
    rows: Sequence[PassportRow],
) -> dict[tuple[str, str], dict[str, list[PassportRow]]]:
    """Return (entry, protocol) -> network -> its rows, in the order they come."""
    found: dict[tuple[str, str], dict[str, list[PassportRow]]] = {}
    for row in rows:
        found.setdefault((row.entry, row.protocol), {}).setdefault(row.network, []).append(row)
    return found


def solved(rows: Sequence[PassportRow]) -> Share:
    """Return how many seeds stand on the floor."""
    return Share(sum(row.solved for row in rows), len(rows))


def median_known(rows: Sequence[PassportRow]) -> float:
    """Return the median share of what can be known; a run that diverged knows nothing."""
    return statistics.median(row.known or 0.0 for row in rows)


# --- differences ------------------------------------------------------------------------------


class Difference(NamedTuple):
    """A task on which more seeds of one network stand on the floor than of another."""

    entry: str
    network: str
    other: str
    more: Share
    less: Share
    interval: tuple[float, float]  # of the difference of the two chances; above zero

    @property
    def parts(self) -> bool:
        """Whether most seeds of the one stand there, and not of the other."""
        return 2 * self.more.count > self.more.of and 2 * self.less.count <= self.less.of


def differences(
    rows: Sequence[PassportRow], pairs: Sequence[tuple[str, str]]
) -> tuple[list[Difference], int]:
    """Return which of pairs of networks differ on which tasks, and how many were compared.

    What is compared is the share of seeds that stand on the floor. They differ where Fisher's
    exact test, corrected by Holm for all comparisons, sees it at 5 %, and Newcombe's interval, at
    the level that Holm leaves to that comparison, excludes zero.
    """
    compared: list[tuple[str, str, str, Share, Share]] = []
    for (entry, _), networks in seeds_of(rows).items():
        for one, other in pairs:
            if one in networks and other in networks:
                shares = solved(networks[one]), solved(networks[other])
                compared.append((entry, one, other, *shares))
    corrected = holm([fisher(mine, theirs) for *_, mine, theirs in compared])
    found: list[Difference] = []
    for (entry, one, other, mine, theirs), (chance, times) in zip(compared, corrected, strict=True):
        ends = sorted([(mine, one), (theirs, other)], key=lambda end: end[0].count / end[0].of)
        (less, loser), (more, winner) = ends
        interval = difference(more, less, level=1 - _SAID / times)
        if chance <= _SAID and interval[0] > 0:
            found.append(Difference(entry, winner, loser, more, less, interval))
    return found, len(compared)
