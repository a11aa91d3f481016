"""Runs trained together: a LightningModule whose members are learners of their own.

Everything that a run keeps (curves, score, state, optimizer) stays in its own Learner; only the
call that trains them is shared.
"""

import copy
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import lightning
from lightning.pytorch import LightningModule
from torch.utils.data import DataLoader

from lossladder import signals
from lossladder.data.datamodule import IntervalLoader
from lossladder.engines import Population, SingleMember
from lossladder.engines.auto import for_members
from lossladder.engines.population import stack_chunks, stack_states, unstack_state
from lossladder.runs.group import Group
from lossladder.training.build import Parts
from lossladder.training.callbacks import checkpoint_due, passed
from lossladder.training.learner import Learner
from lossladder.training.random_state import random_state, restore_random_state

# what Lightning wants of a checkpoint besides what its module puts there
_HEAD = {"pytorch-lightning_version": lightning.__version__, "lr_schedulers": []}


def engine_for(parts: Parts, count: int, began: str | None = None) -> SingleMember | None:
    """Return the engine of `count` members built like these; None: each trains alone.

    Args:
        parts: of one of them.
        count: of members.
        began: name of the engine that they began with, if they go on.
    """
    optimizer = parts.make_optimizer(parts.network.trained())
    engine = parts.make_engine(parts.network, parts.task, optimizer)
    return for_members(engine, count, began)


