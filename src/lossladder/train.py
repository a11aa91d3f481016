"""The whole story of a run, from config to verdict, and of runs that are trained together."""

import errno
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import Logger

from lossladder import console, signals
from lossladder.checks import RequestError
from lossladder.runs.checkpoint import write_checkpoint
from lossladder.runs.folder import CHECKPOINT, append_log, claim, clear, config_text, run_log
from lossladder.runs.group import Group, can_go_on, read_left
from lossladder.runs.result import Result, RunFailedError
from lossladder.runs.verdict import verdict
from lossladder.signals import Stopped
from lossladder.tensorboard.logger import EventFileLogger
from lossladder.tensorboard.reference_lines import write_references
from lossladder.training.build import Parts, build
from lossladder.training.callbacks import Checkpoints, ProgressBar, StopEarly
from lossladder.training.conclude import conclude, theory_references
from lossladder.training.learner import Learner
from lossladder.training.population import PopulationLearner, engine_for
from lossladder.training.trainer import make_trainer

# what ends a run although nothing is wrong with it: the disk is full or gone, memory is
_FROM_OUTSIDE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "ENOMEM", "ESTALE", "ENODEV")
    if hasattr(errno, name)
}


def train(
    config: Mapping[str, Any], folder: Path, logdir: Path, watchers: Sequence[Callback] = ()
) -> Result:
    """Train a network on a task and see which rung it reaches.

    What a run of this config has left in the folder before it was killed or interrupted is taken
    up: the run goes on there and ends as if it had never stopped.

    Args:
        config: resolved, plain values; `names` says what was chosen in each group.
        folder: the run's own; holds everything it leaves.
        logdir: folder of the runs that are looked at together; holds their reference lines.
        watchers: callbacks of whoever wants to know how far the run is.
    Returns:
        The result, as `result.json` has it.
    Raises:
        RequestError: if the request was wrong; then nothing is left behind.
        RunFailedError: if not even the result could be written.
    """
    parts = build(config)
    resume = None if config.get("resume") is None else Path(config["resume"])
    other = None if resume is None else _to_go_on_with(parts, resume)
    learner = Learner(parts, config["names"]["task"])
    with signals.noted(), claim(folder, config), _room_in(folder), run_log(folder) as log:
        own = _left(folder)
        if own is None:
            clear(folder)
        own_callbacks, own_loggers = parts.make_watching(folder)
        learner.events = EventFileLogger(folder)
        loggers: list[Logger] = [learner.events, *own_loggers]
        callbacks: list[Callback] = []
        if parts.trainer.progress:
            callbacks.append(ProgressBar())
        callbacks.append(StopEarly(parts.stop_at, parts.trainer.stop_above))
        # checkpoints last: they hold what all others have done
        saves = Checkpoints(folder / CHECKPOINT, parts.trainer.checkpoint_seconds)
        callbacks += [*watchers, *own_callbacks, saves]
        # for networks that draw numbers of their own: ours draw from generators
        seed_everything(config["seed"], verbose=False)
        if own is not None:
            saved = own["lossladder"]
            learner.events.restore(saved["events"], saved["updates"])
            parts = replace(parts, trainer=replace(parts.trainer, threads=saved["threads"]))
        checkpoint = own or other
        if checkpoint is not None:
            made = checkpoint["lossladder"]["updates"]
            learner.data.schedule = replace(learner.data.schedule, start=made)
            log.info("going on from update %d", made)
        ended = own is not None and own["lossladder"]["ended"]
        trainer = make_trainer(
            parts.trainer,
            0 if ended else learner.data.schedule.intervals,
            checkpoint,
            folder,
            loggers,
            callbacks,
        )
        log.info("config\n%s", config_text(folder))
        with closing(learner.events):
            status, why = _fit(trainer, learner, checkpoint is not None, logdir, log)
            seconds = time.perf_counter() - learner.began
            with signals.held():
                result = conclude(config, learner, status, seconds, folder, loggers, why)
                log.info("verdict\n%s", verdict(result))
                result.write(folder)
    return result


