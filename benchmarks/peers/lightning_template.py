"""Lightning as every template does it: one window a batch, metric and loss logged at each step.

Progress bar, TensorBoard and checkpoint are on, as they are by default.
"""

import logging
import tempfile
import warnings

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import BinaryAccuracy

from benchmarks.contestant import Clock, Losses, Round, Trainee
from benchmarks.peers.torch_loop import Model, optimizer_of
from benchmarks.problems import Problem


class Timed(LightningModule):
    """A module whose epochs are timed: neither the Trainer's own start nor its end is."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()

    def on_train_epoch_start(self) -> None:
        """Start the clock."""
        self.clock.__enter__()

    def on_train_epoch_end(self) -> None:
        """Stop the clock."""
        self.clock.__exit__(None, None, None)


def quiet(threads: int) -> None:
    """Let nobody but the progress bar speak, and so many threads compute."""
    torch.set_num_threads(threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def fit(module: Timed, data: TensorDataset, windows: int) -> None:
    """Fit one epoch of so many windows, by what a Trainer does by default."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=1,
            limit_train_batches=windows,
            accelerator="cpu",
            devices=1,
            default_root_dir=folder,
            logger=TensorBoardLogger(folder),
            enable_model_summary=False,
        )
        trainer.fit(module, DataLoader(data, batch_size=None))


class TemplateModule(Timed):
    """A module as the templates write it, with the state carried from batch to batch."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.model = Model(problem)
        self.accuracy = BinaryAccuracy()
        self.state: Tensor | None = None
        self.seen: list[Tensor] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a window; accuracy and loss are logged."""
        symbols, targets = batch
        logits, state = self.model(symbols, self.state)
        self.state = state.detach()
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.accuracy(logits.argmax(-1), targets)
        self.log("train/accuracy", self.accuracy, on_step=True, on_epoch=True, prog_bar=True)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.seen.append(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the problem's optimizer."""
        return optimizer_of(self.problem, self.model.trained())


class LightningTemplate(Trainee):
    """One `Trainer.fit` a round."""

    def prepare(self) -> None:
        """Put the data into a Dataset of windows."""
        quiet(self.threads)
        self.windows = TensorDataset(
            torch.from_numpy(np.array(self.problem.inputs)).long(),
            torch.from_numpy(np.array(self.problem.targets)).long(),
        )

    def start(self) -> None:
        """Make a new module."""
        self.module = TemplateModule(self.problem)

    def train(self, windows: int) -> Losses:
        """Fit one epoch of so many batches."""
        fit(self.module, self.windows, windows)
        return torch.stack(self.module.seen)[None].numpy()

    def round(self, size: int | None) -> Round:
        """Train an epoch, timed by the module's own hooks."""
        self.start()
        losses = self.train(size or self.problem.windows)
        clock = self.module.clock
        return Round(clock.wall, clock.cpu, float(losses.size), losses)
