"""What came of a sweep, in a few lines: mean and spread over the runs of each setting."""

import json
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from lossladder.report.settings import Setting, read_config, settings


def table(folder: Path) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures.

    Args:
        folder: of the sweep; every folder in it with a `result.json` is a run.
    """
    results, configs = [], []
    for path in sorted(folder.glob("*/result.json")):
        results.append(json.loads(path.read_text()))
        configs.append(read_config(path.parent))
    groups: dict[Setting, list[dict[str, Any]]] = defaultdict(list)
    for setting, result in zip(settings(configs), results, strict=True):
        groups[setting].append(result)
    rows = [
        f"{' '.join(f'{k}={v}' for k, v in setting) or 'all runs'}: {_row(group)}"
        for setting, group in groups.items()
    ]
    return "\n".join(["sweep", *rows])


def _row(results: list[dict[str, Any]]) -> str:
    losses = [result["loss"] for result in results if result["loss"] is not None]
    parts = [f"{len(results)} runs"]
    if losses:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        parts.append(
            f"loss {statistics.mean(losses):.4f}{spread} (floor {results[0]['floor']:.4f})"
        )
    rungs = Counter(result["rung"] or "none reached" for result in results)
    parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    unfinished = Counter(r["status"] for r in results if r["status"] != "done")
    parts += [f"{count} {status}" for status, count in unfinished.items()]
    return "; ".join(parts)
