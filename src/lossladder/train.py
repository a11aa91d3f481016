"""The whole story of a run, from config to verdict."""

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from lossladder import arguments
from lossladder.training.board import Board
from lossladder.training.build import Parts, RequestError, asked, build
from lossladder.training.checkpoints import AtomicCheckpointIO, KeepLast
from lossladder.training.folder import CHECKPOINT, claim, config_text, run_log
from lossladder.training.learner import Learner
from lossladder.training.plan import Plan
from lossladder.training.progress import Progress
from lossladder.training.references import write_references
from lossladder.training.result import conclude
from lossladder.training.run import load_run
from lossladder.training.stop import StopAtRung
from lossladder.training.trainer import make_trainer
from lossladder.training.undisturbed import undisturbed
from lossladder.training.verdict import verdict


def train(
    config: Mapping[str, Any], folder: Path, references: Path, watchers: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Train a network on a task and see which rung it reaches.

    Args:
        config: resolved, plain values; `names` says what was chosen in each group.
        folder: the run's own; holds everything it leaves.
        references: where reference lines are kept, for all runs looked at together.
        watchers: callbacks of whoever wants to know how far the run is.
    Returns:
        The result, as `result.json` has it.
    Raises:
        RequestError: if the request was wrong; then nothing is left behind.
    """
    parts = build(config)
    if config.get("resume") is not None:
        parts.data.plan = _continued(parts.data.plan, Path(config["resume"]))
    learner = Learner(parts, config["names"]["task"])
    seed_everything(config["seed"], verbose=False)  # for networks that draw numbers of their own
    board, plan = Board(folder), parts.data.plan
    callbacks = [*_callbacks(config["trainer"], parts, folder), *watchers]
    trainer = make_trainer(
        config["trainer"], plan.legs, AtomicCheckpointIO(), folder, board, callbacks
    )
    claim(folder, config)
    started = time.perf_counter()
    with run_log(folder) as log, closing(board):
        log.info("config\n%s", config_text(folder))
        write_references(references, learner.card, parts.data.ladder(), plan.updates)
        status, why = _fit(trainer, learner, config.get("resume"), log)
        seconds = time.perf_counter() - started
        with undisturbed():
            result = conclude(config, learner, status, seconds, folder, board, why)
            log.info("verdict\n%s", verdict(result))
    return result


def _continued(plan: Plan, folder: Path) -> Plan:
    """The plan of a run that goes on with another.

    Raises:
        RequestError: if that one has nothing left to do.
    """
    load_run(folder, key="resume")  # says what is wrong with it, if anything is
    checkpoint = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
    made = checkpoint["lossladder"]["updates"]
    if made >= plan.updates:
        raise RequestError(
            f"resume={folder}: has made {made} updates already, and {plan.updates} are asked for; "
            "ask for more with trainer.max_steps= or trainer.max_epochs="
        )
    return plan.continued(made, legs_before=checkpoint["epoch"] + 1)  # it counts from 0


def _callbacks(config: Mapping[str, Any], parts: Parts, folder: Path) -> list[Callback]:
    """What a run does on the way: checkpoints, a progress bar, and perhaps an early end."""
    ladder = parts.data.ladder()
    callbacks: list[Callback] = [KeepLast(folder / CHECKPOINT)]
    if asked("trainer", lambda: arguments.flag("progress", config["progress"])):
        callbacks.append(Progress(ladder, parts.data.plan.updates))
    if config["stop_at"] is not None:
        callbacks.append(asked("trainer", lambda: StopAtRung(ladder, config["stop_at"])))
    return callbacks


def _fit(
    trainer: Trainer, learner: Learner, resume: str | None, log: logging.Logger
) -> tuple[str, str | None]:
    """Train; the status says how it ended, and if it failed, why."""
    checkpoint = None if resume is None else Path(resume) / CHECKPOINT
    try:
        trainer.fit(learner, datamodule=learner.data, ckpt_path=checkpoint)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        log.warning("interrupted after %d updates", learner.updates)
        return "interrupted", None
    except Exception as error:
        log.error("failed after %d updates\n%s", learner.updates, traceback.format_exc())
        return "failed", traceback.format_exception_only(error)[-1].strip()
    return "diverged" if learner.diverged else "done", None
