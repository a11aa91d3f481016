"""The LightningModule: hands each chunk to its engine and carries the state to the next."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.optim import Optimizer

from lossladder.data.datamodule import Data, seeded
from lossladder.diagnostics import Score, score
from lossladder.drawing import png
from lossladder.engines import Chunk, Engine
from lossladder.engines.schedules import ConstantRate
from lossladder.models import Network, State
from lossladder.tasks import Batch
from lossladder.tensorboard.logger import EventFileLogger, loss_tag
from lossladder.training.build import Parts
from lossladder.training.curve import Curve, Passed, Point
from lossladder.training.random_state import (
    random_numbers_of,
    random_state,
    restore_random_state,
)
from lossladder.training.snapshots import Snapshots

# updates over which the latest loss is a mean, at most: a single one would be noise
_NEWEST = 200
# points an inch of a picture: TensorBoard makes it as small as a card by leaving points out
_CARD = 100
# nats a step; weights that cost this much do not come back
_HOPELESS = 1e6


def validation_score(network: Network, data: Data) -> Score:
    """Return the score of a network on validation sequences; it draws the same numbers each time.

    Only a network that has random numbers of its own draws any; training goes on without a trace.
    """
    # not what Lightning has moved: ladders are float64 arithmetic, which stays on the CPU
    with random_numbers_of(seeded("measuring", data.validation_seed)):
        return score(network, data.task, data.validated, data.exhaustive)


class Learner(LightningModule):
    """Chunked, truncated back-propagation through time.

    Args:
        parts: network, data with their schedule, that of the learning rate, and what makes
            optimizer and engine.
        name: of the task; the loss is logged as `<name>/loss`.
    """

    def __init__(self, parts: Parts, name: str) -> None:
        super().__init__()
        # a batch is a chunk of many updates, which the engine makes
        self.automatic_optimization = False
        self.network = parts.network
        self.data = parts.data
        # once: with ten lags it has 1024 rungs
        self.ladder = parts.data.ladder()
        self.name = name
        self.schedule = parts.schedule
        self.make_optimizer = parts.make_optimizer
        self.make_engine = parts.make_engine
        # those of a member; a run alone has its trainer's
        self.own_loggers: Sequence[Logger] = ()
        self.own_callbacks: Sequence[Callback] = ()
        self.events: EventFileLogger | None = None
        self.updates = 0
        self.seconds = 0.0  # spent in training: chunks drawn and trained, validation apart
        self.began = time.perf_counter()  # earlier by what it took before, if the run goes on
        self.diverged = False
        self.state: State | None = None
        self.latest = float("inf")  # loss of the newest updates
        self.training_curve = Curve()
        self.validation_curve = Curve()
        self.first = float("inf")  # loss before the first update
        # In training rungs of one loss may differ by what streams cost at their start: that is no
        # gap to shrink a tolerance to.
        self.passed = Passed(parts.data.training_ladder(), self.ladder.tolerances)
        self.score: Score | None = None
        self.snapshots = Snapshots(self.ladder) if parts.trainer.snapshots else None
        self.draws = True  # pictures of them
        self.validated_at = 0
        self._newest: tuple[int, Score] | None = None  # measurement, and after which update
        self._since = 0.0
        # of a run that goes on: the engine it began with, and random numbers to take up
        self._engine: str | None = None
        self._random: dict[str, Any] | None = None

    @property
    def loss_tag(self) -> str:
        """Tag of the loss that stands beside the reference lines."""
        return loss_tag(self.name, grows=self.data.length is not None)

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer of the network's parameters; make the engine that uses it."""
        # only now: Lightning has moved the parameters to their device
        self.join()
        return self.optimizer

    def join(self, engine: Engine | None = None) -> None:
        """Make the optimizer; be trained by an engine that others have as well, or by one's own."""
        self.optimizer = self.make_optimizer(self.network.trained())
        if engine is None:
            engine = self.make_engine(self.network, self.data.task, self.optimizer)
            if self._engine is not None:
                engine.keep(self._engine)
        self.engine = engine
        self.data.suit(engine)

    def on_train_start(self) -> None:
        """Make the engine ready; that time counts as start-up, not as training."""
        # compiling may take longer than a short run, and would make its speed meaningless
        self.engine.prepare()

    def on_train_epoch_start(self) -> None:
        """Start the clock of an interval, so that validation is not counted as training."""
        if self._random is not None:
            # last of all: what was made ready before may have drawn some
            restore_random_state(self._random)
            self._random = None
        self._since = time.perf_counter()

    def training_step(self, chunk: Chunk, batch_idx: int) -> None:
        """Run the updates of a chunk; log how they went."""
        chunk = chunk._replace(first=self.updates)
        losses, self.state = self.engine.train(chunk, self.state_before())
        length = self.data.length
        self.data.advance(self.network, range(self.updates, self.updates + len(losses)))
        now = time.perf_counter()
        # what is measured is no training, so that its time does not count
        self._since = time.perf_counter() if self.record(losses, now - self._since) else now
        # a chunk that a signal has cut short says so at its end
        if length is not None and len(losses) == len(chunk.inputs):
            self._log({"length": length})
        if self.diverged:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score the network against the exact probabilities of the targets."""
        if not self.diverged:
            self.validate()
            self.trainer.should_stop |= self.diverged

    def state_before(self) -> State | None:
        """Return the state that the next update starts from; None: the initial one."""
        streams = self.data.streams
        # new streams know nothing of the ones before
        return None if streams is None or streams.begins(self.updates) else self.state

    def record(self, losses: Float[Tensor, " windows"], seconds: float) -> bool:
        """Take in the losses of a chunk's updates and the time they took.

        Returns:
            Whether the network was measured, to tell which rungs it has passed.
        """
        # a number, a part or a mean of a tensor takes as long as an update of a small network
        values = losses.double().tolist()
        if self.updates == 0:
            self.first = values[0]
        self.seconds += seconds
        self.updates += len(values)
        newest = values[-_NEWEST:]
        self.latest = sum(newest) / len(newest)
        points = self.training_curve.extend(values)
        shown = {point.update: self._shown(point) for point in points}
        shown.setdefault(self.updates, {})["updates_per_second"] = len(values) / seconds
        for update, numbers in shown.items():
            self._log(numbers, update)
        if self.data.training_tells:
            for point in points:
                updates = range(point.update - point.updates, point.update)
                self.passed.add(point.update, point.loss, self.data.excess(updates))
        # "not all below", because a loss that is no number compares false with everything
        recent = [self.latest, *(point.loss for point in points)]
        self.diverged = not all(loss < _HOPELESS for loss in recent)
        if measured := self.data.measured_at(self.updates):
            self.passed.add(self.updates, self._measured().loss)
        return measured

    def record_rest(self) -> None:
        """End the curve here, in the middle of a point if need be."""
        for point in self.training_curve.end():
            self._log(self._shown(point), point.update)

    def _shown(self, point: Point) -> dict[str, float]:
        """Return the numbers of a point of the training curve that loggers are given."""
        # a line that is level says less than the number in the config
        level = isinstance(self.schedule, ConstantRate)
        rate = {} if level else {"learning_rate": self._rate(point.update)}
        return {"loss": point.loss, **rate}

    def _rate(self, update: int) -> float:
        """Return the learning rate of an update, counted from 1."""
        return float(self.optimizer.param_groups[0]["lr"]) * self.schedule.factor(update - 1)

    def validate(self) -> None:
        """Score the network on validation sequences."""
        self.score = self._measured()
        # a loss of training is the one before its update: the last of these shows only here
        self.diverged = not self.score.loss < _HOPELESS
        self.validated_at = self.updates
        self.validation_curve.add(Point(self.updates, self.score.loss, updates=1))
        values = {
            "validation_loss": self.score.loss,
            "validation_above_floor": self.ladder.above_floor(self.score.loss),
        }
        if self.score.error is not None:
            values["validation_error"] = self.score.error
        if self.snapshots is not None and not self.diverged:
            values |= self.snapshots.take(self.updates, self.score, self.data)
            self._draw(self.snapshots)
        self._log(values)

    def _draw(self, snapshots: Snapshots) -> None:
        """Show the newest of the snapshots as pictures."""
        last = self.updates == self.data.schedule.updates
        if self.events is None or not (self.draws and (last or snapshots.is_drawn)):
            return
        # a network that draws numbers of its own goes on without a trace; fitting takes gradients
        random = random_numbers_of(seeded("measuring", self.data.validation_seed))
        with random, torch.inference_mode(False):
            for name, figure in snapshots.pictures(self.network, self.data):
                tag = f"{self.name}/snapshot_{name}"
                self.events.log_image(tag, png(figure, _CARD), self.updates)

    def _measured(self) -> Score:
        """Return the score of the network as it is now; it is measured once, whoever asks."""
        if self._newest is None or self._newest[0] != self.updates:
            self._newest = self.updates, validation_score(self.network, self.data)
        return self._newest[1]

    def _log(self, values: Mapping[str, float], update: int | None = None) -> None:
        metrics = {f"{self.name}/{key}": value for key, value in values.items()}
        # loggers directly: `self.log` averages over batches, and knows Lightning's steps only
        for logger in self.own_loggers or self.loggers:
            logger.log_metrics(metrics, step=self.updates if update is None else update)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what an exact continuation needs, as plain values."""
        # plain, because checkpoints are loaded with `weights_only`: none of them can run anything
        alone = self._trainer is not None
        # Lightning counts those of a session
        checkpoint["epoch"] = self.updates // self.data.schedule.interval
        checkpoint["global_step"] = self.updates
        checkpoint["lossladder"] = {
            "updates": self.updates,
            "seconds": self.seconds,
            "wall": time.perf_counter() - self.began,
            "state": list(self.state or ()),
            "training_curve": self.training_curve.state(),
            "validation_curve": self.validation_curve.state(),
            "passed": self.passed.state(),
            "snapshots": None if self.snapshots is None else self.snapshots.state(),
            "first": self.first,
            "diverged": self.diverged,
            # on a rung, or by a callback's will: there are updates left, and they are not asked for
            "ended": alone and self.trainer.should_stop,
            "engine": self.engine.name,
            "threads": torch.get_num_threads(),
            "interval": self.data.schedule.interval,
            "schedule_steps": self.schedule.steps,
            # those trained together have theirs in common, which their group keeps
            "random": random_state() if alone else None,
            "events": None if self.events is None else self.events.state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the checkpoint was saved."""
        saved = checkpoint["lossladder"]
        self.updates, self.seconds = saved["updates"], saved["seconds"]
        self.state = tuple(part.to(self.device) for part in saved["state"])
        self.training_curve.restore(saved["training_curve"])
        self.validation_curve.restore(saved["validation_curve"])
        self.passed.restore(saved["passed"])
        self.first, self.diverged = saved["first"], saved["diverged"]
        if self.snapshots is not None and saved.get("snapshots") is not None:
            self.snapshots.restore(saved["snapshots"])
        self._engine, self._random = saved["engine"], saved["random"]
        self.began = time.perf_counter() - saved["wall"]
