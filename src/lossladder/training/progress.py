"""The progress bar: updates a second, the loss, and the rung it stands on."""

import sys
from typing import Any

from lightning.pytorch import Callback, Trainer
from tqdm import tqdm

from lossladder.ladder import Ladder
from lossladder.training.learner import Learner


class Progress(Callback):
    """A bar over all updates of the run, on standard error.

    Args:
        ladder: names the rung.
        updates: of the whole run.
    """

    def __init__(self, ladder: Ladder, updates: int) -> None:
        self.ladder = ladder
        self.updates = updates
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        """Draw the bar."""
        self.bar = tqdm(
            total=self.updates,
            initial=pl_module.updates,
            unit=" updates",
            desc=pl_module.name,
            file=sys.stderr,
            mininterval=0.2 if sys.stderr.isatty() else 5.0,
            dynamic_ncols=True,
        )
        if pl_module.engine.waits_for is not None:
            self.bar.set_postfix_str(pl_module.engine.waits_for)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Learner, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar to where the learner is."""
        if self.bar is None:
            return
        loss = pl_module.training_curve.latest
        rung, length = self.ladder.reached(loss), pl_module.data.length
        standing = "above the ladder" if rung is None else f"on {rung.label}"
        if length is not None:  # the ladder is that of the full length
            standing = f"at length {length}"
        self.bar.set_postfix_str(f"loss {loss:.4f} {standing}", refresh=False)
        self.bar.update(pl_module.updates - self.bar.n)

    def on_train_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Leave the bar as it stands."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: Learner, exception: BaseException) -> None:
        """Leave the bar as it stands."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
