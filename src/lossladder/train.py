"""The whole story of a run, from config to verdict."""

import logging
import os
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from omegaconf import OmegaConf

from lossladder import arguments
from lossladder.training.board import Board
from lossladder.training.build import Parts, RequestError, asked, build
from lossladder.training.checkpoints import AtomicCheckpointIO, KeepLast
from lossladder.training.folder import CHECKPOINT, claim, run_log, write_result
from lossladder.training.learner import Learner
from lossladder.training.progress import Progress
from lossladder.training.references import write_references
from lossladder.training.result import summary
from lossladder.training.run import load_run
from lossladder.training.stop import StopAtRung
from lossladder.training.verdict import verdict


def train(config: Mapping[str, Any], folder: Path, references: Path) -> dict[str, Any]:
    """Train a network on a task and see which rung it reaches.

    Args:
        config: resolved, plain values; `names` says what was chosen in each group.
        folder: the run's own; holds everything it leaves.
        references: where reference lines are kept, for all runs looked at together.
    Returns:
        The result, as `result.json` has it.
    Raises:
        RequestError: if the request was wrong; then nothing is left behind.
    """
    parts = build(config)
    _check_resumed(config.get("resume"), parts.data.plan.updates)
    learner = Learner(
        parts.network, parts.data, config["names"]["task"], parts.make_optimizer, parts.make_engine
    )
    seed_everything(config["seed"], verbose=False)  # for networks that draw numbers of their own
    ladder, board = parts.data.ladder(), Board(folder)
    trainer = _trainer(config["trainer"], parts, folder, board)
    claim(folder, config)
    started = time.perf_counter()
    with run_log(folder) as log:
        log.info("config\n%s", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        # a training loss at lengths that change has no lines of its own
        loss = "loss" if parts.data.length is None else "validation_loss"
        write_references(references, f"{learner.name}/{loss}", ladder, parts.data.plan.updates)
        status = _fit(trainer, learner, config.get("resume"), log)
        result = {
            **config["names"],
            "seed": config["seed"],
            "status": status,
            "seconds": time.perf_counter() - started,
            **summary(learner),
        }
        if result.get("leaks"):
            result["status"] = "failed"
        write_result(folder, result)
        board.show(config, result)
        log.info("verdict\n%s", verdict(result))
    return result


def _check_resumed(resume: str | None, updates: int) -> None:
    """Refuse to go on with a run that has nothing left to do."""
    if resume is not None and (made := load_run(resume).result["steps"]) >= updates:
        raise RequestError(
            f"resume={resume}: has made {made} updates already, and {updates} are asked for; "
            "ask for more with trainer.max_steps= or trainer.max_epochs="
        )


def _trainer(config: Mapping[str, Any], parts: Parts, folder: Path, board: Board) -> Trainer:
    """Lightning's Trainer, told that a leg is an epoch and a chunk a batch."""
    _quiet()
    torch.set_num_threads(asked("trainer", lambda: arguments.whole("threads", config["threads"])))
    ladder, plan = parts.data.ladder(), parts.data.plan
    callbacks: list[Callback] = [KeepLast(folder / CHECKPOINT)]
    if asked("trainer", lambda: arguments.flag("progress", config["progress"])):
        callbacks.append(Progress(ladder, plan.updates))
    if config["stop_at"] is not None:
        callbacks.append(asked("trainer", lambda: StopAtRung(ladder, config["stop_at"])))
    try:
        return Trainer(
            accelerator=config["accelerator"],
            devices=config["devices"],
            max_epochs=plan.legs,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            logger=board,
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except Exception as error:  # Lightning has exceptions of many kinds for what it cannot do
        raise RequestError(
            f"trainer.accelerator={config['accelerator']}, trainer.devices={config['devices']}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _fit(trainer: Trainer, learner: Learner, resume: str | None, log: logging.Logger) -> str:
    """Train; the status says how it ended."""
    checkpoint = None if resume is None else Path(resume) / CHECKPOINT
    try:
        trainer.fit(learner, datamodule=learner.data, ckpt_path=checkpoint)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        log.warning("interrupted after %d updates", learner.updates)
        return "interrupted"
    except Exception:
        log.error("failed after %d updates\n%s", learner.updates, traceback.format_exc())
        return "failed"
    return "diverged" if learner.diverged else "done"


def _quiet() -> None:
    """Lightning's start-up notes and Hydra's doubled handlers say nothing a run needs."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
    # one batch is a chunk that is made on the spot: workers would cost more than they save
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*GPU available but not used.*")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
