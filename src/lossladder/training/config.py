"""The config of a run, checked where it arrives: its keys, and everything under `trainer`."""

import re
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_path
from typing import Any, TypeVar

from lossladder import checks
from lossladder.checks import RequestError

Built = TypeVar("Built")

_NEEDED = ("task", "model", "readout", "optimizer", "data", "trainer", "engine", "seed")
# configs that are older than schedules have none
_KEYS = (*_NEEDED, "schedule", "callbacks", "logs", "names", "resume", "suite", "passport")
_READOUT_KEYS = ("std", "bias", "weights", "alone")

_MOST_THREADS = 1024

ONE_DEVICE = (
    "one process trains on one device, and several devices or machines share a sweep: "
    "see docs/scale.md"
)
# What Lightning's Trainer takes and this project does not, with what to do instead: people try
# these first, and a list of our own keys would not tell them where their wish belongs.
LIGHTNING_KEYS = {
    "precision": "every network trains in float32; another one is a matter of the engines",
    "strategy": ONE_DEVICE,
    "num_nodes": ONE_DEVICE,
    "profiler": "profile the command itself, or add a callback of your own: see conf/callbacks",
    "callbacks": "they are a group of their own: see conf/callbacks",
    "logger": "loggers come as callbacks: see conf/callbacks",
    "gradient_clip_val": "it is called trainer.gradient_clip here",
    "val_check_interval": "it is called trainer.validate_every here, in updates",
    "check_val_every_n_epoch": "it is called trainer.validate_every here, in updates",
    "enable_progress_bar": "it is called trainer.progress here",
    "fast_dev_run": "trainer.max_steps=10 is as quick",
}


