"""The promise of a DataModule: chunks as a pure function of (seed, step), and the seeds of both."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from math import log2
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Bool
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from lossladder import checks
from lossladder.data.starts import Starts
from lossladder.data.validation_interval import Schedule
from lossladder.engines import Chunk, Engine
from lossladder.ladder import Ladder, Mark
from lossladder.models import Network
from lossladder.tasks import Batch, Draw, Task

_PURPOSES = ("weights", "training", "validation", "split", "shuffle", "measuring")
_LARGEST_VALIDATION = 10_000_000  # probabilities held at once
_LARGEST_CHUNK = 4_000_000  # symbols held at once
# of a chunk's forward pass, some tenths of a second of training: between chunks a signal is obeyed,
# a checkpoint written and the bar moved. Members trained together take as many times as long
_MOST_PRODUCTS = 5_000_000_000

Drawn = TypeVar("Drawn")


def seeded(purpose: str, seed: int, *place: int) -> Generator:
    """Return a generator that depends on the arguments, and on nothing else.

    Args:
        purpose: weights, training, validation, split, shuffle or measuring.
        seed: of the run, at least 0.
        place: where in the run the draw stands (epoch, block, update), each at least 0.

    >>> seeded("training", 0, 3).initial_seed() == seeded("training", 0, 4).initial_seed()
    False
    """
    # The 0 is part of what a seed means: without it every published number would change. It stood
    # for a network among several of one seed, and networks trained together have their own seeds.
    words = (_PURPOSES.index(purpose), seed, 0, *place)
    # a hash of all words: with a sum of them, one draw of a seed would be another's of the next
    (state,) = np.random.SeedSequence(words).generate_state(1, np.uint64)
    return Generator().manual_seed(int(state))


class Data(LightningDataModule, ABC):
    """The training chunks and the one validation batch of a task.

    Because a chunk depends on nothing but (seed, updates), a run can go on exactly from any step,
    and every engine sees the same data. Where sequences grow in training, a chunk depends on their
    `length` as well, which checkpoints hold.

    Args:
        task: draws the sequences.
        batch_size: sequences side by side in a window.
        windows_per_chunk: windows handed to the engine at once; None: as many as the engine likes.
        seed: of the run.
        validation_seed: of the validation sequences; None: the run's.
    Raises:
        ValueError: if a size is no whole number above 0, or a seed none from 0 on.
    """

    carried: bool  # state carried from window to window
    exhaustive = False  # validation sequences are all that there are, and no sample
    # Whether the training loss says which rungs were passed. It does not where sequences grow, or
    # where streams are easy at their start.
    training_tells = True
    streams: Starts | None = None  # where they start, if state is carried
    updates_per_epoch: int
    bptt_steps: int  # steps a window
    # These two are set from outside, later: how long the run is, and what its engine likes, is
    # known only after the data have been made.
    schedule: Schedule
    engine_windows, engine_products = 50, 0

    def __init__(
        self,
        task: Task,
        batch_size: int,
        windows_per_chunk: int | None,
        seed: int,
        validation_seed: int | None = None,
    ) -> None:
        super().__init__()
        self.task = task
        self.batch_size = checks.whole("batch_size", batch_size)
        if windows_per_chunk is not None:
            checks.whole("windows_per_chunk", windows_per_chunk)
        self.windows_per_chunk = windows_per_chunk
        self.seed = self.validation_seed = seed
        if validation_seed is not None:
            self.validation_seed = checks.whole("validation_seed", validation_seed, 0)

    @abstractmethod
    def chunk(self, updates: range) -> Chunk:
        """Return the windows of these updates; where state is carried, of one epoch."""

    @abstractmethod
    def validation(self) -> Batch:
        """Return sequences to score a network on, with the probabilities of their targets."""

    @cached_property
    def validated(self) -> Batch:
        """The sequences of `validation`, drawn once."""
        # all validations share them: two losses of a run differ by what was learnt, not by luck
        return self.validation()

    def ladder(self) -> Ladder:
        """Return the ladder that the validation loss is compared with."""
        return self.task.ladder()

    def marks(self) -> tuple[Mark, ...]:
        """Return what stands beside that ladder: losses of predictors that keep little."""
        return self.task.memory()

    def training_ladder(self) -> Ladder:
        """Return the ladder that the training loss is compared with."""
        return self.ladder()

    def excess(self, updates: range) -> NDArray[np.float64] | float:
        """Return what the rungs of training cost above their losses in these updates, (rungs,).

        It is not 0 where streams start anew, whose first steps see a shorter past.
        """
        return 0.0

    def measured_at(self, update: int) -> bool:
        """Return whether the validation loss after this update says which rungs were passed.

        It does where the training loss says nothing of that. Which updates these are depends on
        nothing else, so that the answer does not depend on when one validates.
        """
        return False

    @property
    def length(self) -> int | None:
        """Number of steps of the sequences trained on now; None: they do not grow in training."""
        return None

    def advance(self, network: Network, updates: range) -> None:
        """Adapt to what the network has learnt in these updates; called after every chunk."""

    def training_set(self) -> Batch | None:
        """Return the sequences trained on; None: they are no finite set."""
        return None

    def hidden(self) -> Bool[Tensor, " sequences"]:
        """Return which validation sequences have a class that no training sequence shows.

        No network can have learnt them, so that their share of the test set is the least test error
        one can expect: the split's own floor. None are hidden where the training set is not finite.
        """
        train, test = self.training_set(), self.validated
        # sequences that are drawn for ever show every class some day
        seen = torch.full((self.task.output_size,), train is None)
        if train is not None:
            seen[train.targets[train.scored]] = True
        return (test.scored & ~seen[test.targets]).any(dim=1)

    @property
    def chunk_size(self) -> int:
        """Number of windows a chunk: as asked for, or as the engine likes and memory allows."""
        if self.windows_per_chunk is not None:
            return self.windows_per_chunk
        # The trainer's cost a batch is the same for one window as for many: they share it, as long
        # as their symbols fit into memory, and nobody waits long for its end.
        symbols = self.batch_size * self.bptt_steps
        most = _MOST_PRODUCTS // (symbols * max(1, self.engine_products))
        return max(1, min(self.engine_windows, _LARGEST_CHUNK // symbols, most))

    def suit(self, engine: Engine) -> None:
        """Cut chunks as an engine likes them."""
        self.engine_windows = engine.windows_per_chunk
        self.engine_products = engine.step_products

    def train_dataloader(self) -> "IntervalLoader[Chunk]":
        """Return the chunks of the validation interval that comes next."""
        # Lightning asks again before each of its epochs, which are our intervals
        number = self.trainer.current_epoch if self.trainer is not None else 0
        return IntervalLoader(self.schedule.chunks(number, self.chunk_size), self.chunk)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, number: int) -> Any:
        """Return a chunk or validation sequences where the network is."""
        # Lightning takes it apart and puts it together again, which costs as much as ten updates
        if device.type == "cpu":
            return batch
        return super().transfer_batch_to_device(batch, device, number)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation sequences as one batch."""
        # with a generator of its own, or it would draw from torch's, and a network's own with it
        return DataLoader([self.validated], batch_size=None, generator=Generator())  # pyright: ignore[reportArgumentType]

    def sequences(self, wanted: int, num_steps: int) -> int:
        """Return how many validation sequences to draw: as many as wanted, if memory allows."""
        # the probabilities are what fills it: eight bytes a class, step and sequence; fewer than 16
        # sequences would leave no standard error worth the name
        return max(16, min(wanted, _LARGEST_VALIDATION // (num_steps * self.task.output_size)))


def between_measurements(update: int, least: int = 100) -> int:
    """Return how many updates lie between two measurements of a run that has made so many.

    >>> between_measurements(50), between_measurements(100_000)
    (100, 4096)
    """
    return max(least, 2 ** int(log2(max(update, 20) / 20)))


class IntervalLoader(Generic[Drawn]):
    """The chunks between two validations; `draw` makes each when a training step asks for it."""

    def __init__(self, chunks: Iterable[range], draw: Callable[[range], Drawn]) -> None:
        self.chunks = list(chunks)
        self.draw = draw

    # Lightning fetches a batch ahead of an iterable without a length, to know when it ends: a chunk
    # drawn too early, while the network may still have to grow its sequences.
    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Drawn]:
        return map(self.draw, self.chunks)


def windows(draw: Draw, count: int, carried: bool) -> Chunk:
    """Return drawn sequences as a chunk of `count` windows.

    Args:
        draw: (batch, count * time) where state is carried, else (count * batch, time).
        count: of windows.
        carried: True: windows follow one another in time. False: they are sequences of their own.
    """

    # Views, no copies: a chunk may hold millions of symbols.
    def cut(part: Tensor) -> Tensor:
        if carried:
            return part.unflatten(1, (count, -1)).transpose(0, 1)  # (windows, batch, time)
        return part.unflatten(0, (count, -1))

    scored = None if draw.scored is None else cut(draw.scored)
    return Chunk(cut(draw.inputs), cut(draw.targets), scored, carried)


def from_blocks(start: int, end: int, size: int, block: Callable[[int], Draw], along: int) -> Draw:
    """Return what lies in [start, end) of data that are drawn in blocks.

    Args:
        start: first sequence (along=0) or time step (along=1).
        end: the one behind the last.
        size: of a block.
        block: number -> the block.
        along: axis that is cut into blocks.
    """
    # Blocks begin at fixed places, whatever is asked for: how a run is cut into chunks, and where
    # it goes on after an end, change nothing.
    parts: list[Draw] = []
    for number in range(start // size, -(-end // size)):
        inside = slice(max(start - number * size, 0), end - number * size)
        index = (slice(None), inside) if along else (inside,)
        draw = block(number)
        scored = None if draw.scored is None else draw.scored[index]
        parts.append(Draw(draw.inputs[index], draw.targets[index], scored))
    if len(parts) == 1:
        return parts[0]

    def join(tensors: tuple[Tensor, ...]) -> Tensor:
        # joined as they are stored, time by time, so that the batch stays contiguous
        time_major = [tensor.transpose(0, 1) for tensor in tensors]
        return torch.cat(time_major, dim=1 - along).transpose(0, 1)

    inputs, targets, scored, _ = zip(*parts, strict=True)
    return Draw(join(inputs), join(targets), None if scored[0] is None else join(scored))
