"""Callbacks as somebody would bring them from a package of their own."""

import json
import os
from pathlib import Path

from lightning.pytorch import Callback, Trainer

from lossladder.training.learner import Learner


class Diary(Callback):
    """Writes down what it sees of a run, one line a hook.

    Args:
        folder: of the run.
        name: of the file.
    """

    def __init__(self, folder: str, name: str = "diary") -> None:
        self.file = Path(folder) / name

    def _note(self, hook: str, learner: Learner) -> None:
        score = None if learner.score is None else learner.score.loss
        line = {"hook": hook, "updates": learner.updates, "score": score}
        with self.file.open("a") as lines:
            lines.write(f"{json.dumps(line)}\n")

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        self._note("start", pl_module)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self._note("chunk", pl_module)
        if os.environ.get("RUDE"):
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: Learner) -> None:
        self._note("validation", pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Learner) -> None:
        self._note("end", pl_module)


class Careless(Callback):
    """Raises in the run of one seed."""

    def on_validation_end(self, trainer: Trainer, pl_module: Learner) -> None:
        if pl_module.data.seed == 1:
            raise RuntimeError("careless")
