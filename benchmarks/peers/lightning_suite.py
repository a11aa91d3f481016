"""A run of a suite by Lightning, as templates write it: one window a batch, all of it logged."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from benchmarks.peers.lightning_template import Timed, fit, quiet
from lossladder.training.build import Parts, build
from lossladder.training.locate import allow_packages


class Plain(Timed):
    """A module as templates write it, around a network that computes step by step."""

    def __init__(self, parts: Parts, carried: bool) -> None:
        super().__init__()
        self.network, self.task, self.carried = parts.network, parts.task, carried
        self.optimizer = parts.make_optimizer(parts.network.trained())
        self.accuracy = MulticlassAccuracy(parts.task.output_size)
        self.state: tuple[Tensor, ...] | None = None

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
    quiet(threads=1)  # as the others: small networks gain nothing from more
    with allow_packages(("tests",)):
        parts = build(config)
    chunk = parts.data.chunk(range(updates))
    inputs, scored = parts.task.features(chunk.inputs), chunk.scored
    if scored is None:
        scored = torch.ones(inputs.shape[:3], dtype=torch.bool)
    module = Plain(parts, chunk.carried)
    fit(module, TensorDataset(inputs, chunk.targets, scored), updates)
    return parts.data.schedule.updates, module.clock.wall / updates
