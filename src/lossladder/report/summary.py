"""What came of a sweep: its settings in numbers, curves and words, and its failed runs."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.checks import RequestError
from lossladder.console import many
from lossladder.report import sweep_folder
from lossladder.report.sweep_folder import BinnedCurve, LadderRecord, RunSummary, Setting, Sweep
from lossladder.runs.folder import CONFIG
from lossladder.runs.result import FILE, Damaged
from lossladder.runs.verdict import standing, strongest

# --- curves -----------------------------------------------------------------------------------


class Line(NamedTuple):
    """The curves of the runs of one setting."""

    label: str  # what sets them apart from the other lines
    updates: NDArray[np.float64]  # (points,)
    losses: NDArray[np.floating]  # (runs, points), nats per scored step; NaN where a run has ended

    def quartiles(self) -> NDArray[np.floating]:
        """Return first quartile, median and third quartile over runs: (3, points)."""
        # nanquantile is a hundred times slower, and few lines need it
        whole = not np.isnan(self.losses).any()
        quantile = np.quantile if whole else np.nanquantile
        return np.asarray(quantile(self.losses, (0.25, 0.5, 0.75), axis=0))


def together(label: str, curves: Sequence[BinnedCurve]) -> Line:
    """Return curves on common points, which go as far as more than half of the curves do.

    Beyond that, a median would tell of those that happened to go on.
    """
    # Those that end before the last point have NaN there, and no part in its quartiles.
    by_end = sorted(curves, key=lambda curve: curve.updates[-1])
    points = by_end[(len(curves) - 1) // 2].updates
    losses = [np.interp(points, each.updates, each.losses, right=np.nan) for each in curves]
    return Line(label, points, np.array(losses, dtype=np.float32))


def read_lines(folders: Sequence[Path]) -> tuple[LadderRecord, list[Line]]:
    """Return ladder and lines of the folders of runs or sweeps.

    Raises:
        RequestError: if a folder is no run, has no curve, or climbs another ladder than the first.
    """
    runs = [_finished(run) for folder in folders for run in _inside(folder)]
    first, ladder, _ = runs[0]
    for run, other, _ in runs:
        if other != ladder:
            raise RequestError(
                f"{run.folder}: has another ladder than {first.folder}; one picture, one ladder"
            )
    found = sweep_folder.settings([run.config for run, _, _ in runs])
    made = []
    for setting, name in sweep_folder.labels(found).items():
        alike = [run for run, s in zip(runs, found, strict=True) if s == setting]
        model = alike[0][0].result.model
        made.append(together(name or model, [curve for _, _, curve in alike]))
    return ladder, made


def _inside(folder: Path) -> list[Path]:
    inside = sorted(path.parent for path in folder.glob(f"*/{FILE}"))
    return inside if inside and not (folder / FILE).exists() else [folder]


def _finished(folder: Path) -> tuple[RunSummary, LadderRecord, BinnedCurve]:
    for name in (FILE, CONFIG):
        if not (folder / name).is_file():
            raise RequestError(f"{folder}: is no finished run, it has no {name}")
    run = sweep_folder.read_run(folder)
    if isinstance(run, Damaged):
        raise RequestError(f"{folder}: {run.why}")
    if run.ladder is None or run.curve is None:
        raise RequestError(f"{folder}: has no curve, it ended before its first update")
    return run, run.ladder, run.curve


# --- settings ---------------------------------------------------------------------------------


def known(runs: Iterable[RunSummary], key: str) -> list[float]:
    """Return a number of the results of runs, where they have it."""
    return [value for run in runs if (value := getattr(run.result, key)) is not None]


class Stand(NamedTuple):
    """Runs that stand at the same place of their ladder."""

    words: str  # "on lag 3", or "between, past lag 8"
    runs: Sequence[RunSummary]

    @property
    def share(self) -> float | None:
        """Mean part of what can be known that they have; None where nobody tells."""
        return statistics.fmean(shares) if (shares := known(self.runs, "share")) else None

    @property
    def counted(self) -> str:
        """How many they are, and where: "3 on lag 3"."""
        return f"{len(self.runs)} {self.words}{self._worth()}"

    @property
    def told(self) -> str:
        """Return where they stand and what that is worth; knowledge is that of a rung stood on."""
        result = self.runs[0].result
        if result.standing == "between":
            return f"between, past “{result.rung}” in loss{self._worth()}"
        if result.standing != "on" or result.stands_on is None:
            return self.words
        if result.knows is None:
            return f"at the loss of “{result.stands_on}”, by other ways"
        return f"on “{result.stands_on}”: knows {result.knows}"

    def _worth(self) -> str:
        share = self.share if self.runs[0].result.standing == "between" else None
        return "" if share is None else f", {100 * share:.0f} % of what can be known"


def _place(run: RunSummary) -> str:
    return "diverged" if run.result.status == "diverged" else standing(run.result)


def _column(run: RunSummary) -> str:
    """Return the same without the rung that was passed."""
    return "between" if run.result.standing == "between" else _place(run)


def standings(
    runs: Iterable[RunSummary], place: Callable[[RunSummary], str] = _place
) -> list[Stand]:
    """Return runs by where they stand, those of most first; `place` says that in words."""
    alike: dict[str, list[RunSummary]] = {}
    for run in runs:
        alike.setdefault(place(run), []).append(run)
    return [Stand(*pair) for pair in sorted(alike.items(), key=lambda pair: -len(pair[1]))]


@dataclass(frozen=True)
class Row:
    """The runs of one setting, which differ in nothing but their seed."""

    label: str  # what sets them apart from the other rows
    setting: Setting  # the same in full
    ladder: LadderRecord | None  # None while none of them has a result
    runs: Sequence[RunSummary]

    @property
    def done(self) -> list[RunSummary]:
        """Runs whose losses count."""
        return [run for run in self.runs if run.done]

    @property
    def ended(self) -> list[RunSummary]:
        """Runs that ended by themselves: neither failed nor cut off, and not still going."""
        return [run for run in self.runs if run.done or run.result.status == "diverged"]

    @property
    def not_done(self) -> list[str]:
        """How many runs did not end well, or go on: "2 failed"."""
        counts = Counter(run.result.status for run in self.runs if not run.done)
        return [f"{count} {status}" for status, count in sorted(counts.items())]

    @property
    def measured(self) -> list[float]:
        """Divergences from the exact law of the runs that are done, nats a step."""
        return known(self.done, "divergence")

    @property
    def mean(self) -> float:
        """Mean divergence; infinite where there is none."""
        return statistics.fmean(self.measured) if self.measured else math.inf

    @property
    def share(self) -> float | None:
        """Mean part of what can be known that the runs have which are done."""
        return Stand("done", self.done).share

    @property
    def spread(self) -> float | None:
        """Standard deviation of the divergences."""
        return statistics.stdev(self.measured) if len(self.measured) > 1 else None

    @property
    def sampling_error(self) -> float | None:
        """Standard error of the mean, from those of the runs: what sampling alone makes of it."""
        errors = known(self.done, "divergence_error")
        # The error of a sum is the root of the summed squares; one that is unknown leaves no sum.
        whole = errors and len(errors) == len(self.measured)
        return math.hypot(*errors) / len(errors) if whole else None

    @property
    def error(self) -> float:
        """Standard error of the mean, from the spread of seeds or, if that is more, of sampling."""
        # The spread of seeds has that of sampling in it; but few seeds may agree by chance.
        spread = (self.spread or 0.0) / math.sqrt(max(1, len(self.measured)))
        return max(spread, self.sampling_error or 0.0)

    @property
    def standings(self) -> list[Stand]:
        """Where the runs that ended by themselves stand, most of them first."""
        return standings(self.ended)

    @property
    def columns(self) -> dict[str, Stand]:
        """The same by columns of a table, which do not tell what was passed in loss."""
        return {stand.words: stand for stand in standings(self.ended, _column)}

    @property
    def ending(self) -> str:
        """Where most of them stand, in words: "3 of 4 seeds on “lag 3”: knows …"."""
        first, count = self.standings[0], len(self.ended)
        some = f"{len(first.runs)} of {many(count, 'seed')} " if count > 1 else ""
        return some + first.told

    def updates_to(self, place: int) -> float:
        """Return the median update at which the loss passed a rung; infinite if half never did.

        Args:
            place: of the rung in the ladder, 0 for the ceiling.
        """
        reached = [run.reached[place] if run.reached else None for run in self.ended]
        return statistics.median(math.inf if at is None else at for at in reached)

    @property
    def training_seconds(self) -> float | None:
        """Median time of training, seconds; None where no run tells."""
        times = known(self.ended, "training_seconds")
        return statistics.median(times) if times else None


def rows(sweep: Sweep) -> list[Row]:
    """Return one row a setting, nearest to the exact law first; those without a curve come last."""
    pairs = list(zip(sweep.runs, sweep.settings, strict=True))
    # A run without a result climbs the ladder of its setting, or the only one of its task.
    ladders: dict[Setting | str, LadderRecord | None] = {}
    for run, setting in pairs:
        if run.ladder is not None:
            ladders[setting] = run.ladder
            alone = ladders.get(run.result.task, run.ladder) is run.ladder
            ladders[run.result.task] = run.ladder if alone else None
    found: dict[tuple[Setting, LadderRecord | None], list[RunSummary]] = {}
    for run, setting in pairs:
        ladder = run.ladder or ladders.get(setting) or ladders.get(run.result.task)
        found.setdefault((setting, ladder), []).append(run)
    names = sweep_folder.labels(sweep.settings)
    made = [
        Row(names[setting] or alike[0].result.model, setting, ladder, alike)
        for (setting, ladder), alike in found.items()
    ]
    return sorted(made, key=lambda row: (row.mean, all(run.curve is None for run in row.runs)))


def by_ladder(made: Sequence[Row]) -> dict[LadderRecord, list[Row]]:
    """Return rows that one picture can show, the ladder with most of them first."""
    found: dict[LadderRecord, list[Row]] = {}
    for row in made:
        if row.ladder is not None:
            found.setdefault(row.ladder, []).append(row)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


class Stated(NamedTuple):
    """What a theorem says of the networks of some runs, and how many stand how to it."""

    statement: str
    loss: float
    says: str
    source: str
    standings: Counter[str]  # agrees, falls short or beats -> runs

    @property
    def counted(self) -> str:
        """How many runs stand how to it: "3 agree, 1 beats it"."""
        verbs = {"agrees": ("agrees", "agree"), "falls short": ("falls short", "fall short")}
        told = [
            f"{count} {verbs.get(how, ('beats it', 'beat it'))[count > 1]}"
            for how, count in self.standings.most_common()
        ]
        return ", ".join(told)


def stated(made: Iterable[Row]) -> list[Stated]:
    """Return what theorems say of the runs of some settings that are done, highest loss first."""
    found: dict[tuple[str, float], Stated] = {}
    for run in (run for row in made for run in row.done):
        for mark in strongest(run.result.theory or ()):
            key = mark["statement"], round(mark["loss"], 9)
            one = Stated(*key, mark["says"], mark["source"], Counter())
            found.setdefault(key, one).standings[mark["agrees"]] += 1
    return sorted(found.values(), key=lambda one: -one.loss)


def lines(made: Iterable[Row]) -> list[Line]:
    """Return the curves of rows, of those that have any."""
    found = ((row, [run.curve for run in row.runs if run.curve is not None]) for row in made)
    return [together(row.label, curves) for row, curves in found if curves]


def failures(sweep: Sweep) -> dict[tuple[str, str], list[RunSummary]]:
    """Return (status, last words) -> the runs that ended badly so, those of most first."""
    # A hundred runs often fail for one reason, which is then read once.
    alike: dict[tuple[str, str], list[RunSummary]] = {}
    for run in sweep.runs:
        # one that was told to stop has been measured; one whose process died has not
        died = run.result.status == "interrupted" and run.result.loss is None
        if died or run.result.status in ("failed", "diverged"):
            alike.setdefault((run.result.status, run.why), []).append(run)
    return dict(sorted(alike.items(), key=lambda pair: -len(pair[1])))
