"""The one place where a config becomes objects."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from torch.optim import Optimizer

from lossladder import arguments
from lossladder.engines import Engine
from lossladder.models import Network, Recurrent
from lossladder.tasks import Task
from lossladder.training.data import Data
from lossladder.training.named import RequestError, named_class, no_such_key
from lossladder.training.plan import plan
from lossladder.training.seeds import seeded

_LARGEST_SEED = 2**32 - 1  # NumPy's, which Lightning seeds as well
_LARGEST_WINDOW = 4_000_000_000  # symbols; a byte each, and no machine has memory for what follows

Built = TypeVar("Built")


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
    seed = asked(None, lambda: arguments.whole("seed", config["seed"], 0, _LARGEST_SEED))
    task = _construct("task", config["task"], Task)
    recurrent = _construct("model", config["model"], Recurrent, input_size=task.input_size)
    network = asked(
        "readout", lambda: Network(recurrent, task.output_size, **_readout(config["readout"]))
    )
    network.initialise(seeded("weights", seed))
    data = _construct("data", config["data"], Data, task=task, seed=seed)
    _check_size(data)
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
    asked("optimizer", lambda: arguments.real("lr", config["optimizer"].get("lr"), above=0))
    _check_constants(make_optimizer, network)
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
_NEEDED = tuple(key for key in _KEYS if key not in ("logs", "names", "resume"))


def starts(config: Mapping[str, Any]) -> Sequence[str]:
    """Keys of a config's network that say how its parameters start, and nothing else."""
    try:
        return named_class("model", config["model"].get("_target_"), Recurrent).starts
    except RequestError:
        return ()


def _readout(config: Mapping[str, Any]) -> dict[str, Any]:
    """How the readout starts; its keys are spelled `readout.std` in a config."""
    for key, value in config.items():
        if key not in _READOUT_KEYS:
            raise RequestError(no_such_key("readout.", key, value, _READOUT_KEYS))
    return {f"readout_{key}": value for key, value in config.items()}


def _check_keys(config: Mapping[str, Any]) -> None:
    """Refuse keys nobody reads; a key that were passed over would be a wish ignored in silence."""
    for key in config:
        if key not in _KEYS:
            raise RequestError(no_such_key("", key, config[key], _KEYS))
    for key in _NEEDED:
        if key not in config:
            raise RequestError(f"{key}: is missing; every run needs it")
        if key != "seed" and not isinstance(config[key], Mapping):
            raise RequestError(f"{key}={config[key]}: must have keys of its own")
    for key in _TRAINER_KEYS:
        if key not in config["trainer"]:
            raise RequestError(f"trainer.{key}: is missing; every run needs it")
    for key, value in config["trainer"].items():
        if key not in _TRAINER_KEYS:
            raise RequestError(no_such_key("trainer.", key, value, _TRAINER_KEYS))


def _check_size(data: Data) -> None:
    """Refuse a window that no memory holds, before a run begins."""
    symbols = data.batch_size * data.bptt_steps
    if symbols > _LARGEST_WINDOW:
        raise RequestError(
            f"data.batch_size={data.batch_size}: makes windows of {symbols:,} symbols, with "
            f"{data.bptt_steps} steps each; must be at most {_LARGEST_WINDOW:,} in all"
        )


def _check_constants(make: "partial[Optimizer]", network: Network) -> None:
    """Refuse now, not later, what an optimizer does not take; its own messages name no key."""
    try:
        make(network.trained())
    except Exception as error:  # torch checks little itself: a list too short is an IndexError
        defaults = inspect.signature(make.func).parameters
        for key, value in make.keywords.items():
            if _works(make, network, without=key):
                raise RequestError(
                    f"optimizer.{key}={value}: {error}; its default is {defaults[key].default}"
                ) from error
        raise RequestError(f"optimizer: {error}") from error


def _works(make: "partial[Optimizer]", network: Network, without: str) -> bool:
    values = {key: value for key, value in make.keywords.items() if key != without}
    try:
        make.func(network.trained(), **values)
    except Exception:
        return False
    return True


def _construct(key: str, config: Mapping[str, Any], promise: type[Built], **given: Any) -> Built:
    make = _constructor(key, config, promise, **given)
    for name, parameter in inspect.signature(make.func).parameters.items():
        if parameter.default is parameter.empty and name not in make.keywords:
            raise RequestError(f"{key}.{name}: is missing; {config['_target_']} needs it")
    return asked(key, make)


def _constructor(
    key: str, config: Mapping[str, Any], promise: type[Built], **given: Any
) -> "partial[Built]":
    """What `key._target_` names, with the config's values and the given ones filled in."""
    values = {name: value for name, value in config.items() if name != "_target_"}
    found = named_class(key, config.get("_target_"), promise)
    allowed = [name for name in inspect.signature(found).parameters if name not in given]
    for unknown in values.keys() - set(allowed):
        raise RequestError(
            no_such_key(f"{key}.", unknown, values[unknown], allowed, found.__name__)
        )
    return partial(found, **values, **given)


def asked(key: str | None, make: Callable[[], Built]) -> Built:
    """Run `make`; what it refuses was wrong in the request, under this key of the config."""
    try:
        return make()
    except RequestError:
        raise
    except (ValueError, TypeError, RuntimeError, MemoryError) as error:
        message = str(error)
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
