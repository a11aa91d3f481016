"""Runs trained together: a LightningModule whose members are learners of their own.

Everything that a run keeps (curves, score, state, optimizer) stays in its own Learner; only the
call that trains them is shared.
"""

import copy
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from lossladder.data.datamodule import IntervalLoader
from lossladder.engines import Population, SingleMember
from lossladder.engines.auto import for_members
from lossladder.engines.population import stack_chunks, stack_states, unstack_state
from lossladder.training.build import Parts
from lossladder.training.callbacks import passed
from lossladder.training.learner import Learner


def engine_for(parts: Parts, count: int) -> SingleMember | None:
    """Return the engine of `count` members built like these; None: each trains alone."""
    optimizer = parts.make_optimizer(parts.network.trained())
    steps = parts.data.schedule.updates * parts.data.bptt_steps * count
    engine = parts.make_engine(parts.network, parts.task, optimizer, expected_steps=steps)
    return for_members(engine, count)


class PopulationLearner(LightningModule):
    """Learners that differ in nothing but their numbers, trained as one population.

    A learner that diverges, or for which `ends` is true, leaves; the others go on untouched.

    Args:
        learners: each with its data and its optimizer.
        engine: of one of them; its population trains all.
        report: takes after each chunk the number of updates made, and how many learners have
            passed what.
        ends: whether a learner is done before the schedule is.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        engine: SingleMember,
        report: Callable[[int, Counter[str]], None],
        ends: Callable[[Learner], bool] = lambda learner: False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        # no ModuleList: their weights are no part of a checkpoint of all
        self.learners = tuple(learners)
        self.active = list(learners)
        # who began the present validation interval, and has a checkpoint at its end
        self.starters: list[Learner] = []
        self.engine = engine
        self.population = self._population()
        self.report = report
        self.ends = ends
        self.ladder = learners[0].data.training_ladder()
        self._since = 0.0

    def _population(self) -> Population:
        """Return the population of the learners that are still active."""
        networks = [learner.network for learner in self.active]
        optimizers = [learner.optimizer for learner in self.active]
        made = self.engine.population_class(
            networks, self.engine.task, optimizers, self.engine.gradient_clip
        )
        # other slices of the sweep have the other cores
        made.threads = 1
        return made

    def configure_optimizers(self) -> list[Any]:
        """Return none: each learner has its own."""
        return []

    def _tell(self, learners: Sequence[Learner], hook: str, *words: Any) -> None:
        """Call a hook of each learner's own callbacks."""
        # they look on and stop nobody: the trainer is that of all
        stops = self.trainer.should_stop
        for learner in learners:
            for callback in learner.own_callbacks:
                getattr(callback, hook)(self.trainer, learner, *words)
        self.trainer.should_stop = stops

    def on_train_start(self) -> None:
        """Tell the learners' callbacks."""
        self._tell(self.learners, "on_train_start")

    def on_train_end(self) -> None:
        """Tell the learners' callbacks."""
        self._tell(self.learners, "on_train_end")

    def on_train_epoch_start(self) -> None:
        """Start the clock of a validation interval."""
        self.starters = list(self.active)
        self._since = time.perf_counter()

    def training_step(self, updates: tuple[int, int], batch_idx: int) -> None:
        """Run some updates of every learner; each takes in how its own went."""
        chunks = [learner.data.chunk(range(*updates)) for learner in self.active]
        states = [s for learner in self.active if (s := learner.state_before()) is not None]
        # all begin an epoch, or none does
        before = stack_states(states) if states else None
        losses, after = self.population.train(stack_chunks(chunks), before)
        now = time.perf_counter()
        # so that the seconds of all members add up to what the processor spent
        share = (now - self._since) / len(self.active)
        states = unstack_state(after, len(self.active))
        for learner, state, loss in zip(self.active, states, losses, strict=True):
            # a view would keep the states of all in the memory and checkpoint of each
            learner.state = tuple(part.clone() for part in state)
            learner.record(loss, share)
        self._since = now
        told = Counter(passed(learner, self.ladder) for learner in self.learners)
        self.report(losses.numel(), told)
        self._tell(self.active, "on_train_batch_end", None, None, batch_idx)
        self._keep([learner for learner in self.active if not learner.diverged])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score every learner on its own validation sequences."""
        for learner in self.active:
            learner.validate()
        self._tell(self.active, "on_validation_end")
        going = [learner for learner in self.active if not learner.diverged]
        self._keep([learner for learner in going if not self.ends(learner)])

    def on_train_epoch_end(self) -> None:
        """Take the snapshots; what all have in common is the trainer's to say."""
        self.trainer.save_checkpoint("")

    def train_dataloader(self) -> IntervalLoader[tuple[int, int]]:
        """Return which updates come next; the learners draw the data for them."""
        data = self.learners[0].data
        # chunks as each would have alone: the same points in every curve
        chunks = data.schedule.chunks(self.trainer.current_epoch, data.chunk_size)
        return IntervalLoader(chunks, lambda updates: (updates.start, updates.stop))

    def val_dataloader(self) -> DataLoader[int]:
        """Return a single step, in which every learner is scored on sequences of its own."""
        return DataLoader([0], batch_size=None)  # pyright: ignore[reportArgumentType]

    def _keep(self, learners: list[Learner]) -> None:
        """Go on with these learners only."""
        if len(learners) < len(self.active):
            self.active = learners
            if learners:
                self.population = self._population()
            else:
                self.trainer.should_stop = True


class Snapshots(TorchCheckpointIO):
    """A checkpoint of every learner, as of the last interval it finished; kept in memory."""

    # On disk, 64 of them an interval would take longer than the training in between: each is
    # written once, when all is over.

    def __init__(self, together: PopulationLearner) -> None:
        self.together = together
        self.of: dict[Learner, dict[str, Any]] = {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Keep what an exact continuation of each learner needs."""
        for learner in self.together.starters:
            if not learner.diverged:
                # under the names that Lightning gives a run alone, so that nobody sees a difference
                weights = learner.network.state_dict(prefix="network.")
                own = {"state_dict": weights, "optimizer_states": [learner.optimizer.state_dict()]}
                learner.on_save_checkpoint(own)
                self.of[learner] = {**checkpoint, **copy.deepcopy(own)}
