"""A real run: `lossladder.train.train`, with folder, checkpoint, TensorBoard and verdict.

Only its data and its start are the benchmark's, so that its losses can be compared with the peers'.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch import Callback, Trainer
from omegaconf import OmegaConf
from torch import Tensor

os.environ["LOSSLADDER_PACKAGES"] = (
    "benchmarks,tests"  # lets a config name the data below, and cells
)

from benchmarks.contestant import Clock, Losses, Round, Trainee
from benchmarks.ours.networks import CELLS, chunk_of, set_start
from benchmarks.problems import Problem
from lossladder.cli.resolvers import conf_dir, register_resolvers
from lossladder.data import Streams
from lossladder.data.datamodule import IntervalLoader
from lossladder.engines import Chunk
from lossladder.models import State
from lossladder.runs.result import Result
from lossladder.tasks import Task
from lossladder.train import train


class Given(Streams):
    """Streams that hand out the benchmark's windows, the same ones every epoch."""

    problem: Problem  # of the next run; a config holds plain values only
    last: "Given"  # of the run before

    def __init__(self, task: Task, seed: int, windows_per_chunk: int | None = None) -> None:
        steps = self.problem.bptt_steps
        stream_steps = self.problem.windows * steps
        super().__init__(
            task, self.problem.batch_size, steps, stream_steps, windows_per_chunk, seed
        )
        self.whole = chunk_of(self.problem)
        self.losses: list[Tensor] = []
        Given.last = self

    def chunk(self, updates: range) -> Chunk:
        """Return the windows of these updates."""
        first = updates.start % self.updates_per_epoch
        part = slice(first, first + len(updates))
        return self.whole._replace(inputs=self.whole.inputs[part], targets=self.whole.targets[part])

    def train_dataloader(self) -> IntervalLoader[Chunk]:
        """Return the only interval of the run; network and engine are at hand by now."""
        learner: Any = self.trainer.lightning_module if self.trainer is not None else None
        set_start(learner.network, self.problem.start)
        train_chunk = learner.engine.train

        def listening(chunk: Chunk, state: State) -> tuple[Tensor, State]:
            losses, state = train_chunk(chunk, state)
            self.losses.append(losses)
            return losses, state

        learner.engine.train = listening
        return super().train_dataloader()


class UntilValidation(Callback):
    """Takes the time of a run, from where its first chunk is drawn to the end of its last one."""

    def __init__(self) -> None:
        self.clock = Clock()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self.clock.__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the clock after the last chunk; what the end of a run costs is no training."""
        if pl_module.updates == pl_module.data.schedule.updates:
            self.clock.__exit__(None, None, None)


class InTrainer(Trainee):
    """One run a round, of so many epochs that the engine has something to do.

    Args:
        problem: echo's.
        members: one.
        threads: as many as the run may use.
        engine: `engine=` of the run.
        epochs: of the run; losses are those of the first.
    """

    def __init__(
        self,
        problem: Problem,
        members: int = 1,
        threads: int = 1,
        engine: str = "auto",
        epochs: int = 1,
    ) -> None:
        self.engine, self.epochs = engine, epochs
        super().__init__(problem, members, threads)

    def prepare(self) -> None:
        """Let a run compose its config and the engine compile."""
        register_resolvers()
        self._run(self.problem.windows)

    def start(self) -> None:
        """Do nothing: every run starts anew."""

    def train(self, windows: int) -> Losses:
        """Return the losses of a run."""
        self._run(windows)
        losses = torch.cat(Given.last.losses)[: self.problem.windows]
        return losses[None].float().numpy()

    def round(self, size: int | None) -> Round:
        """Make a run; time its training, drawing and logging, and no start-up or validation."""
        updates = size or self.problem.windows * self.epochs
        result, clock = self._run(updates)
        losses = torch.cat(Given.last.losses)[None, : self.problem.windows].float().numpy()
        notes = {"steps_per_second": result.steps_per_second or 0.0}
        return Round(clock.wall, clock.cpu, float(updates), losses, notes)

    def _run(self, updates: int) -> tuple[Result, Clock]:
        """Make a run; return its result and how long it trained."""
        Given.problem = self.problem
        words = [
            f"engine={self.engine}",
            "model=rnn",
            "optimizer=adagrad",
            f"optimizer.lr={self.problem.learning_rate}",
            f"trainer.max_steps={updates}",
            f"trainer.validate_every={updates}",
            "trainer.progress=false",
        ]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            composed = compose("train", overrides=words)
        config: Any = OmegaConf.to_container(composed, resolve=True)
        config["data"] = {"_target_": f"{__name__}.Given"}
        kind = CELLS[self.problem.cell]
        config["model"] = {
            "_target_": f"{kind.__module__}.{kind.__qualname__}",
            "hidden_size": self.problem.hidden_size,
        }
        config["names"] = {"task": "echo", "model": "rnn", "engine": self.engine}
        with tempfile.TemporaryDirectory() as folder:
            timed = UntilValidation()
            result = train(config, Path(folder) / "run", Path(folder), [timed])
        if result.status != "done":
            raise RuntimeError(f"the run {result.status}")
        return result, timed.clock
