"""What came of a search: its best settings, which keys matter, and the outcome by each of them."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.console import many
from lossladder.drawing import COLOURS, GREY, INK
from lossladder.report.figure import log_ticks, plain
from lossladder.report.sweep_folder import short
from lossladder.runs.verdict import number
from lossladder.sweeps.manifest import SEARCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMED = 5  # settings in the terminal
_MOST_KEYS = 6  # that a picture has room for, the most important ones
_ACROSS = 3  # panels beside one another
_TELLING = 8  # trials that have ended, before keys are ranked
_MOST_PARTS = 8  # that the values of a key are cut into


class Trial(NamedTuple):
    """A setting that was tried.

    Args:
        number: in the order of the search.
        setting: key -> value.
        above_floor: median over its members, nats a step; None: it came to no good end.
        members: of each, where it came to a good end.
        statuses: how its members ended.
        folders: of its members' runs.
    """

    number: int
    setting: Mapping[str, Any]
    above_floor: float | None
    members: Sequence[float]
    statuses: Sequence[str]
    folders: Sequence[str]

    @property
    def words(self) -> str:
        """The setting as on the command line."""
        return " ".join(f"{key}={value}" for key, value in self.setting.items())

    @property
    def told(self) -> str:
        """The outcome: median [least, most], and whose end was another than `done`."""
        if self.above_floor is None:
            return "no good end"
        ends = f"{number(min(self.members))}, {number(max(self.members))}"
        return f"{number(self.above_floor)} [{ends}]"

    @property
    def not_done(self) -> str:
        """How many members ended otherwise than done."""
        found = Counter(status for status in self.statuses if status != "done")
        return ", ".join(f"{count} {status}" for status, count in sorted(found.items()))


class SearchRecord(NamedTuple):
    """A search as its folder keeps it; the sweeps write it.

    Args:
        keys: that were searched -> choices, low, high, log; the most important first.
        importance: key -> see `importance`; none where too few trials have ended.
        trials: that have ended, the best first.
        asked: how many trials were asked for.
        seeds: of each.
    """

    keys: Mapping[str, Mapping[str, Any]]
    importance: Mapping[str, float]
    trials: Sequence[Trial]
    asked: int
    seeds: int

    @property
    def importance_told(self) -> str:
        """The keys with their importance."""
        return ", ".join(f"{key} {share:.2f}" for key, share in self.importance.items())

    @property
    def lines(self) -> list[str]:
        """What came of it, for the terminal."""
        head = f"{len(self.trials)} of {many(self.asked, 'trial')}, {many(self.seeds, 'seed')} each"
        best = self.trials[:_MOST_NAMED]
        width = max((len(trial.told) for trial in best), default=0)
        told = [
            f"{t.told:{width}}  {t.words}{f'  ({t.not_done})' * bool(t.not_done)}" for t in best
        ]
        lines = [f"{head}; the best, median above the floor [least, most]:", *told]
        ends = Counter(status for trial in self.trials for status in trial.statuses)
        lines.append("runs        " + ", ".join(f"{n} {s}" for s, n in ends.most_common()))
        return lines + [f"importance  {self.importance_told}"] * bool(self.importance)


def read_search(sweep: Path) -> SearchRecord | None:
    """Return what the folder of a sweep says of a search; None: it was none, or cannot be read."""
    try:
        kept = json.loads((sweep / SEARCH).read_bytes())
        trials = [
            Trial(
                each["number"],
                {key: each["setting"][key] for key in kept["keys"]},
                each["above_floor"],
                [own for own in each["members"] if own is not None],
                each["statuses"],
                each["folders"],
            )
            for each in kept["trials"]
        ]
        shares = {key: importance(key, its, trials) for key, its in kept["keys"].items()}
        keys = {key: kept["keys"][key] for key in sorted(shares, key=lambda key: -shares[key])}
        told = {key: shares[key] for key in keys} if len(trials) >= _TELLING else {}
        return SearchRecord(keys, told, trials, kept["asked"], kept["seeds"])
    # whatever lies in a folder, a report of its runs can be had
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def importance(key: str, its: Mapping[str, Any], trials: Sequence[Trial]) -> float:
    """Return what a key alone explains of the order of the trials: a share of its variance.

    It is the correlation ratio of the ranks of the outcomes, with its degrees of freedom adjusted,
    so that a key that does not matter has 0 in the mean; numbers are cut into parts of as many
    trials each. A trial that came to no good end is among the last.

    >>> words = {"choices": ["a", "b"]}
    >>> trials = [Trial(n, {"x": "ab"[n < 3]}, float(n), (), (), ()) for n in range(6)]
    >>> importance("x", words, trials), importance("x", words, trials[3:])
    (0.714..., 0.0)
    """
    above = [math.inf if trial.above_floor is None else trial.above_floor for trial in trials]
    values = [trial.setting[key] for trial in trials]
    count, ranks = len(trials), _ranks(above)
    if its["choices"]:
        part = np.array([its["choices"].index(value) for value in values])
    else:
        part = np.floor(_ranks(values) * min(_MOST_PARTS, math.isqrt(count)) / max(1, count))
    parts = [ranks[part == each] for each in np.unique(part)]
    total = float(((ranks - ranks.mean()) ** 2).sum()) if count else 0.0
    if len(parts) in (0, 1, count) or not total:
        return 0.0
    within = sum(float(((ranks - ranks.mean()) ** 2).sum()) for ranks in parts)
    return max(0.0, 1 - within / (count - len(parts)) / (total / (count - 1)))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return places in order, from 0; of equal ones the mean of theirs."""
    found = np.asarray(values, dtype=np.float64)
    return (found[:, None] > found).sum(axis=1) + ((found[:, None] == found).sum(axis=1) - 1) / 2


