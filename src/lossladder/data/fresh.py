"""Independent sequences, fresh ones for every update; the state starts anew with each."""

from torch import Generator

from lossladder import checks
from lossladder.data.datamodule import Data, from_blocks, seeded, windows
from lossladder.engines import Chunk
from lossladder.ladder import Ladder, Mark
from lossladder.tasks import Batch, Draw, Task

_BLOCK = 50  # windows drawn at once; part of what a seed means


class Fresh(Data):
    """Independent sequences that are never seen twice.

    Streams can be cut like this too, into windows without carried state, which see no further back
    than their own start; the ladder takes that into account.

    Args:
        task: draws the sequences.
        batch_size: sequences an update.
        bptt_steps: length of a sequence, time steps; None: the task's own.
        updates_per_epoch: updates that make an epoch; a unit of length, nothing else.
        windows_per_chunk: updates handed to the engine at once; None: as many as the engine likes.
        seed: of the run.
        validation_seed: of the validation sequences; None: the run's.
    Raises:
        ValueError: if a size is no whole number above 0, a stream is given no bptt_steps, or
            bptt_steps is longer than the task's own sequences.
    """

    carried = False

    def __init__(
        self,
        task: Task,
        batch_size: int,
        bptt_steps: int | None,
        updates_per_epoch: int,
        windows_per_chunk: int | None,
        seed: int,
        validation_seed: int | None = None,
    ) -> None:
        super().__init__(task, batch_size, windows_per_chunk, seed, validation_seed)
        self.updates_per_epoch = checks.whole("updates_per_epoch", updates_per_epoch)
        if bptt_steps is None:
            if task.num_steps is None:
                raise ValueError("bptt_steps=null: a stream has no length of its own; give one")
            bptt_steps = task.num_steps
        self.bptt_steps = checks.whole("bptt_steps", bptt_steps)
        if task.num_steps is not None and bptt_steps > task.num_steps:
            raise ValueError(
                f"bptt_steps={bptt_steps}: longer than a sequence of the task; must be at most "
                f"task.num_steps={task.num_steps}"
            )
        self._check_length("bptt_steps", bptt_steps)
        self._blocks: dict[tuple[int, ...], Draw] = {}  # the last one drawn

    def _check_length(self, name: str, length: int) -> None:
        """Refuse a length that the task does not draw."""
        own = self.task.num_steps
        if own is None or length == own:
            return
        try:
            self.task.draw(Generator(), 1, length)
        except ValueError:
            raise ValueError(
                f"{name}={length}: this task has sequences of {own} steps only, with what is asked "
                "for at their end"
            ) from None

    def chunk(self, updates: range) -> Chunk:
        """See `Data.chunk`."""
        start, end, size = (n * self.batch_size for n in (updates.start, updates.stop, _BLOCK))
        draw = from_blocks(start, end, size, self._block, along=0)
        return windows(draw, len(updates), self.carried)

    def _block(self, block: int) -> Draw:
        # each length has a seed of its own: sequences share nothing with the shorter ones before
        place = (block,) if self.length is None else (block, self.length)
        if place not in self._blocks:
            generator = seeded("training", self.seed, *place)
            count, length = self.batch_size * _BLOCK, self.length or self.bptt_steps
            # one block is kept: the next chunk usually begins where the last one ended
            self._blocks = {place: self.task.draw(generator, count, length)}
        return self._blocks[place]

    def validation(self) -> Batch:
        """Draw fresh sequences of full length."""
        size = self.sequences(1024, self.bptt_steps)
        return self.task.sample(seeded("validation", self.validation_seed), size, self.bptt_steps)

    def ladder(self) -> Ladder:
        """Return the ladder of sequences that start from nothing."""
        return self.task.ladder(self.bptt_steps, carried=False)

    def marks(self) -> tuple[Mark, ...]:
        """Return the marks of sequences that start from nothing."""
        return self.task.memory(self.bptt_steps, carried=False)
