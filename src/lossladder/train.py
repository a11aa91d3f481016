"""The whole story of a run, from config to verdict, and of runs that are trained together."""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import Logger

from lossladder.checks import RequestError
from lossladder.data.validation_interval import Schedule
from lossladder.runs.atomic import defer_interrupt
from lossladder.runs.checkpoint import AtomicCheckpointIO, read_checkpoint
from lossladder.runs.folder import CHECKPOINT, append_log, claim, config_text, run_log
from lossladder.runs.result import Result
from lossladder.runs.verdict import verdict
from lossladder.tensorboard.logger import EventFileLogger
from lossladder.tensorboard.reference_lines import write_references
from lossladder.training.build import Parts, build
from lossladder.training.callbacks import LastCheckpoint, ProgressBar, StopAtRung
from lossladder.training.conclude import conclude
from lossladder.training.learner import Learner
from lossladder.training.population import PopulationLearner, Snapshots, engine_for
from lossladder.training.trainer import make_trainer


def train(
    config: Mapping[str, Any], folder: Path, logdir: Path, watchers: Sequence[Callback] = ()
) -> Result:
    """Train a network on a task and see which rung it reaches.

    Args:
        config: resolved, plain values; `names` says what was chosen in each group.
        folder: the run's own; holds everything it leaves.
        logdir: folder of the runs that are looked at together; holds their reference lines.
        watchers: callbacks of whoever wants to know how far the run is.
    Returns:
        The result, as `result.json` has it.
    Raises:
        RequestError: if the request was wrong; then nothing is left behind.
    """
    parts = build(config)
    resume = config.get("resume")
    if resume is not None:
        parts.data.schedule = _continued(parts.data.schedule, Path(resume))
    learner = Learner(parts, config["names"]["task"])
    # for networks that draw numbers of their own: ours draw from generators
    seed_everything(config["seed"], verbose=False)
    schedule = parts.data.schedule
    own_callbacks, own_loggers = parts.make_watching(folder)
    events = EventFileLogger(folder)
    loggers: list[Logger] = [events, *own_loggers]
    callbacks: list[Callback] = [LastCheckpoint(folder / CHECKPOINT)]
    if parts.trainer.progress:
        callbacks.append(ProgressBar())
    if parts.stop_at is not None:
        callbacks.append(StopAtRung(parts.stop_at))
    # whoever looks on comes last, when all that belongs to the run has been done
    callbacks += [*watchers, *own_callbacks]
    trainer = make_trainer(
        parts.trainer, schedule.intervals, AtomicCheckpointIO(), folder, loggers, callbacks
    )
    claim(folder, config)
    started = time.perf_counter()
    with run_log(folder) as log, closing(events):
        log.info("config\n%s", config_text(folder))
        write_references(logdir, learner.loss_tag, learner.ladder, schedule.updates)
        status, why = _fit(trainer, learner, resume, log)
        seconds = time.perf_counter() - started
        with defer_interrupt():
            result = conclude(config, learner, status, seconds, folder, loggers, why)
            log.info("verdict\n%s", verdict(result))
    return result


def _continued(schedule: Schedule, folder: Path) -> Schedule:
    """Return the schedule of a run that goes on with another.

    Raises:
        RequestError: if that one has nothing left to do.
    """
    checkpoint = read_checkpoint(folder / CHECKPOINT, f"resume={folder}")
    made = checkpoint["lossladder"]["updates"]
    if made >= schedule.updates:
        raise RequestError(
            f"resume={folder}: has made {made} updates already, and {schedule.updates} are asked "
            "for; ask for more with trainer.max_steps= or trainer.max_epochs="
        )
    # Lightning counts epochs from 0, and an epoch is an interval here
    return replace(schedule, start=made, intervals_before=checkpoint["epoch"] + 1)


def _fit(
    trainer: Trainer, learner: Learner, resume: str | None, log: logging.Logger
) -> tuple[str, str | None]:
    """Train; return the status, which says how it ended, and if it failed, why."""
    checkpoint = None if resume is None else Path(resume) / CHECKPOINT
    try:
        trainer.fit(learner, datamodule=learner.data, ckpt_path=checkpoint)
    # Lightning turns the first into the second
    except (KeyboardInterrupt, SystemExit):
        log.warning("interrupted after %d updates", learner.updates)
        return "interrupted", None
    except Exception as error:
        log.error("failed after %d updates\n%s", learner.updates, traceback.format_exc())
        return "failed", traceback.format_exception_only(error)[-1].strip()
    return "diverged" if learner.diverged else "done", None


# --- together ---------------------------------------------------------------------------------


def train_together(
    configs: Sequence[Mapping[str, Any]],
    folders: Sequence[Path],
    built: Sequence[Parts],
    logdir: Path,
    report: Callable[[int, Counter[str]], None],
) -> list[Result]:
    """Train several runs at once; each leaves in its folder what it would have left alone.

    Args:
        configs: which differ only in what members can differ in.
        folders: the runs' own, in order.
        built: of their configs, in order.
        logdir: folder of the runs that are looked at together; holds their reference lines.
        report: is told after each chunk how many updates were made, and who stands where.
    Returns:
        The results, in order; none if nothing trains these together.
    """
    engine = engine_for(built[0], len(built))
    if engine is None:
        return []
    learners = [Learner(parts, configs[0]["names"]["task"]) for parts in built]
    for learner in learners:
        learner.join(engine)
    first, schedule = built[0], built[0].data.schedule
    together = PopulationLearner(learners, engine, report)
    if first.stop_at is not None:
        together.ends = StopAtRung(first.stop_at).reached_by
    snapshots = Snapshots(together)
    # Lightning wants one root, and writes nothing there: any member's folder will do
    trainer = make_trainer(first.trainer, schedule.intervals, snapshots, folders[0])
    with ExitStack() as open_files:
        for config, folder, parts, learner in zip(configs, folders, built, learners, strict=True):
            events = open_files.enter_context(closing(EventFileLogger(folder)))
            learner.own_callbacks, own_loggers = parts.make_watching(folder)
            learner.own_loggers = [events, *own_loggers]
            claim(folder, config)
            append_log(folder, logging.INFO, f"config\n{config_text(folder)}")
        write_references(logdir, learners[0].loss_tag, learners[0].ladder, schedule.updates)
        started = time.perf_counter()
        status = "done"
        try:
            trainer.fit(together)
        except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
            status = "interrupted"
        seconds = (time.perf_counter() - started) / len(learners)
        # what has been learnt is written, whoever is in a hurry
        with defer_interrupt():
            return [
                _leave(config, folder, learner, snapshots.of.get(learner), status, seconds)
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
        AtomicCheckpointIO().save_checkpoint(checkpoint, folder / CHECKPOINT)
        if checkpoint["lossladder"]["updates"] == learner.data.schedule.updates:
            # whatever interrupted the others
            status = "done"
    status = "diverged" if learner.diverged else status
    result = conclude(config, learner, status, seconds, folder, learner.own_loggers)
    append_log(folder, logging.INFO, f"verdict\n{verdict(result)}")
    return result