@dataclass(frozen=True)
class TrainerConfig:
    """How long and by what means a run is trained; parsed once, by `parse`.

    The comments of conf/trainer/default.yaml say what each key means, and its unit.
    """

    max_epochs: int | None
    max_steps: int | None
    validate_every: int | None
    gradient_clip: float | None
    stop_at: str | None
    accelerator: str
    devices: int | list[int]
    threads: int
    checkpoint_seconds: float
    progress: bool
    # configs that are older have neither
    stop_above: Mapping[int, float] | None = None
    snapshots: bool = False

    @classmethod
    def check(cls, config: Mapping[str, Any]) -> None:
        """Refuse keys that the part `trainer` of a config does not have, and the lack of others.

        Raises:
            RequestError: naming the key.
        """
        added = ("stop_above", "snapshots")
        keys = [field.name for field in fields(cls)]
        check_keys("trainer.", config, keys, needed=[key for key in keys if key not in added])

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "TrainerConfig":
        """Check the part `trainer` of a config.

        Raises:
            ValueError: naming the key, what came and what is allowed.
        """
        cls.check(config)
        value = {"snapshots": cls.snapshots, **config}
        for key in ("max_epochs", "max_steps", "validate_every"):
            if value[key] is not None:
                checks.whole(key, value[key])
        if value["gradient_clip"] is not None:
            value["gradient_clip"] = checks.real("gradient_clip", value["gradient_clip"], above=0)
        # torch makes them all, at once, for whatever number comes
        checks.whole("threads", value["threads"], at_most=_MOST_THREADS)
        value["checkpoint_seconds"] = checks.real(
            "checkpoint_seconds", value["checkpoint_seconds"], above=0
        )
        checks.flag("progress", value["progress"])
        checks.flag("snapshots", value["snapshots"])
        above = value.get("stop_above") or {}
        if not isinstance(above, Mapping):
            raise ValueError(
                f"stop_above={above!r}: must be null, or have a distance from the floor for some "
                "updates: {250: 0.1}"
            )
        for update, distance in above.items():
            checks.whole("stop_above: update", update)
            checks.real("stop_above", distance, least=0)
        # Lightning would start a process for each, and every one would train the same run
        devices = value["devices"]
        index = devices[0] if isinstance(devices, list) and len(devices) == 1 else None
        # True is a 1 to Python
        if type(index) is not int and not (type(devices) is int and devices == 1):
            raise RequestError(
                f"trainer.devices={devices}: must be 1, or one index in brackets, as [0]; "
                f"{ONE_DEVICE}"
            )
        # accelerator is Lightning's to judge, stop_at is the ladder's
        if value["max_epochs"] is None and value["max_steps"] is None:
            raise RequestError("trainer.max_epochs=None, trainer.max_steps=None: give one of them")
        return cls(**value)

    def updates(self, epoch: int) -> int:
        """Return how many updates the run makes, given those of an epoch."""
        return self.max_steps or epoch * (self.max_epochs or 0)  # `parse` requires one of them


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse keys that nobody reads, groups that are missing and groups that have no keys.

    Raises:
        RequestError: naming the key and those there are, or a group that is missing.
    """
    # a key that was passed over would be a wish ignored in silence
    check_keys("", config, _KEYS, needed=_NEEDED)
    for key in (*_NEEDED, *({"schedule"} & {*config})):
        if key != "seed" and not isinstance(config[key], Mapping):
            raise RequestError(f"{key}={config[key]}: must have keys of its own")
    check_keys("readout.", config["readout"], _READOUT_KEYS)


def check_keys(
    prefix: str,
    config: Mapping[str, Any],
    allowed: Collection[str],
    owner: str | None = None,
    needed: Collection[str] = (),
) -> None:
    """Refuse keys that are not allowed, and the lack of those that every run needs.

    Args:
        prefix: of the keys: "model."
        config: the keys without their prefix, with their values.
        allowed: keys there are.
        owner: class that takes no others.
        needed: keys that must be there.
    """
    for key, value in config.items():
        if key in allowed:
            continue
        if prefix == "trainer." and key in LIGHTNING_KEYS:
            raise RequestError(f"trainer.{key}={value}: {LIGHTNING_KEYS[key]}")
        lacks = "no such key" if owner is None else f"{owner} has no such key"
        raise RequestError(f"{prefix}{key}={value}: {lacks}; {hint(key, allowed, prefix)}")
    for key in needed:
        if key not in config:
            raise RequestError(f"{prefix}{key}: is missing; every run needs it")


def hint(name: str, allowed: Collection[str], prefix: str = "") -> str:
    """Return which names there are, and which of them was probably meant.

    >>> hint("sead", ["seed", "logs"])
    'allowed: seed, logs; did you mean seed?'
    """
    listed = ", ".join(f"{prefix}{known}" for known in allowed)
    return f"allowed: {listed}{meant(name, allowed, prefix)}"


def meant(name: str, allowed: Collection[str], prefix: str = "") -> str:
    """Return which of the names there are was probably meant; nothing, if none is near.

    >>> meant("sead", ["seed", "logs"]), meant("logger", ["logs"])
    ('; did you mean seed?', '')
    """
    # difflib's own cutoff, 0.6, takes "logger" for "logs"
    near = get_close_matches(name, allowed, n=1, cutoff=0.65)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def under_key(key: str | None, make: Callable[[], Built]) -> Built:
    """Return what `make` makes; what it refuses was wrong in the request, under this key.

    Raises:
        RequestError: with the complaint, its argument spelled as on the command line.
    """
    # Tasks and networks know their arguments, not the keys of a config: they are plain classes,
    # whose ValueError becomes a message about the command line here.
    try:
        return make()
    except RequestError:
        raise
    except Exception as error:
        message = str(error)
        if not isinstance(error, ValueError) and (line := _own_line(error)):
            # a slip in a class of one's own: its line is worth more than a traceback through ours
            message = f"{type(error).__name__}: {message} ({line})"
        elif not isinstance(error, ValueError | TypeError | RuntimeError | MemoryError):
            raise  # a fault of ours
        if message.startswith(f"{key}_"):  # a network's "readout_std" is "readout.std" in a config
            message = message.replace(f"{key}_", f"{key}.", 1)
            prefix = ""
        elif key is None or message.startswith(("task=", "task.", "engine=")):
            prefix = ""
        elif re.match(r"\w+(: [\w ]+)?=", message):  # "hidden_size=-1: must be ..."
            prefix = f"{key}."
        else:
            prefix = f"{key}: "
        raise RequestError(prefix + message) from error


def _own_line(error: Exception) -> str | None:
    """Return which line of a package of one's own raised an error; None: it was none of them."""
    others = (str(Path(checks.__file__).parent), *map(get_path, ("stdlib", "purelib", "platlib")))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(others) and Path(frame.filename).is_file():
            return f"{Path(frame.filename).name}, line {frame.lineno}"
    return None
