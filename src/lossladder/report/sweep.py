"""What came of a sweep, in a few lines: mean and spread over the runs of each setting."""

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Setting = tuple[tuple[str, str], ...]


def table(folder: Path) -> str:
    """One row a setting: runs, loss (mean ± standard deviation over seeds), rungs, failures.

    Args:
        folder: of the sweep; every folder in it with a `result.json` is a run.
    """
    results, configs = [], []
    for path in sorted(folder.glob("*/result.json")):
        results.append(json.loads(path.read_text()))
        configs.append(_flat(yaml.safe_load((path.parent / "config.yaml").read_text())))
    groups: dict[Setting, list[dict[str, Any]]] = defaultdict(list)
    for setting, result in zip(_settings(configs), results, strict=True):
        groups[setting].append(result)
    rows = [
        f"{' '.join(f'{k}={v}' for k, v in setting) or 'all runs'}: {_row(group)}"
        for setting, group in groups.items()
    ]
    return "\n".join(["sweep", *rows])


def _settings(configs: list[dict[str, str]]) -> list[Setting]:
    """What distinguishes the runs of a sweep, the seed apart."""
    keys = sorted({key for config in configs for key in config} - {"seed"})
    varying = [key for key in keys if len({config.get(key) for config in configs}) > 1]
    # a choice (names.model=lstm) says all that the keys it brings along do
    chosen = {key.removeprefix("names.") for key in varying if key.startswith("names.")}
    telling = [
        key for key in varying if key.startswith("names.") or key.split(".")[0] not in chosen
    ]
    return [
        tuple((key.removeprefix("names."), config.get(key, "")) for key in telling)
        for config in configs
    ]


def _row(results: list[dict[str, Any]]) -> str:
    losses = [result["loss"] for result in results if result["loss"] is not None]
    parts = [f"{len(results)} runs"]
    if losses:
        spread = f" ± {statistics.stdev(losses):.4f}" if len(losses) > 1 else ""
        parts.append(f"loss {statistics.mean(losses):.4f}{spread} (floor {results[0]['floor']:.4f})")
    rungs = Counter(result["rung"] or "none reached" for result in results)
    parts.append(", ".join(f"{count} on {rung}" for rung, count in rungs.most_common()))
    unfinished = Counter(r["status"] for r in results if r["status"] != "done")
    parts += [f"{count} {status}" for status, count in unfinished.items()]
    return "; ".join(parts)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
