"""What two runs leave, compared bit for bit, but for wall times and speeds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

_TIMES = ("seconds", "training_seconds", "steps_per_second", "wall")


def differences(ours: Path, theirs: Path) -> list[str]:
    """Return in words what differs between two runs."""
    found = []
    for what in (_result, _events, _checkpoint):
        left, right = what(ours), what(theirs)
        for key in sorted({*left, *right}):
            one, other = left.get(key), right.get(key)
            both = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
            if not (torch.equal(one, other) if both else repr(one) == repr(other)):
                found.append(f"{ours.name}: {what.__name__[1:]} {key}: {one} and {other}"[:300])
    return found


def _result(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    return {key: value for key, value in result.items() if key not in _TIMES}


def _events(folder: Path) -> dict[str, Any]:
    """Every point of every curve, in order, with doubles."""
    points: dict[str, Any] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value if event.HasField("summary") else ():
                number = list(value.tensor.float_val)
                if "per_second" not in value.tag and number:
                    points.setdefault(value.tag, []).append((event.step, number))
    return points


def _checkpoint(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoints/last.ckpt"
    if not path.exists():
        return {}
    return dict(_leaves(torch.load(path, weights_only=True), ""))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in (*_TIMES, "events"):
                yield from _leaves(part, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _leaves(part, f"{name}.{place}")
    else:
        yield name, value
