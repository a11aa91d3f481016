"""A run of a suite by Lightning, as templates write it: one window a batch, all of it logged."""

import logging
import tempfile
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from benchmarks.contestant import Clock
from lossladder.training.build import Parts, build
from lossladder.training.locate import allow_packages


class Plain(LightningModule):
    """A module as templates write it, around a network that computes step by step."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.network, self.task = parts.network, parts.task
        self.optimizer = parts.make_optimizer(parts.network.trained())
        self.accuracy = MulticlassAccuracy(parts.task.output_size)
        self.carried = False
        self.state: tuple[Tensor, ...] | None = None
        self.clock = Clock()

    def on_train_epoch_start(self) -> None:
        """Start the clock: neither the Trainer's own start nor its end is timed."""
        self.clock.__enter__()

    def on_train_epoch_end(self) -> None:
        """Stop the clock."""
        self.clock.__exit__(None, None, None)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a window; accuracy and loss are logged."""
        inputs, targets, scored = batch
        logits, state = self.network(inputs, self.state if self.carried else None)
        self.state = tuple(part.detach() for part in state)
        loss = self.task.losses(logits, targets)[scored].mean()
        self.accuracy(logits[scored], targets[scored])
        self.log("train/accuracy", self.accuracy, on_step=True, on_epoch=True, prog_bar=True)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the suite."""
        return self.optimizer


def by_lightning(config: dict[str, Any], updates: int) -> tuple[int, float]:
    """Return the updates that a run would make, and the seconds of one of so many.

    Progress bar, TensorBoard and checkpoint are on, as they are by default.
    """
    torch.set_num_threads(1)  # as the others: small networks gain nothing from more
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    with allow_packages(("tests",)):
        parts = build(config)
    chunk = parts.data.chunk(range(updates))
    inputs = parts.task.features(chunk.inputs)
    scored = chunk.scored
    if scored is None:
        scored = torch.ones(inputs.shape[:3], dtype=torch.bool)
    module = Plain(parts)
    module.carried = chunk.carried
    windows = DataLoader(TensorDataset(inputs, chunk.targets, scored), batch_size=None)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=1,
            default_root_dir=folder,
            logger=TensorBoardLogger(folder),
            enable_model_summary=False,
        )
        trainer.fit(module, windows)
    return parts.data.schedule.updates, module.clock.wall / updates
