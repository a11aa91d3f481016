"""The identity of a run: what its config says of it, and nothing of how it is watched or kept."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

# Keys of a config that do not make a run another run: what `names` chose is spelled out elsewhere
# in it, and how a run is watched or where it is kept says nothing of what it is.
NOT_IDENTITY = (
    "names", "logs", "callbacks", "suite", "passport", "trainer.progress", "trainer.threads",
    "trainer.checkpoint_seconds", "trainer.snapshots",
)  # fmt: skip


def identity(config: Mapping[str, Any]) -> str:
    """Return twelve hexadecimal digits that depend on everything that decides what a run is.

    >>> plain = {"seed": 0, "trainer": {"max_steps": 5, "progress": True}, "logs": "logs"}
    >>> identity(plain) == identity({**plain, "logs": "elsewhere"})
    True
    >>> identity(plain) == identity({**plain, "seed": 1})
    False
    """
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    if isinstance(trainer := kept.get("trainer"), Mapping):
        own = {k: v for k, v in trainer.items() if f"trainer.{k}" not in NOT_IDENTITY}
        # runs that are older than this key have none
        kept["trainer"] = {k: v for k, v in own.items() if k != "stop_above" or v is not None}
    text = json.dumps(kept, sort_keys=True, default=str)
    # 48 bits: among a million jobs, two have the same with a chance of 0.2 %
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def identity_in(name: str) -> str | None:
    """Return the identity of the job whose folder has this name; None: it is no job's folder.

    >>> identity_in("model-rnn+seed-0-95c80df5bac8"), identity_in("reference")
    ('95c80df5bac8', None)
    """
    found = re.search(r"-([0-9a-f]{12})$", name)
    return found[1] if found else None