# --- picture ----------------------------------------------------------------------------------


def draw_search(record: SearchRecord) -> "Figure | None":
    """Return the outcome against each key, and all keys at once; None: no trial ended well."""
    from matplotlib.figure import Figure

    ended = [trial for trial in record.trials if trial.above_floor is not None]
    if not ended:
        return None
    keys = list(record.keys)[:_MOST_KEYS]
    panels = len(keys) + bool(record.importance)
    rows = math.ceil(panels / _ACROSS)
    figure = Figure(
        figsize=(8.4, 2.5 * rows + 3.1), dpi=160, facecolor="white", layout="constrained"
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.5 * rows, 3.1), squeeze=False)[:, 0]
    places = [upper.add_subplot(rows, _ACROSS, place + 1) for place in range(panels)]
    if record.importance:
        _draw_importance(places.pop(0), record.importance)
    # below the floor is chance, and has no logarithm
    least = min((m for t in ended for m in t.members if m > 0), default=1e-6)
    for axes, key in zip(places, keys, strict=True):
        _draw_outcome(axes, key, record.keys[key], ended, least)
    _draw_parallel(lower.add_subplot(), record, keys, ended, least)
    return figure


def _bare(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8)


def _draw_importance(axes: "Axes", importance: Mapping[str, float]) -> None:
    names = [plain(short(key)) for key in importance][:_MOST_KEYS]
    shares = [*importance.values()][:_MOST_KEYS]
    axes.barh(range(len(names)), shares, color=COLOURS[0], height=0.6)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_title("importance: share explained", size=9.5, color=INK)
    _bare(axes)


def _place(key: Mapping[str, Any], value: Any) -> float:
    """Return where a value lies on the axis of its key, from 0 to 1."""
    if key["choices"]:
        return (key["choices"].index(value) + 0.5) / len(key["choices"])
    low, high, at = key["low"], key["high"], value
    if key["log"]:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5


def _ticks(key: Mapping[str, Any]) -> tuple[list[float], list[str]]:
    """Return places from 0 to 1 with what is written there."""
    if key["choices"]:
        found: Sequence[Any] = key["choices"]
    elif key["log"]:
        found = [v for v in log_ticks(key["low"], key["high"]) if f"{v:e}"[0] == "1"]
        found = found if len(found) > 1 else [key["low"], key["high"]]
    else:
        found = [key["low"], (key["low"] + key["high"]) / 2, key["high"]]
    words = [plain(v) if isinstance(v, str) else f"{v:g}" for v in found]
    return [_place(key, value) for value in found], words


def _draw_outcome(
    axes: "Axes", key: str, its: Mapping[str, Any], ended: Sequence[Trial], least: float
) -> None:
    for trial in ended:
        at = _place(its, trial.setting[key])
        stopped = "stopped" in trial.statuses
        # of a stopped run it is known how far it was, not how far it would have come
        colour = GREY if stopped else COLOURS[0]
        members = np.maximum(trial.members, least)
        axes.plot([at] * len(members), members, ".", color=colour, ms=2.5, alpha=0.4)
        median = max(trial.above_floor or 0.0, least)
        axes.plot(at, median, "o", color=colour, ms=4, mfc="white" if stopped else colour)
    axes.set_yscale("log")
    axes.set_xlim(-0.04, 1.04)
    places, words = _ticks(its)
    axes.set_xticks(places, words, parse_math=False)
    axes.set_title(plain(key), size=9.5, color=INK, parse_math=False)
    axes.set_ylabel("above the floor", size=8, color=INK)
    _bare(axes)


def _draw_parallel(
    axes: "Axes", record: SearchRecord, keys: Sequence[str], ended: Sequence[Trial], least: float
) -> None:
    from matplotlib import colormaps

    outcomes = [max(trial.above_floor or 0.0, least) for trial in ended]
    outcome = {"choices": (), "low": min(outcomes), "high": max(outcomes), "log": True}
    columns = [*((key, record.keys[key]) for key in keys), ("above the floor", outcome)]
    # the best last, on top of the others
    for rank, (trial, above) in reversed([*enumerate(zip(ended, outcomes, strict=True))]):
        values = [*(trial.setting[key] for key in keys), above]
        heights = [_place(its, v) for (_, its), v in zip(columns, values, strict=True)]
        part = rank / max(1, len(ended) - 1)
        axes.plot(range(len(columns)), heights, color=colormaps["viridis"](0.95 * part),
                  linewidth=2.2 if rank < _MOST_NAMED else 0.9,
                  alpha=0.95 if rank < _MOST_NAMED else 0.5)  # fmt: skip
    for place, (_, its) in enumerate(columns):
        axes.axvline(place, color=GREY, linewidth=0.9, zorder=0)
        for at, words in zip(*_ticks(its), strict=True):
            axes.text(place + 0.02, at, words, size=8, color=INK, va="center", parse_math=False,
                      bbox={"facecolor": "white", "lw": 0, "alpha": 0.7, "pad": 0.6})  # fmt: skip
    axes.set_xticks(range(len(columns)), [plain(name) for name, _ in columns], parse_math=False)
    axes.set_xlim(-0.1, len(columns) - 0.75)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([])
    axes.set_title("a line is a trial; dark: near the floor, thick: the best", size=9.5, color=INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK, length=0)
