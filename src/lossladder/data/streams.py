"""Endless streams, cut into windows; the state is carried from window to window."""

from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from lossladder import checks
from lossladder.data.datamodule import (
    Data,
    between_measurements,
    from_blocks,
    seeded,
    windows,
)
from lossladder.data.starts import Starts
from lossladder.engines import Chunk
from lossladder.ladder import Ladder
from lossladder.tasks import Batch, Draw, StreamTask, Task

_MEASURED = 250  # updates between two measurements that a long warm-up makes dear, at least
_SCORED = 150_000  # steps of validation streams, at most; their warm-up counts
_BLOCK = 500  # time steps drawn at once; part of what a seed means


class Streams(Data):
    """`batch_size` streams side by side, new ones every epoch, and wherever they restart.

    Args:
        task: must be a `StreamTask`.
        batch_size: streams side by side.
        bptt_steps: window length, time steps: how far the gradient reaches.
        stream_steps: length of a stream, time steps an epoch; the part of a window that is left
            over at the end is not used.
        windows_per_chunk: windows handed to the engine at once; None: as many as the engine likes.
        seed: of the run.
        validation_seed: of the validation sequences; None: the run's.
        restarts: see `Starts`; in absolute updates, so that a longer run has the same data.
    Raises:
        ValueError: if the task has no streams, a size is no whole number above 0, or bptt_steps is
            longer than the stream.
    """

    carried = True

    def __init__(
        self,
        task: Task,
        batch_size: int,
        bptt_steps: int,
        stream_steps: int,
        windows_per_chunk: int | None,
        seed: int,
        validation_seed: int | None = None,
        restarts: Mapping[int, float] | None = None,
    ) -> None:
        super().__init__(task, batch_size, windows_per_chunk, seed, validation_seed)
        if not isinstance(task, StreamTask):
            raise ValueError(
                f"task={type(task).__name__.lower()}: has independent sequences, no streams; "
                "use data=fresh or data=split"
            )
        self.bptt_steps = checks.whole("bptt_steps", bptt_steps)
        self.stream_steps = checks.whole("stream_steps", stream_steps)
        if bptt_steps > stream_steps:
            raise ValueError(
                f"bptt_steps={bptt_steps}: longer than the stream; must be at most "
                f"stream_steps={stream_steps}"
            )
        self.updates_per_epoch = stream_steps // bptt_steps
        self.streams = self._starts = Starts(self.updates_per_epoch, restarts)
        # who knows where a stream began is better there than a rung that is for ever
        self.training_tells = task.reach is not None and not restarts
        self._draw, self._reach, self._warm_up = task.draw, task.reach or 0, task.warm_up
        # most streams that restart are a window long
        self._block_steps = max(bptt_steps if restarts else _BLOCK, self._reach)
        self._blocks: dict[tuple[int, int], Draw] = {}  # the last one drawn, by (epoch, block)
        self._excess: dict[tuple[int, int, int], NDArray[np.float64]] = {}  # by steps of an epoch

    def chunk(self, updates: range) -> Chunk:
        """See `Data.chunk`."""
        begun, _ = self._starts.around(updates.start)
        start, end = ((u - begun) * self.bptt_steps for u in (updates.start, updates.stop))
        block = partial(self._block, self._starts.number(begun))
        draw = from_blocks(start, end, self._block_steps, block, along=1)
        return windows(draw, len(updates), self.carried)

    def measured_at(self, update: int) -> bool:
        """See `Data.measured_at`: at starts, where a chunk ends however long others are."""
        if self.training_tells or not self._starts.begins(update):
            return False
        between = between_measurements(update, _MEASURED)
        last, _ = self._starts.around(update - 1)
        return update // between > last // between

    def _block(self, epoch: int, block: int) -> Draw:
        """Return a block of the streams of a start, which continues the block before it."""
        last = next(iter(self._blocks), (epoch, -1))
        if last != (epoch, block):
            # On from the last one drawn, or from the start. A loop and no recursion,
            # which a run that goes on late in a long stream would take too deep.
            on_the_way = last[0] == epoch and last[1] < block
            for number in range(last[1] + 1 if on_the_way else 0, block + 1):
                past = self._blocks[epoch, number - 1].after if number else None
                generator = seeded("training", self.seed, epoch, number)
                draw = self._draw(generator, self.batch_size, self._block_steps, past)
                # one block is kept, so that memory stays flat however long the stream is
                self._blocks = {(epoch, number): draw}
        return self._blocks[epoch, block]

    def validation(self) -> Batch:
        """Draw fresh streams, whose first steps are not scored."""
        # In those the state fills: the ladder is that of a state which has been carried for ever.
        steps = self._warm_up + 500
        generator = seeded("validation", self.validation_seed)
        wanted = min(200, _SCORED // steps)
        batch = self.task.sample(generator, self.sequences(wanted, steps), steps)
        scored = batch.scored & (torch.arange(steps) >= self._warm_up)
        return batch._replace(scored=scored)

    def training_ladder(self) -> Ladder:
        """Return the ladder of streams with their first steps, which see a shorter past."""
        # a loss that tells nothing is held against nothing
        return self._training_ladder if self.training_tells else self.ladder()

    @cached_property
    def _training_ladder(self) -> Ladder:
        # once: with ten lags it has 1024 rungs, each with a loss for every step of an epoch
        return self.task.ladder(self.updates_per_epoch * self.bptt_steps, carried=False)

    def excess(self, updates: range) -> NDArray[np.float64] | float:
        """See `Data.excess`: a stream starts anew every epoch."""
        if self._first_steps is None:
            return 0.0
        sums, later = self._first_steps
        start, stop = (
            u % self.updates_per_epoch * self.bptt_steps for u in (updates.start, updates.stop)
        )
        last = len(sums) - 1
        if last <= start < stop:
            return later

        def until(steps: int) -> NDArray[np.float64]:
            # Over a whole epoch rungs cost their losses; in one, all steps but the first the same.
            first = min(steps, last)
            return sums[first] + (steps - first) * later

        # a run asks of the start of each epoch, and its points begin at few places in them
        key = start, stop, len(updates)
        if key not in self._excess:
            self._excess[key] = (until(stop) - until(start)) / (len(updates) * self.bptt_steps)
        return self._excess[key]

    @cached_property
    def _first_steps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """What the rungs cost above their losses: sums over the first steps, and any later step."""
        rungs = self.training_ladder().rungs
        by_step = [rung.by_step[: self._reach + 1] for rung in rungs if rung.by_step is not None]
        if len(by_step) < len(rungs):
            return None
        above = np.array(by_step).T - [rung.loss for rung in rungs]
        return np.concatenate([0 * above[:1], above.cumsum(axis=0)]), above[-1]
