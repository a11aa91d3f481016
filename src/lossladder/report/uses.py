"""What networks use of their past: bars by lag, each beside what there is to use."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossladder.report.figure import Axis, Tick, height_axis
from lossladder.report.summary import Row
from lossladder.report.sweep_folder import USE, RunSummary
from lossladder.runs.verdict import used_inputs

_LAG, _VARIATION, _ERROR, _TRUE_VARIATION, _EFFECT, _TRUE_EFFECT = range(len(USE))
_ALIKE = 0.005  # a change that is smaller does not matter
_LETTERS = 44  # as many fit under the bars on the narrowest page


class Bars(NamedTuple):
    """What a setting uses, in words and as paths on a sheet of 1000 by 1000."""

    label: str
    words: str
    used: str  # means over seeds
    spread: str  # from the lowest seed to the highest
    true: str  # the same of the exact law


class Uses(NamedTuple):
    """What the settings of a ladder use, on one scale."""

    signed: bool  # whether bars are of the chance of a one, up or down, or of any chance
    axis: Axis
    ticks: Sequence[Tick]  # lags, percent from the left
    settings: Sequence[Bars]


def uses(rows: Sequence[Row]) -> Uses | None:
    """Return what the runs of settings use that are done; None where nothing can be used."""
    made = [(row.label, *found) for row in rows if (found := _over_seeds(row.done))]
    if not made:
        return None
    means = np.concatenate([mean for _, mean, *_ in made])
    # A bit of a parity turns the answer either way, and no sign tells of it; nor does NaN.
    signed = bool((2 * abs(means[:, _TRUE_EFFECT]) + _ALIKE >= means[:, _TRUE_VARIATION]).all())
    used, true = (_EFFECT, _TRUE_EFFECT) if signed else (_VARIATION, _TRUE_VARIATION)
    ends = [end[:, used] for _, _, *both in made for end in both]
    seen = np.concatenate([*ends, means[:, true]])
    low, high = min(0.0, np.nanmin(seen) * signed), max(0.02, np.nanmax(seen))
    axis = height_axis("", low - 0.06 * (high - low), high + 0.06 * (high - low))
    lags = np.unique(means[:, _LAG])
    places = (np.arange(len(lags)) + 0.5) / len(lags)
    half = min(0.38 / len(lags), 0.04)
    settings = []
    for label, mean, least, most in made:
        x = places[np.searchsorted(lags, mean[:, _LAG])]
        settings.append(
            Bars(
                label,
                " · ".join(used_inputs([_as_result(one, used) for one in mean])),
                _boxes(axis, x, 0.6 * half, mean[:, used]),
                _boxes(axis, x, 0.0, most[:, used], least[:, used]),
                _boxes(axis, x, half, mean[:, true]),
            )
        )
    words = [f"{lag:.0f}" for lag in lags]
    step = -(-len(" ".join(words)) // _LETTERS)
    ticks = [Tick(100 * float(at), word) for at, word in zip(places, words, strict=True)]
    return Uses(signed, axis, ticks[::step], settings)


def _over_seeds(runs: Sequence[RunSummary]) -> tuple[NDArray[np.float64], ...]:
    """Return mean, least and most over runs, (lags, `USE`) each; nothing: no run tells."""
    tables = [run.uses for run in runs if run.uses is not None]
    if not tables:
        return ()
    every = np.concatenate(tables).astype(np.float64)
    alike = [every[every[:, _LAG] == lag] for lag in np.unique(every[:, _LAG])]
    means, least, most = (
        np.array([end(table, axis=0) for table in alike]) for end in (np.mean, np.min, np.max)
    )
    means[:, _ERROR] = [np.linalg.norm(table[:, _ERROR]) / len(table) for table in alike]
    return means, least, most


def _as_result(mean: NDArray[np.float64], used: int) -> dict[str, float | None]:
    """Return a mean as a result has it; what seeds use with opposite signs, nobody uses."""
    values = dict(zip(USE, mean.tolist(), strict=True))
    known = {key: None if np.isnan(value) else value for key, value in values.items()}
    return {**known, "lag": round(values["lag"]), "variation": abs(float(mean[used]))}


def _boxes(
    axis: Axis,
    x: NDArray[np.float64],
    half: float,
    ends: NDArray[np.float64],
    start: NDArray[np.float64] | float = 0.0,
) -> str:
    """Return the `d` of boxes from start to end, half as wide as twice that; none of no height."""
    corners = [x - half, axis.place(start) + 0 * x, x + half, axis.place(ends)]
    rounded = np.rint(1000 * np.nan_to_num(np.stack(corners, axis=1), nan=0.0)).astype(int)
    flat = np.isnan(ends) | (rounded[:, 1] == rounded[:, 3])
    return "".join(
        f"M{left} {1000 - bottom}V{1000 - top}H{right}V{1000 - bottom}z"
        for left, bottom, right, top in rounded[~flat]
    )
