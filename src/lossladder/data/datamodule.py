"""The promise of a DataModule: chunks as a pure function of (seed, step)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Generic, TypeVar

import torch
from jaxtyping import Bool
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from lossladder import checks
from lossladder.data.validation_interval import Schedule
from lossladder.engines import Chunk
from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.tasks import Batch, Draw, Task

_LARGEST_VALIDATION = 10_000_000  # probabilities held at once
_LARGEST_CHUNK = 4_000_000  # symbols held at once

Drawn = TypeVar("Drawn")


class Data(LightningDataModule, ABC):
    """Training chunks and one validation batch for a task.

    Because a chunk depends on nothing but (seed, updates), a run can go on exactly from any
    step, and every engine sees the same data. Where sequences grow in training, it depends on their
    `length` as well, which checkpoints hold.

    Args:
        task: draws the sequences.
        batch_size: sequences side by side in a window.
        windows_per_chunk: windows handed to the engine at once; more of them spread the trainer's
            cost a batch over more updates. None: as many as the engine likes.
        seed: of the run.
    Raises:
        ValueError: if a size is no whole number above 0.
    """

    carried: bool  # state carried from window to window
    updates_per_epoch: int
    bptt_steps: int  # steps a window
    schedule: Schedule  # given once the length of the run is known
    engine_windows = 50  # as many windows a chunk as the engine likes; given once there is one

    def __init__(
        self, task: Task, batch_size: int, windows_per_chunk: int | None, seed: int
    ) -> None:
        super().__init__()
        self.task = task
        self.batch_size = checks.whole("batch_size", batch_size)
        if windows_per_chunk is not None:
            checks.whole("windows_per_chunk", windows_per_chunk)
        self.windows_per_chunk = windows_per_chunk
        self.seed = seed

    @abstractmethod
    def chunk(self, updates: range) -> Chunk:
        """The windows of these updates, which lie within one epoch where state is carried."""

    @abstractmethod
    def validation(self) -> Batch:
        """Sequences to score a network on, with the exact law of their targets."""

    @cached_property
    def validated(self) -> Batch:
        """The same, drawn once."""
        return self.validation()

    @abstractmethod
    def ladder(self) -> Ladder:
        """What the validation loss is held against."""

    def training_ladder(self) -> Ladder:
        """What the training loss is held against."""
        return self.ladder()

    @property
    def length(self) -> int | None:
        """Steps of the sequences trained on now, where they grow in training; None: they do not."""
        return None

    def advance(self, network: Network, updates: range) -> None:
        """Take note of what the network has learnt in these updates; called after every chunk."""

    def training_set(self) -> Batch | None:
        """The sequences trained on, where they are a finite set; None: never the same twice."""
        return None

    def hidden(self) -> Bool[Tensor, " sequences"]:
        """Which validation sequences no training can have prepared for; none, by default."""
        return torch.zeros(len(self.validated.inputs), dtype=torch.bool)

    @property
    def chunk_size(self) -> int:
        """Windows a chunk: what was asked for, or what the engine likes and memory allows."""
        if self.windows_per_chunk is not None:
            return self.windows_per_chunk
        most = _LARGEST_CHUNK // (self.batch_size * self.bptt_steps)
        return max(1, min(self.engine_windows, most))

    def train_dataloader(self) -> "IntervalLoader[Chunk]":
        """Return the chunks of the validation interval that comes next."""
        number = self.trainer.current_epoch if self.trainer is not None else 0
        return IntervalLoader(self.schedule.chunks(number, self.chunk_size), self.chunk)

    def val_dataloader(self) -> DataLoader[Batch]:
        """One batch: the validation sequences."""
        return DataLoader([self.validated], batch_size=None)  # pyright: ignore[reportArgumentType]

    def sequences(self, wanted: int, num_steps: int) -> int:
        """As many validation sequences as wanted, fewer where their laws would fill the memory."""
        return max(16, min(wanted, _LARGEST_VALIDATION // (num_steps * self.task.output_size)))


class IntervalLoader(Generic[Drawn]):
    """The chunks between two validations; sized, so that Lightning fetches none ahead.

    Args:
        chunks: the updates of each.
        draw: makes of them what a training step takes.
    """

    def __init__(self, chunks: Iterable[range], draw: Callable[[range], Drawn]) -> None:
        self.chunks = list(chunks)
        self.draw = draw

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Drawn]:
        return map(self.draw, self.chunks)


def windows(draw: Draw, count: int, carried: bool) -> Chunk:
    """Cut drawn sequences into `count` windows.

    Carried: (batch, count * time), cut along time. Otherwise: (count * batch, time), cut along the
    batch. Both are views.
    """

    def cut(part: Tensor) -> Tensor:
        if carried:
            return part.unflatten(1, (count, -1)).transpose(0, 1)  # (windows, batch, time)
        return part.unflatten(0, (count, -1))

    scored = None if draw.scored is None else cut(draw.scored)
    return Chunk(cut(draw.inputs), cut(draw.targets), scored, carried)


def joined(parts: list[Draw], along: int) -> Draw:
    """Draws one after another in time (1) or side by side in the batch (0)."""
    if len(parts) == 1:
        return parts[0]

    def join(tensors: tuple[Tensor, ...]) -> Tensor:
        time_major = [tensor.transpose(0, 1) for tensor in tensors]  # as they are stored
        return torch.cat(time_major, dim=1 - along).transpose(0, 1)

    inputs, targets, scored = zip(*parts, strict=True)
    return Draw(join(inputs), join(targets), None if scored[0] is None else join(scored))
