"""What growth curves say: cost an update, its slope, and where one engine overtakes another."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

Points = Sequence[Mapping[str, Any]]


def curve(points: Points, clock: str = "cpu") -> tuple[list[int], list[float]]:
    """Return sizes and the median cost there: microseconds a member's update, or a symbol."""
    micros = [1e6 * median(one[clock] / one["work"] for one in point["rounds"]) for point in points]
    return [point["size"] for point in points], micros


def slope(sizes: Sequence[float], micros: Sequence[float]) -> float:
    """Return the exponent of the cost over the larger half of sizes: 0 flat, 1 in proportion."""
    half = len(sizes) // 2 if len(sizes) > 2 else 0
    return float(np.polyfit(np.log(sizes[half:]), np.log(micros[half:]), 1)[0])


def memory(points: Points) -> tuple[float | None, float | None]:
    """Return the least and most peak memory over the sizes, MB; None: was not noted."""
    peaks = [one["peak_mb"] for point in points for one in point["rounds"] if "peak_mb" in one]
    return (min(peaks), max(peaks)) if peaks else (None, None)


def crossing(axis: Mapping[str, Any]) -> str | None:
    """Return in words from which size on autograd beats fused; None: not both measured."""
    if not {"fused", "autograd"} <= axis["points"].keys():
        return None
    fused, autograd = (
        dict(zip(*curve(axis["points"][e]), strict=True)) for e in ("fused", "autograd")
    )
    both = sorted(fused.keys() & autograd.keys())
    ahead = [size for size in both if autograd[size] < fused[size]]
    if not ahead:
        share = autograd[both[-1]] / fused[both[-1]]
        return f"{axis['title']}: `fused` is ahead at every size, {share:.1f} × at {both[-1]:,}."
    before = [size for size in both if size < ahead[0]]
    if not before:
        return f"{axis['title']}: `autograd` is ahead from the smallest size on."
    low, high = before[-1], ahead[0]
    # straight lines between the points of a log-log plot
    gain = [np.log(autograd[size] / fused[size]) for size in (low, high)]
    at = np.exp(np.interp(0, [-gain[0], -gain[1]], np.log([low, high])))
    return f"{axis['title']}: `autograd` overtakes `fused` at about {at:.0f}."
