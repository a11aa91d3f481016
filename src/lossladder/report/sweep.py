"""What came of a sweep, in a few lines: mean and spread over the runs of each setting."""

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from lossladder.report.settings import labels, read_config, settings


def table(folder: Path) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures.

    Args:
        folder: of the sweep; every folder in it with a `result.json` is a run.
    """
    runs = sorted(path.parent for path in folder.glob("*/result.json"))
    if not runs:
        return "sweep  no run has ended"
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    found = settings([read_config(run) for run in runs])
    rows = []
    for setting, label in labels(found).items():
        alike = [result for result, s in zip(results, found, strict=True) if s == setting]
        rows.append((label or "all runs", _row(alike)))
    width = max(len(label) for label, _ in rows)
    return "\n".join(["sweep", *(f"{label:{width}}  {row}" for label, row in rows)])


def _row(results: list[dict[str, Any]]) -> str:
    losses = [result["loss"] for result in results if result["loss"] is not None]
    parts = ["1 run" if len(results) == 1 else f"{len(results)} runs"]
    if losses:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        parts.append(
            f"loss {statistics.mean(losses):.4f}{spread} (floor {results[0]['floor']:.4f})"
        )
    rungs = Counter(result["rung"] or "no rung" for result in results)
    parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    mistakes = [result["mistakes"] for result in results if result.get("mistakes") is not None]
    if mistakes:
        parts.append(f"median {statistics.median(mistakes):g} mistakes")
    unfinished = Counter(r["status"] for r in results if r["status"] != "done")
    parts += [f"{count} {status}" for status, count in unfinished.items()]
    return "; ".join(parts)