class PopulationLearner(LightningModule):
    """Learners that differ in nothing but their numbers, trained as one population.

    A learner that diverges, or for which `ends` is true, leaves; the others go on untouched.

    Args:
        learners: each with its data and its optimizer.
        engine: of one of them; its population trains all.
        report: takes after each chunk the number of updates made, and how many learners have
            passed what.
        group: keeps what is needed to go on.
        seconds: between two checkpoints, at most; chunks are not cut short for it.
        ends: whether a learner is done before the schedule is.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        engine: SingleMember,
        report: Callable[[int, Counter[str]], None],
        group: Group,
        seconds: float,
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
        # of each learner, as of the last moment at which its weights were of use
        self.kept: dict[Learner, dict[str, Any]] = {}
        self.group = group
        self.seconds = seconds
        self._written, self._cost = time.monotonic(), 0.0
        # to take up, by those that go on
        self._random: dict[str, Any] | None = None

    @property
    def updates(self) -> int:
        """Number of updates that the learners have made which got furthest."""
        return max(learner.updates for learner in self.learners)

    def _population(self) -> Population:
        """Return the population of the learners that are still active."""
        networks = [learner.network for learner in self.active]
        optimizers = [learner.optimizer for learner in self.active]
        schedules = [learner.schedule for learner in self.active]
        made = self.engine.population_class(
            networks, self.engine.task, optimizers, self.engine.gradient_clip, schedules
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
        signals.install()  # Lightning has put a handler of its own before ours
        self._tell(self.learners, "on_train_start")

    def on_train_end(self) -> None:
        """Tell the learners' callbacks."""
        self._tell(self.learners, "on_train_end")

    def on_train_epoch_start(self) -> None:
        """Start the clock of a validation interval."""
        if self._random is not None:
            # last of all: what was made ready before may have drawn some
            restore_random_state(self._random)
            self._random = None
        self.starters = list(self.active)
        self._since = time.perf_counter()

    def training_step(self, updates: tuple[int, int], batch_idx: int) -> None:
        """Run some updates of every learner; each takes in how its own went."""
        chunks = [
            learner.data.chunk(range(*updates))._replace(first=learner.updates)
            for learner in self.active
        ]
        states = [s for learner in self.active if (s := learner.state_before()) is not None]
        # all begin an epoch, or none does
        before = stack_states(states) if states else None
        losses, after = self.population.train(stack_chunks(chunks), before)
        now = time.perf_counter()
        # so that the seconds of all members add up to what the processor spent
        share = (now - self._since) / len(self.active)
        states, measured = unstack_state(after, len(self.active)), False
        for learner, state, loss in zip(self.active, states, losses, strict=True):
            # a view would keep the states of all in the memory and checkpoint of each
            learner.state = tuple(part.clone() for part in state)
            measured |= learner.record(loss, share)
        self._since = time.perf_counter() if measured else now
        told = Counter(passed(learner, self.ladder) for learner in self.learners)
        self.report(losses.numel(), told)
        self._tell(self.active, "on_train_batch_end", None, None, batch_idx)
        self._go_on_with([learner for learner in self.active if not learner.diverged])
        if not self.active or self.active[0].data.schedule.ends_interval(self.updates):
            return
        if checkpoint_due(self._written, self.seconds):
            self._keep(self.active)
            self._write()
            signals.stop_if_asked()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score every learner on its own validation sequences."""
        for learner in self.active:
            learner.validate()
        self._tell(self.active, "on_validation_end")
        going = [learner for learner in self.active if not learner.diverged]
        self._go_on_with([learner for learner in going if not self.ends(learner)])

    def on_train_epoch_end(self) -> None:
        """Keep what is needed to go on, on disk as often as that costs little."""
        self._keep([learner for learner in self.starters if not learner.diverged])
        ended = not self.active or self.updates == self.active[0].data.schedule.updates
        # writing takes 2 % of the time at most, where intervals are short
        paid = time.monotonic() - self._written > 50 * self._cost
        if ended or paid or signals.stop_asked():
            self._write()
        if not ended:
            signals.stop_if_asked()

    def train_dataloader(self) -> IntervalLoader[tuple[int, int]]:
        """Return which updates come next; the learners draw the data for them."""
        data = self.learners[0].data
        # chunks as each would have alone: the same points in every curve
        chunks = data.schedule.chunks(self.trainer.current_epoch, data.chunk_size)
        return IntervalLoader(chunks, lambda updates: (updates.start, updates.stop))

    def val_dataloader(self) -> DataLoader[int]:
        """Return a single step, in which every learner is scored on sequences of its own."""
        return DataLoader([0], batch_size=None)  # pyright: ignore[reportArgumentType]

    def _keep(self, learners: Sequence[Learner]) -> None:
        """Keep a checkpoint of each of these learners in memory."""
        for learner in learners:
            # under the names that Lightning gives a run alone, so that nobody sees a difference
            weights = learner.network.state_dict(prefix="network.")
            own = {
                "state_dict": {name: weight.clone() for name, weight in weights.items()},
                "optimizer_states": [copy.deepcopy(learner.optimizer.state_dict())],
                "callbacks": {each.state_key: each.state_dict() for each in learner.own_callbacks},
            }
            learner.on_save_checkpoint(own)
            self.kept[learner] = {**_HEAD, **own}

    def _write(self) -> None:
        """Write what each learner needs to go on, or to end as it would have."""
        began = time.monotonic()
        members: dict[str, dict[str, Any]] = {}
        # one for all, of which a file holds one, too: dropout draws for everybody at once
        random = random_state()
        for name, learner in zip(self.group.names, self.learners, strict=True):
            going, own = learner in self.active, dict[str, Any]()
            # of one that has diverged the weights are those of before, and how it went is not
            if not going:
                learner.on_save_checkpoint(own)
            members[name] = {
                "checkpoint": self.kept.get(learner),
                "ended": own.get("lossladder"),
                "engine": self.engine.name,
                "moment": self.updates,
                "random": random,
            }
        self.group.write(members)
        self._written = time.monotonic()
        self._cost = self._written - began

    def take_up(self, members: Mapping[str, dict[str, Any]]) -> None:
        """Go on from what was written."""
        for name, learner in zip(self.group.names, self.learners, strict=True):
            left = members[name]
            if (checkpoint := left["checkpoint"]) is not None:
                weights = checkpoint["state_dict"].items()
                learner.network.load_state_dict({k.removeprefix("network."): v for k, v in weights})
                learner.optimizer.load_state_dict(checkpoint["optimizer_states"][0])
                for each in learner.own_callbacks:
                    if each.state_key in checkpoint["callbacks"]:
                        each.load_state_dict(checkpoint["callbacks"][each.state_key])
                self.kept[learner] = checkpoint
            latest = left["ended"] or self.kept[learner]["lossladder"]
            learner.on_load_checkpoint({"lossladder": latest})
            if learner.events is not None:
                learner.events.restore(latest["events"], learner.updates)
            schedule = learner.data.schedule
            learner.data.schedule = replace(schedule, start=left["moment"])
        self._random = members[self.group.names[0]].get("random")
        ended = [members[name]["ended"] is not None for name in self.group.names]
        self._go_on_with([own for own, over in zip(self.learners, ended, strict=True) if not over])

    def _go_on_with(self, learners: list[Learner]) -> None:
        """Go on with these learners only."""
        if len(learners) < len(self.active):
            self.active = learners
            if learners:
                self.population = self._population()
            else:
                self.trainer.should_stop = True
