"""From config to objects: the one place where they are made."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from torch.optim import Optimizer

from lossladder import checks
from lossladder.checks import RequestError
from lossladder.data.datamodule import Data, seeded
from lossladder.data.validation_interval import make_schedule
from lossladder.engines import Engine, LearningRateSchedule
from lossladder.engines.schedules import ConstantRate
from lossladder.ladder import Ladder, Rung
from lossladder.models import Network, Recurrent
from lossladder.tasks import Task
from lossladder.training.config import TrainerConfig, check_config, under_key
from lossladder.training.construct import construct, constructor
from lossladder.training.locate import locate_class
from lossladder.training.make_network import make_network

# NumPy takes none larger, and Lightning seeds it as well
_LARGEST_SEED = 2**32 - 1
# symbols; a byte each, and no machine has memory for the gradients that follow from them
_LARGEST_WINDOW = 4_000_000_000


@dataclass(frozen=True)
class Parts:
    """The objects of a run.

    Args:
        task: what is to be learnt.
        network: initialised from the seed.
        data: chunks and validation sequences, with the schedule of the run.
        trainer: how it is trained.
        stop_at: the rung at which training stops; None: it goes on to its end.
        schedule: of the learning rate.
        make_optimizer: parameters -> optimizer.
        make_engine: network, task, optimizer -> engine.
        make_watching: folder of the run -> callbacks and loggers that the config asks for.
    """

    task: Task
    network: Network
    data: Data
    trainer: TrainerConfig
    stop_at: Rung | None
    schedule: LearningRateSchedule
    make_optimizer: Callable[..., Optimizer]
    make_engine: Callable[..., Engine]
    make_watching: Callable[[Path], tuple[list[Callback], list[Logger]]]


def build(config: Mapping[str, Any]) -> Parts:
    """Return the objects that a resolved config (plain values) describes.

    Raises:
        RequestError: naming the key, what came and what is allowed.
    """
    # Whatever can be wrong is found here, before a run has a folder: the order is that in which
    # one object needs another.
    check_config(config)
    trainer = under_key("trainer", lambda: TrainerConfig.parse(config["trainer"]))
    seed = under_key(None, lambda: checks.whole("seed", config["seed"], 0, _LARGEST_SEED))
    task = construct("task", config["task"], Task)
    network = make_network(config["model"], config["readout"], task)
    network.initialise(seeded("weights", seed))
    data = construct("data", config["data"], Data, task=task, seed=seed)
    _check_size(data)
    data.schedule = make_schedule(
        updates=trainer.updates(data.updates_per_epoch),
        epoch=data.updates_per_epoch,
        streams=data.streams,
        validate_every=trainer.validate_every,
        stops_early=trainer.stop_at is not None,
    )
    for update in trainer.stop_above or ():
        if update < data.schedule.updates and not data.schedule.ends_interval(update):
            raise RequestError(
                f"trainer.stop_above={trainer.stop_above}: no validation follows update {update}; "
                f"they come every {data.schedule.interval}, or as trainer.validate_every= says"
            )
    make_optimizer = constructor("optimizer", config["optimizer"], Optimizer)
    # torch takes a learning rate of 0, and of infinity
    under_key("optimizer", lambda: checks.real("lr", config["optimizer"].get("lr"), above=0))
    _check_constants(make_optimizer, network)
    schedule = _schedule(config.get("schedule"), data.schedule.updates)
    make_engine = constructor(
        "engine",
        config["engine"],
        Engine,
        gradient_clip=trainer.gradient_clip,
        schedule=schedule,
    )
    # made once to refuse what does not fit before a folder is; the learner makes its own
    under_key("engine", lambda: make_engine(network, task, make_optimizer(network.trained())))
    stop_at = under_key("trainer", lambda: _rung(data.ladder(), trainer.stop_at))
    watching = _watching(config.get("callbacks") or {})
    makers = make_optimizer, make_engine, watching
    return Parts(task, network, data, trainer, stop_at, schedule, *makers)


def initialisation_keys(model: Mapping[str, Any]) -> Sequence[str]:
    """Return the keys under `model` that say how parameters start, and nothing else."""
    try:
        return locate_class("model", model.get("_target_"), Recurrent).initialisation_arguments
    except RequestError:
        return ()


def _watching(
    config: Mapping[str, Any],
) -> Callable[[Path], tuple[list[Callback], list[Logger]]]:
    """Return what makes the callbacks and loggers of a run; each entry names a class."""
    # The classes are found now, so that a wrong name is refused before the run has a folder; the
    # objects are made later, because some of them write into it.
    makers: dict[str, partial[Callback | Logger]] = {}
    for name, entry in config.items():
        key = f"callbacks.{name}"
        if not isinstance(entry, Mapping):
            raise RequestError(f"{key}={entry}: must have keys of its own, _target_ among them")
        makers[key] = constructor(key, entry, Callback, Logger)

    def make(folder: Path) -> tuple[list[Callback], list[Logger]]:
        made: list[Callback | Logger] = []
        for key, maker in makers.items():
            # by name, ours and Lightning's, unless the config gives a place of its own
            takes = inspect.signature(maker.func).parameters
            places = {own for own in ("folder", "save_dir") if own in takes} - {*maker.keywords}
            made.append(under_key(key, partial(maker, **dict.fromkeys(places, str(folder)))))
        return (
            [each for each in made if isinstance(each, Callback)],
            [each for each in made if isinstance(each, Logger)],
        )

    return make


def _rung(ladder: Ladder, name: str | None) -> Rung | None:
    """Return the rung that `stop_at` names."""
    if name is None:
        return None
    checks.one_of("stop_at", name, ("floor", *(rung.name for rung in ladder)))
    return ladder.floor if name == "floor" else ladder[name]


def _schedule(config: Mapping[str, Any] | None, updates: int) -> LearningRateSchedule:
    """Return the schedule of the learning rate; one that asks for no length has the run's."""
    if config is None:
        return ConstantRate()
    found = locate_class("schedule", config.get("_target_"), LearningRateSchedule)
    if config.get("steps") is None and "steps" in inspect.signature(found).parameters:
        config = {**config, "steps": updates or None}
    return construct("schedule", config, LearningRateSchedule)


def _check_size(data: Data) -> None:
    """Refuse a window that no memory holds, before a run begins."""
    symbols = data.batch_size * data.bptt_steps
    if symbols > _LARGEST_WINDOW:
        raise RequestError(
            f"data.batch_size={data.batch_size}: makes windows of {symbols:,} symbols, with "
            f"{data.bptt_steps} steps each; must be at most {_LARGEST_WINDOW:,} in all"
        )


def _check_constants(make: "partial[Optimizer]", network: Network) -> None:
    """Refuse what an optimizer does not take, naming the key, which its own messages do not."""
    try:
        make(network.trained())
    except Exception as error:  # torch checks little itself: a list too short is an IndexError
        # the key at fault is the one without which the others do
        for key, value in make.keywords.items():
            others = {name: other for name, other in make.keywords.items() if name != key}
            try:
                make.func(network.trained(), **others)
            except Exception:
                continue
            default = inspect.signature(make.func).parameters[key].default
            raise RequestError(
                f"optimizer.{key}={value}: {error}; its default is {default}"
            ) from error
        raise RequestError(f"optimizer: {error}") from error