def _left(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint with which a run goes on in its own folder; None: it begins."""
    if not can_go_on(folder):
        return None
    try:
        return read_left(folder, str(folder))
    except RequestError as error:
        console.note(f"{error}; the run begins anew")
        return None


def _to_go_on_with(parts: Parts, folder: Path) -> dict[str, Any]:
    """Return the checkpoint of another run, for one that goes on with it.

    Raises:
        RequestError: if there is none, nothing is left to do, or the schedule would be another.
    """
    checkpoint = read_left(folder, f"resume={folder}")
    made, schedule = checkpoint["lossladder"]["updates"], parts.data.schedule
    if made >= schedule.updates:
        raise RequestError(
            f"resume={folder}: has made {made} updates already, and {schedule.updates} are asked "
            "for; ask for more with trainer.max_steps= or trainer.max_epochs="
        )
    steps = checkpoint["lossladder"].get("schedule_steps")
    if steps is not None and parts.schedule.steps != steps:
        raise RequestError(
            f"resume={folder}: its learning rate goes through a schedule of {steps} updates, and "
            f"would go through one of {parts.schedule.steps}; add ++schedule.steps={steps}"
        )
    before = checkpoint["lossladder"]["interval"]
    # a run that stops on a rung is validated every hundredth of its length
    if parts.stop_at is not None and before not in (schedule.interval, made):
        raise RequestError(
            f"resume={folder}: was validated every {before} updates, and with trainer.stop_at= a "
            f"run of {schedule.updates} is every {schedule.interval}; add "
            f"trainer.validate_every={before}"
        )
    return checkpoint


def _fit(
    trainer: Trainer, learner: Learner, goes_on: bool, logdir: Path, log: logging.Logger
) -> tuple[str, str | None]:
    """Train; return the status, which says how it ended, and if by a fault, what it was."""
    schedule = learner.data.schedule
    try:
        marks = theory_references(learner.network, learner.data)
        write_references(logdir, learner.loss_tag, learner.ladder, schedule.updates, marks)
        # the path says no more than that there is one
        path = CHECKPOINT if goes_on else None
        trainer.fit(learner, datamodule=learner.data, ckpt_path=path)
    # Lightning turns Ctrl-C, where it was not to wait for a checkpoint, into an end of the program
    except (Stopped, KeyboardInterrupt, SystemExit):
        log.warning("interrupted by %s after %d updates", signals.stop_asked(), learner.updates)
        return "interrupted", signals.stop_asked()
    except Exception as error:
        status = "interrupted" if is_from_outside(error) else "failed"
        log.error("%s after %d updates\n%s", status, learner.updates, traceback.format_exc())
        return status, traceback.format_exception_only(error)[-1].strip()
    return "diverged" if learner.diverged else "done", None


def is_from_outside(error: BaseException) -> bool:
    """Return whether what ended a run was no fault of its own: no room on the disk, no memory."""
    lacks_room = isinstance(error, OSError) and error.errno in _FROM_OUTSIDE
    return lacks_room or isinstance(error, MemoryError)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """Say what it means when a run that has begun cannot write what it must."""
    try:
        yield
    except OSError as error:
        raise RunFailedError(
            f"{folder}: {error.strerror}; the same command goes on from the last checkpoint"
        ) from error


# --- together ---------------------------------------------------------------------------------


def train_together(
    configs: Sequence[Mapping[str, Any]],
    folders: Sequence[Path],
    built: Sequence[Parts],
    logdir: Path,
    report: Callable[[int, Counter[str]], None],
) -> list[Result]:
    """Train several runs at once; each leaves in its folder what it would have left alone.

    What the same runs have left before they were killed or interrupted together is taken up.

    Args:
        configs: which differ only in what members can differ in.
        folders: the runs' own, in order.
        built: of their configs, in order.
        logdir: folder of the runs that are looked at together; holds their reference lines.
        report: is told after each chunk how many updates were made, and who stands where.
    Returns:
        The results, in order; none if nothing trains these together.
    """
    group = Group(logdir, [folder.name for folder in folders])
    saved = group.read()
    began = None if saved is None else saved[group.names[0]]["engine"]
    engine = engine_for(built[0], len(built), began)
    if engine is None:
        return []
    learners = [Learner(parts, configs[0]["names"]["task"]) for parts in built]
    for learner in learners[1:]:
        # of snapshots all keep the numbers; the pictures of 64 would take longer than training
        learner.draws = False
    first, schedule = built[0], built[0].data.schedule
    with ExitStack() as held:
        held.enter_context(signals.noted())
        for config, folder, parts, learner in zip(configs, folders, built, learners, strict=True):
            held.enter_context(claim(folder, config))
            if saved is None:
                clear(folder)
            learner.join(engine)
            learner.events = held.enter_context(closing(EventFileLogger(folder)))
            learner.own_callbacks, own_loggers = parts.make_watching(folder)
            learner.own_loggers = [learner.events, *own_loggers]
            append_log(folder, logging.INFO, f"config\n{config_text(folder)}")
        # for dropout, which draws the numbers of all at once
        seed_everything(configs[0]["seed"], verbose=False)
        together = PopulationLearner(
            learners, engine, report, group, first.trainer.checkpoint_seconds
        )
        together.ends = StopEarly(first.stop_at, first.trainer.stop_above).ends
        if saved is not None:
            together.take_up(saved)
            for folder in folders:
                append_log(folder, logging.INFO, f"going on from update {together.updates}")
        # Lightning wants one root, and writes nothing there: any member's folder will do
        intervals = learners[0].data.schedule.intervals if together.active else 0
        trainer = make_trainer(first.trainer, intervals, None, folders[0])
        # they differ in nothing that a theorem asks for
        one = learners[0]
        marks = theory_references(one.network, one.data)
        write_references(logdir, one.loss_tag, one.ladder, schedule.updates, marks)
        status = "done"
        try:
            trainer.fit(together)
        except (Stopped, KeyboardInterrupt, SystemExit):
            status = "interrupted"
        seconds = (time.perf_counter() - learners[0].began) / len(learners)
        # what has been learnt is written, whoever is in a hurry
        with signals.held():
            return [
                _leave(config, folder, learner, together.kept.get(learner), status, seconds)
                for config, folder, learner in zip(configs, folders, learners, strict=True)
            ]


def _leave(
    config: Mapping[str, Any],
    folder: Path,
    learner: Learner,
    checkpoint: dict[str, Any] | None,
    status: str,
    seconds: float,
) -> Result:
    """Write what a member leaves when it ends."""
    if checkpoint is not None:
        write_checkpoint(checkpoint, folder / CHECKPOINT)
        if checkpoint["lossladder"]["updates"] == learner.data.schedule.updates:
            # whatever interrupted the others
            status = "done"
    status = "diverged" if learner.diverged else status
    why = signals.stop_asked() if status == "interrupted" else None
    result = conclude(config, learner, status, seconds, folder, learner.own_loggers, why)
    append_log(folder, logging.INFO, f"verdict\n{verdict(result)}")
    result.write(folder)
    return result
