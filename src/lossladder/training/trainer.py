"""Lightning's Trainer, told that a validation interval is an epoch and a chunk a batch."""

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lossladder.checks import RequestError
from lossladder.runs.checkpoint import write_checkpoint
from lossladder.training.config import TrainerConfig


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints as `write_checkpoint` does, and hands on the one that a run goes on with.

    Args:
        found: that checkpoint; None: the run begins.
    """

    def __init__(self, found: dict[str, Any] | None = None) -> None:
        self.found = found

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, without Lightning's count of epochs and batches."""
        # it knows none of chunks, and a run goes on within an interval, which is its epoch
        write_checkpoint({k: v for k, v in checkpoint.items() if k != "loops"}, Path(path))

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what was found, which has been read and checked."""
        assert self.found is not None  # Lightning asks only if it was given a path
        return self.found


def make_trainer(
    config: TrainerConfig,
    intervals: int,
    found: dict[str, Any] | None,
    root: Path,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Return a Trainer for a run, or for runs trained together.

    Args:
        config: how long and by what means.
        intervals: stretches of training that end in a validation.
        found: the checkpoint with which it goes on; None: it begins.
        root: folder of the run's own, the only one in which Lightning may look for anything.
        loggers: where curves go; none: the runs log for themselves.
        callbacks: what else is done on the way.
    Raises:
        RequestError: if Lightning cannot have the accelerator or the devices.
    """
    _quiet()
    torch.set_num_threads(config.threads)
    try:
        return Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            max_epochs=intervals,
            # each interval has chunks of its own, and no validation comes before the first
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            logger=list(loggers) or False,
            callbacks=list(callbacks),
            # named, or in a Slurm job Lightning would choose one that requeues the job by itself
            # and loads any hpc_ckpt_*.ckpt of the current folder, whatever was asked for
            plugins=[AtomicCheckpointIO(found), LightningEnvironment()],
            default_root_dir=root,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except Exception as error:  # Lightning has exceptions of many kinds for what it cannot do
        raise RequestError(
            f"trainer.accelerator={config.accelerator}, trainer.devices={config.devices}: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _quiet() -> None:
    """Silence Lightning's start-up notes and its handlers, which Hydra's double."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
    # one batch is a chunk that is made on the spot: workers would cost more than they save
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*Total length of.*")  # a run has nothing left to train
    warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*")  # Lightning 2.6 with torch 2.13
    warnings.filterwarnings("ignore", ".*GPU available but not used.*")
    warnings.filterwarnings("ignore", ".*`srun` command is available.*")  # one process needs none
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
