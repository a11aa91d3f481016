"""Runs trained together: a LightningModule whose members are learners of their own.

Everything a run keeps (curves, score, state, optimizer) stays in its own Learner; what is shared is
the call that trains them.
"""

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from lossladder.engines import Population, stack_chunks, stack_states, unstack_state
from lossladder.training.learner import Learner
from lossladder.training.plan import Plan
from lossladder.training.progress import standing

MakePopulation = Callable[[Sequence[Learner]], Population]
Report = Callable[[int, Counter[str]], None]


class Together(LightningModule):
    """Learners that differ in nothing but their numbers, trained as one population.

    A learner that diverges, or whose `ends` says so, leaves; the others go on untouched.

    Args:
        learners: each with its data and its optimizer.
        make_population: learners -> what trains them.
        report: is told after each chunk how many updates were made, and how many learners stand on
            each rung.
        ends: whether a learner is done before the plan is.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        make_population: MakePopulation,
        report: Report = lambda updates, rungs: None,
        ends: Callable[[Learner], bool] = lambda learner: False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.learners = tuple(learners)  # no ModuleList: their checkpoints are their own
        self.active = list(learners)
        self.leg: list[Learner] = []  # who began the present leg
        self.make_population = make_population
        self.population = make_population(self.active)
        self.report = report
        self.ends = ends
        self.ladder = learners[0].data.training_ladder()
        self._since = 0.0

    def configure_optimizers(self) -> list[Any]:
        """None for Lightning: each learner has its own."""
        return []

    def on_train_epoch_start(self) -> None:
        """Start the clock of a leg."""
        self.leg = list(self.active)
        self._since = time.perf_counter()

    def training_step(self, updates: tuple[int, int], batch_idx: int) -> None:
        """Run some updates of every learner; each notes how its own went."""
        chunks = [learner.data.chunk(range(*updates)) for learner in self.active]
        states = [s for learner in self.active if (s := learner.state_before()) is not None]
        before = stack_states(states) if states else None  # all begin an epoch, or none does
        losses, after = self.population.train(stack_chunks(chunks), before)
        now = time.perf_counter()
        share = (now - self._since) / len(self.active)
        for learner, state, loss in zip(self.active, unstack_state(after), losses, strict=True):
            learner.state = tuple(part.clone() for part in state)  # a view would keep all of them
            learner.record(loss, share)
        self._since = now
        stand = Counter(standing(learner, self.ladder) for learner in self.learners)
        self.report(losses.numel(), stand)
        self._keep([learner for learner in self.active if not learner.diverged])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score every learner on its own validation sequences."""
        for learner in self.active:
            learner.validate(learner.data.validated)
        self._keep([learner for learner in self.active if not self.ends(learner)])

    def _keep(self, learners: list[Learner]) -> None:
        """Go on with these only."""
        if len(learners) < len(self.active):
            self.active = learners
            if learners:
                self.population = self.make_population(learners)
            else:
                self.trainer.should_stop = True


class Snapshots(Callback):
    """A checkpoint for every learner, as of the last leg it finished; kept in memory."""

    def __init__(self) -> None:
        self.of: dict[Learner, dict[str, Any]] = {}
        self.shared = _Shared()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Together) -> None:
        """Keep what an exact continuation needs."""
        trainer.save_checkpoint("")  # what all have in common, into `shared`
        for learner in pl_module.leg:
            if not learner.diverged:
                weights = learner.network.state_dict(prefix="network.")
                own = {"state_dict": weights, "optimizer_states": [learner.optimizer.state_dict()]}
                learner.on_save_checkpoint(own)
                self.of[learner] = {**self.shared.checkpoint, **copy.deepcopy(own)}


class _Shared(TorchCheckpointIO):
    """Keeps the checkpoint that Lightning would write."""

    checkpoint: dict[str, Any]

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Keep it."""
        self.checkpoint = checkpoint


class Turns(LightningDataModule):
    """Which updates come next; the learners draw the data for them.

    Args:
        learners: to be trained together.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        data = learners[0].data
        self.plan: Plan = data.plan
        self.size = data.chunk_size  # as each would have alone: the same points in every curve

    def train_dataloader(self) -> "Turn":
        """The chunks of the leg that comes next."""
        leg = self.trainer.current_epoch if self.trainer is not None else 0
        return Turn([(c.start, c.stop) for c in self.plan.chunks(leg, self.size)])

    def val_dataloader(self) -> DataLoader[int]:
        """One step in which every learner is scored on sequences of its own."""
        return DataLoader([0], batch_size=None)  # pyright: ignore[reportArgumentType]


class Turn:
    """The updates of a leg, chunk by chunk; sized, so that Lightning fetches none ahead."""

    def __init__(self, chunks: list[tuple[int, int]]) -> None:
        self.chunks = chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.chunks)
