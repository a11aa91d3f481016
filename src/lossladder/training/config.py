"""The config of a run, checked where it arrives: its keys, and all that stands under `trainer`."""

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

READOUT_KEYS = ("std", "bias", "weights", "alone")
KEYS = (
    "task",
    "model",
    "readout",
    "optimizer",
    "data",
    "trainer",
    "engine",
    "seed",
    "callbacks",
    "logs",
    "names",
    "resume",
)
_NEEDED = KEYS[: KEYS.index("callbacks")]

# What Lightning's Trainer takes and this project does not, with what to do instead.
LIGHTNING_KEYS = {
    "precision": "every network trains in float32; another one is a matter of the engines",
    "strategy": "one process trains on one device, and several devices share a sweep: "
    "see docs/scale.md",
    "num_nodes": "one process trains on one device, and several machines share a sweep: "
    "see docs/scale.md",
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

    Args:
        max_epochs: length of the run; None: `max_steps` says it.
        max_steps: length in optimizer updates; if given, it decides.
        validate_every: updates between validations; None: once an epoch, at most every 100.
        gradient_clip: largest norm of the gradient; None: no clipping.
        stop_at: name of a rung, or floor; None: the run goes on to its end.
        accelerator: any that Lightning offers.
        devices: as Lightning takes them.
        threads: processor threads of torch.
        progress: whether to show a bar.
    """

    max_epochs: int | None
    max_steps: int | None
    validate_every: int | None
    gradient_clip: float | None
    stop_at: str | None
    accelerator: str
    devices: int | str
    threads: int
    progress: bool

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "TrainerConfig":
        """Check the part `trainer` of a config.

        Raises:
            RequestError: naming the key, what came and what is allowed.
        """
        check_keys("trainer.", config, TRAINER_KEYS)
        for key in TRAINER_KEYS:
            if key not in config:
                raise RequestError(f"trainer.{key}: is missing; every run needs it")
        value = dict(config)
        try:
            for key in ("max_epochs", "max_steps", "validate_every"):
                if value[key] is not None:
                    checks.whole(f"trainer.{key}", value[key])
            if value["gradient_clip"] is not None:
                value["gradient_clip"] = checks.real(
                    "trainer.gradient_clip", value["gradient_clip"], above=0
                )
            checks.whole("trainer.threads", value["threads"])
            checks.flag("trainer.progress", value["progress"])
        except ValueError as error:
            raise RequestError(str(error)) from error
        if value["max_epochs"] is None and value["max_steps"] is None:
            raise RequestError("trainer.max_epochs=None, trainer.max_steps=None: give one of them")
        return cls(**value)


TRAINER_KEYS = tuple(field.name for field in fields(TrainerConfig))


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse keys nobody reads: a key that were passed over would be a wish ignored in silence.

    Raises:
        RequestError: naming the key and those there are, or a group that is missing.
    """
    check_keys("", config, KEYS)
    for key in _NEEDED:
        if key not in config:
            raise RequestError(f"{key}: is missing; every run needs it")
        if key != "seed" and not isinstance(config[key], Mapping):
            raise RequestError(f"{key}={config[key]}: must have keys of its own")
    check_keys("readout.", config["readout"], READOUT_KEYS)


def check_keys(
    prefix: str, config: Mapping[str, Any], allowed: Collection[str], owner: str | None = None
) -> None:
    """Refuse keys that are not allowed.

    Args:
        prefix: of the keys: "model."
        config: the keys without their prefix, with their values.
        allowed: keys there are.
        owner: who lacks the others.
    """
    for key, value in config.items():
        if key in allowed:
            continue
        if prefix == "trainer." and key in LIGHTNING_KEYS:
            raise RequestError(f"trainer.{key}={value}: {LIGHTNING_KEYS[key]}")
        lacks = "no such key" if owner is None else f"{owner} has no such key"
        raise RequestError(f"{prefix}{key}={value}: {lacks}; {hint(key, allowed, prefix)}")


def hint(name: str, allowed: Collection[str], prefix: str = "") -> str:
    """Return what there is instead, and which of it was probably meant.

    >>> hint("sead", ["seed", "logs"])
    'allowed: seed, logs; did you mean seed?'
    """
    near = get_close_matches(name, allowed, n=1)
    meant = f"; did you mean {prefix}{near[0]}?" if near else ""
    return f"allowed: {', '.join(f'{prefix}{known}' for known in allowed)}{meant}"


def under_key(key: str | None, make: Callable[[], Built]) -> Built:
    """Run `make`; what it refuses was wrong in the request, under this key of the config.

    Raises:
        RequestError: with the complaint, its argument spelled as on the command line.
    """
    try:
        return make()
    except RequestError:
        raise
    except Exception as error:
        message = str(error)
        if not isinstance(error, ValueError) and (line := _own_line(error)):
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
