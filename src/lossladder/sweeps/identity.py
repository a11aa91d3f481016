"""Who a job is: a hash of its config, and the name its folder gets from it."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossladder.record import identity_in

# How a run is watched and where it is kept says nothing of what it is.
_LEFT_OUT = ("names", "logs", "trainer.progress", "trainer.threads")


def identity(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that depend on everything that decides what a run is.

    >>> plain = {"seed": 0, "trainer": {"max_steps": 5, "progress": True}, "logs": "logs"}
    >>> identity(plain) == identity({**plain, "logs": "elsewhere"})
    True
    >>> identity(plain) == identity({**plain, "seed": 1})
    False
    """
    kept = {key: value for key, value in config.items() if key not in _LEFT_OUT}
    if isinstance(trainer := kept.get("trainer"), Mapping):
        kept["trainer"] = {k: v for k, v in trainer.items() if f"trainer.{k}" not in _LEFT_OUT}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def command_hash(words: Sequence[str]) -> str:
    """Eight hexadecimal digits that depend on what a command asks for, in any order.

    The same sweep asked for again finds its folder, and in it what is done.

    >>> command_hash(["-m", "seed=0,1", "model=rnn"]) == command_hash(["model=rnn", "seed=0,1"])
    True
    """
    asked = sorted(word for word in words if not _is_beside(word))
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:8]


# What of a run's name tells its setting, for TensorBoard's colours: all but seed and identity. Of
# names of other kinds, like those of reference lines, it is the whole.
SETTING = r"^(.*?)(?:(?:^|[+/])seed-\d+)?(?:-[0-9a-f]{12})?$"
_LONGEST = 120  # characters; a file system takes 255


def folder_name(overrides: Sequence[str], config: Mapping[str, Any]) -> str:
    """What tells a job apart, in words, the seed last; then its identity.

    >>> name = folder_name(["seed=3", "model=rnn"], {"seed": 3})
    >>> name, re.match(SETTING, name)[1]
    ('model-rnn+seed-3-1391dc1f10fa', 'model-rnn')
    """
    own = (word for word in overrides if not _is_beside(word))
    # nothing that a shell, a file system or Hydra (resume=<folder>) would want quoted
    safe = sorted(re.sub(r"[^\w.+-]", "-", word).lstrip("-") for word in own)
    seed = [word for word in safe if re.fullmatch(r"seed-\d+", word)]
    setting = "+".join(word for word in safe if word not in seed)
    if len(setting) > _LONGEST:  # what is cut off may be what tells it apart
        setting = f"{setting[:_LONGEST]}-{hashlib.sha256(setting.encode()).hexdigest()[:12]}"
    return f"{'+'.join(filter(None, [setting, *seed])) or 'run'}-{identity(config)}"


def homes(sweep: Path) -> dict[str, str]:
    """Identity -> name, of the folders of jobs that a sweep has.

    A job asked for in other words, like a default that is named, is found in the folder it has.
    """
    try:
        names = sorted(os.listdir(sweep))
    except OSError:
        return {}
    return {found: name for name in names if (found := identity_in(name)) is not None}


def _is_beside(word: str) -> bool:
    """Whether a word of the command line says nothing of what is trained."""
    return word.startswith(("-", "hydra")) or word.partition("=")[0] in (*_LEFT_OUT, "launch")
