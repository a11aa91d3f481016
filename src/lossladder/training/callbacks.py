"""The callbacks of every run: progress, early stopping, checkpoints."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from tqdm import tqdm

from lossladder import signals
from lossladder.ladder import Ladder, Rung
from lossladder.training.learner import Learner


def passed(learner: Learner, ladder: Ladder) -> str:
    """Return what a learner's latest training loss has passed, in words to be counted."""
    if learner.diverged:
        return "diverged"
    rung = ladder.reached(learner.latest)
    return "above the ceiling" if rung is None else f"past {rung.name}"


class ProgressReporter(Callback):
    """Reports after each chunk how many updates were made since, and what the loss has passed."""

    def __init__(self, report: Callable[[int, str], None]) -> None:
        self.report = report

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        """Count from here: a run that is continued has made updates before."""
        # the training loss is held against the ladder of training, which can have higher rungs
        self.told, self.ladder = pl_module.updates, pl_module.data.training_ladder()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Learner, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the updates of the chunk."""
        self.report(pl_module.updates - self.told, passed(pl_module, self.ladder))
        self.told = pl_module.updates


class ProgressBar(Callback):
    """A bar over all updates of the run, on standard error."""

    bar: "tqdm[Any] | None" = None

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        """Draw the bar."""
        self.bar = tqdm(
            total=pl_module.data.schedule.updates,
            initial=pl_module.updates,
            unit=" updates",
            # the bar itself comes last: a narrow terminal cuts off what matters least
            bar_format="{desc} {percentage:3.0f}%{postfix}, {rate_fmt}, {remaining} left {bar}",
            desc=pl_module.name,
            file=sys.stderr,
            # a log file gets a line every five seconds, not five a second
            mininterval=0.2 if sys.stderr.isatty() else 5.0,
            dynamic_ncols=True,
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Learner, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar to where the learner is."""
        if self.bar is None:
            return
        loss, data = pl_module.latest, pl_module.data
        rung = pl_module.ladder.reached(loss)
        where = "above the ceiling" if rung is None else f"past {rung.label}"
        if data.length is not None:
            # the ladder is that of the full length, and says nothing of a shorter one
            where = f"at length {data.length}"
        # the bar draws itself when the interval has passed; drawing at each chunk would cost more
        self.bar.set_postfix_str(f"{where}, loss {loss:.4f}", refresh=False)
        self.bar.update(pl_module.updates - self.bar.n)

    def on_train_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: Trainer, pl_module: Learner, exception: BaseException) -> None:
        """Leave the bar as it stands."""
        self.on_train_end(trainer, pl_module)


class StopEarly(Callback):
    """Ends training at a validation, on a rung or far from where others were by then.

    Args:
        rung: whose loss the validation loss has to pass; None: none ends the run.
        above: update -> distance from the floor; a run that is further above it is stopped.
    """

    def __init__(self, rung: Rung | None, above: Mapping[int, float] | None = None) -> None:
        self.rung = rung
        self.above = above or {}

    def on_validation_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Stop if it is time to."""
        if self.ends(pl_module):
            trainer.should_stop = True

    def ends(self, learner: Learner) -> bool:
        """Return whether the learner ends with the validation that it has just had."""
        if learner.score is None:
            return False
        # by the ladder's tolerance: a loss is never exactly that of a rung
        reached = learner.ladder.reached(learner.score.loss)
        on_rung = self.rung and reached is not None and reached.loss <= self.rung.loss
        return bool(on_rung) or stopped(learner, self.above) is not None


def stopped(learner: Learner, above: Mapping[int, float]) -> str | None:
    """Return why a learner stops where it is; None: it does not.

    Args:
        learner: whose last validation tells; it is read from the curve, which checkpoints keep.
        above: see `StopEarly`.
    """
    validation, limit = learner.validation_curve.points(), above.get(learner.updates)
    early = learner.updates < learner.data.schedule.updates
    if limit is None or not early or validation["updates"][-1:] != [learner.updates]:
        return None
    distance = learner.ladder.above_floor(validation["loss"][-1])
    if distance <= limit:
        return None
    return f"{distance:.4g} above the floor after {learner.updates} updates, more than {limit:g}"


def checkpoint_due(last: float, seconds: float) -> bool:
    """Return whether the clock or a signal asks for a checkpoint between two validations.

    Args:
        last: when the one before was made, by `time.monotonic`.
        seconds: between two, at most.
    """
    asked = signals.save_asked() or signals.stop_asked() is not None
    return asked or time.monotonic() - last > seconds


class Checkpoints(Callback):
    """Saves a checkpoint to `path` at every validation, and between them by the clock or a signal.

    Args:
        path: of the file.
        seconds: between two checkpoints, at most; chunks are not cut short for it.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self._saved = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: Learner) -> None:
        """Start the clock."""
        signals.install()  # Lightning has put a handler of its own before ours
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Learner, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time to.

        Raises:
            Stopped: if a signal asked for it.
        """
        # an interval ends in a validation, and that in a checkpoint
        if pl_module.diverged or pl_module.data.schedule.ends_interval(pl_module.updates):
            return
        if checkpoint_due(self._saved, self.seconds):
            self._save(trainer)
            signals.stop_if_asked()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Save, unless the weights have become useless.

        Raises:
            Stopped: if a signal asked for it.
        """
        # then the checkpoint of before stays, from which one can go on
        if not pl_module.diverged:
            self._save(trainer)
        # a run that has come to its end is done, whatever was asked for meanwhile
        if pl_module.updates < pl_module.data.schedule.updates and not trainer.should_stop:
            signals.stop_if_asked()

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()
