"""What came of each setting of a sweep: its runs put together."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lossladder.report.curves import Line, together
from lossladder.report.runs import Ladder, Run
from lossladder.report.settings import Setting, labels
from lossladder.report.sweep_folder import Sweep


@dataclass(frozen=True)
class Row:
    """The runs of one setting, which differ in nothing but their seed.

    Args:
        label: what sets them apart from the other rows.
        setting: the same in full.
        ladder: None while none of them has a result.
        runs: all of them.
    """

    label: str
    setting: Setting
    ladder: Ladder | None
    runs: Sequence[Run]

    @property
    def done(self) -> list[Run]:
        """Those whose losses count."""
        return [run for run in self.runs if run.done]

    @property
    def ended(self) -> list[Run]:
        """Those that ended by themselves: neither failed nor cut off, and not still going."""
        return [run for run in self.runs if run.done or run.status == "diverged"]

    @property
    def measured(self) -> list[float]:
        """Losses above the floor of the runs that are done, nats a step."""
        return [run.above_floor for run in self.done if run.above_floor is not None]

    @property
    def mean(self) -> float:
        """Of the losses above the floor; infinite where there is none."""
        return statistics.fmean(self.measured) if self.measured else math.inf

    @property
    def spread(self) -> float | None:
        """Standard deviation of the losses above the floor."""
        return statistics.stdev(self.measured) if len(self.measured) > 1 else None

    @property
    def standard_error(self) -> float | None:
        """Of the mean, from those of the runs: what sampling alone makes of it."""
        errors = [run.standard_error for run in self.done if run.standard_error is not None]
        whole = errors and len(errors) == len(self.measured)
        return math.hypot(*errors) / len(errors) if whole else None

    @property
    def statuses(self) -> Counter[str]:
        """How many ended how, or go on."""
        return Counter(run.status for run in self.runs)

    def share(self, rung: str | None) -> float:
        """Of the runs that ended by themselves, how many did on a rung; None: on none."""
        return sum(run.rung == rung for run in self.ended) / max(len(self.ended), 1)

    def updates_to(self, place: int) -> float:
        """Median update at which a rung was first reached; infinite where half never did.

        Args:
            place: of the rung in the ladder, 0 for the ceiling.
        """
        reached = [run.reached[place] if run.reached else None for run in self.ended]
        return statistics.median(math.inf if made is None else made for made in reached)

    @property
    def training_seconds(self) -> float | None:
        """Median."""
        times = [run.training_seconds for run in self.ended if run.training_seconds is not None]
        return statistics.median(times) if times else None

    def line(self) -> Line | None:
        """The curves of its runs; None if none has one."""
        curves = [run.curve for run in self.runs if run.curve is not None]
        return together(self.label, curves) if curves else None


def rows(sweep: Sweep) -> list[Row]:
    """One row a setting, those nearest to their floor first and those without a curve last."""
    ladders: dict[Setting | str, Ladder] = {}
    for run, setting in zip(sweep.runs, sweep.settings, strict=True):
        if run.ladder is not None:  # of runs without a result, those of their setting or task know
            ladders.setdefault(setting, run.ladder)
            ladders.setdefault(run.task, run.ladder)
    names, found = labels(sweep.settings), {}
    for run, setting in zip(sweep.runs, sweep.settings, strict=True):
        ladder = run.ladder or ladders.get(setting) or ladders.get(run.task)
        found.setdefault((setting, ladder), []).append(run)
    made = [
        Row(names[setting] or alike[0].model, setting, ladder, alike)
        for (setting, ladder), alike in found.items()
    ]
    return sorted(made, key=lambda row: (row.mean, all(run.curve is None for run in row.runs)))


def by_ladder(made: Sequence[Row]) -> dict[Ladder, list[Row]]:
    """Rows that one picture can show, the ladder with most of them first."""
    found: dict[Ladder, list[Row]] = {}
    for row in made:
        if row.ladder is not None:
            found.setdefault(row.ladder, []).append(row)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))
