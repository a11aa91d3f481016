"""The one place where a config becomes objects; what it may name is listed here."""

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from torch.optim import Optimizer

from lossladder import arguments
from lossladder.engines import Engine
from lossladder.models import Network, Recurrent
from lossladder.tasks import Task
from lossladder.training.data import Data
from lossladder.training.plan import plan
from lossladder.training.seeds import seeded

# A config must not be able to run anything else. Who keeps tasks or networks in a package of their
# own says so in the environment, where no config reaches: LOSSLADDER_PACKAGES=mine,yours
_PACKAGES = ("lossladder", "torch.optim")

Built = TypeVar("Built")


class RequestError(ValueError):
    """What was asked for cannot be had; the message says what was asked and what is allowed."""


@dataclass(frozen=True)
class Parts:
    """The objects of a run.

    Args:
        task: what is to be learnt.
        network: initialised from the seed.
        data: chunks and validation sequences, with the plan of the run.
        make_optimizer: parameters -> optimizer.
        make_engine: network, task, optimizer -> engine.
    """

    task: Task
    network: Network
    data: Data
    make_optimizer: Callable[..., Optimizer]
    make_engine: Callable[..., Engine]


def build(config: Mapping[str, Any]) -> Parts:
    """Turn a resolved config (plain values) into objects.

    Raises:
        RequestError: naming the key, what came and what is allowed.
    """
    _check_keys(config)
    seed = asked(None, lambda: arguments.whole("seed", config["seed"], at_least=0))
    task = _construct("task", config["task"], Task)
    recurrent = _construct("model", config["model"], Recurrent, input_size=task.input_size)
    network = asked(
        None, lambda: Network(recurrent, task.output_size, **_readout(config["readout"]))
    )
    network.initialise(seeded("weights", seed))
    data = _construct("data", config["data"], Data, task=task, seed=seed)
    trainer = config["trainer"]
    data.plan = asked(
        "trainer",
        lambda: plan(
            epoch=data.updates_per_epoch,
            cut_at_epochs=data.carried,
            max_epochs=trainer["max_epochs"],
            max_steps=trainer["max_steps"],
            validate_every=trainer["validate_every"],
        ),
    )
    clip = trainer["gradient_clip"]
    if clip is not None:
        clip = asked("trainer", lambda: arguments.real("gradient_clip", clip, above=0))
    make_optimizer = _constructor("optimizer", config["optimizer"], Optimizer)
    asked("optimizer", lambda: arguments.real("lr", config["optimizer"]["lr"], above=0))
    asked("optimizer", lambda: make_optimizer(network.trained()))  # refuses now, not later
    make_engine = _constructor(
        "engine",
        config["engine"],
        Engine,
        gradient_clip=clip,
        expected_steps=data.plan.updates * data.bptt_steps,
    )
    asked("engine", lambda: make_engine(network, task, make_optimizer(network.trained())))
    return Parts(task, network, data, make_optimizer, make_engine)


_TRAINER_KEYS = (
    "max_epochs", "max_steps", "validate_every", "gradient_clip", "stop_at",
    "accelerator", "devices", "threads", "progress",
)  # fmt: skip
_READOUT_KEYS = ("std", "bias", "weights", "alone")
_KEYS = (
    "task",
    "model",
    "readout",
    "optimizer",
    "data",
    "trainer",
    "engine",
    "seed",
    "logs",
    "names",
    "resume",
)


def starts(config: Mapping[str, Any]) -> Sequence[str]:
    """Keys of a config's network that say how its parameters start, and nothing else."""
    try:
        return _class("model", config["model"].get("_target_"), Recurrent).starts
    except RequestError:
        return ()


def _readout(config: Mapping[str, Any]) -> dict[str, Any]:
    """How the readout starts; its keys are spelled `readout.std` in a config."""
    for key, value in config.items():
        if key not in _READOUT_KEYS:
            raise RequestError(_no_such_key("readout.", key, value, _READOUT_KEYS))
    return {f"readout_{key}": value for key, value in config.items()}


def _check_keys(config: Mapping[str, Any]) -> None:
    """Refuse keys nobody reads; a key that were passed over would be a wish ignored in silence."""
    for key in config:
        if key not in _KEYS:
            raise RequestError(_no_such_key("", key, config[key], _KEYS))
    for key, value in config["trainer"].items():
        if key not in _TRAINER_KEYS:
            raise RequestError(_no_such_key("trainer.", key, value, _TRAINER_KEYS))


def _no_such_key(prefix: str, key: str, value: Any, allowed: Sequence[str]) -> str:
    near = get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{prefix}{key}={value}: no such key; allowed: {', '.join(allowed)}{hint}"


def _construct(key: str, config: Mapping[str, Any], promise: type[Built], **given: Any) -> Built:
    make = _constructor(key, config, promise, **given)
    return asked(key, make)


def _constructor(
    key: str, config: Mapping[str, Any], promise: type[Built], **given: Any
) -> Callable[..., Built]:
    """What `key._target_` names, with the config's values and the given ones filled in."""
    values = {name: value for name, value in config.items() if name != "_target_"}
    found = _class(key, config.get("_target_"), promise)
    allowed = [name for name in inspect.signature(found).parameters if name not in given]
    for unknown in values.keys() - set(allowed):
        raise RequestError(_no_such_key(f"{key}.", unknown, values[unknown], allowed))
    return partial(found, **values, **given)


def _class(key: str, target: Any, promise: type[Built]) -> type[Built]:
    """What a config names.

    Nothing is imported, let alone called, unless it lies in an allowed package; and what is found
    there must be a class that keeps the promise.
    """
    packages = (*_PACKAGES, *filter(None, os.environ.get("LOSSLADDER_PACKAGES", "").split(",")))
    if not isinstance(target, str) or not target.startswith(tuple(f"{p}." for p in packages)):
        raise RequestError(
            f"{key}._target_={target}: must lie in one of the allowed packages, "
            f"{', '.join(packages)}"
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RequestError(f"{key}._target_={target}: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, promise)) or inspect.isabstract(found):
        raise RequestError(f"{key}._target_={target}: is no {promise.__name__}")
    return found


def asked(key: str | None, make: Callable[[], Built]) -> Built:
    """Run `make`; what it refuses was wrong in the request, under this key of the config."""
    try:
        return make()
    except RequestError:
        raise
    except (ValueError, TypeError) as error:
        message = str(error)
        if key is None or message.startswith(("task=", "engine=")):
            prefix = ""
        elif re.match(r"\w+(: [\w ]+)?=", message):  # "hidden_size=-1: must be ..."
            prefix = f"{key}."
        else:
            prefix = f"{key}: "
        raise RequestError(prefix + message) from error
