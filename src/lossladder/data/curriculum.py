"""Fresh sequences that grow as they are mastered, by a step at each success."""

from typing import Any

from lossladder import checks
from lossladder.data.datamodule import between_measurements, seeded
from lossladder.data.fresh import Fresh
from lossladder.diagnostics import accuracy
from lossladder.ladder import CrossEntropy
from lossladder.models import Network
from lossladder.tasks import Task


class Curriculum(Fresh):
    """Sequences of `start_length` steps, then of one more whenever the network masters them.

    After each chunk the network answers `batch_size` sequences that it has not seen, as long as
    those it trains on. The share of right answers at scored steps enters a moving average, which
    starts from zero at every length.

    Validation and ladder are those of the task's full length from the start. How long a sequence is
    depends on what was learnt before: data are a pure function of (seed, step, length), and a
    checkpoint holds the length and the average.

    Args:
        task: draws the sequences; its `num_steps` is the full length.
        batch_size: sequences an update, and in a measurement.
        start_length: time steps of the first sequences.
        promote_at: average share of right answers above which sequences grow.
        memory: share of the average that is left one update later.
        updates_per_epoch: updates that make an epoch; a unit of length, nothing else.
        windows_per_chunk: updates between two measurements.
        seed: of the run.
        validation_seed: of the validation sequences; None: the run's.
    Raises:
        ValueError: if the task has no length to grow to or real targets, a size is no whole number
            above 0, or start_length, promote_at or memory is out of its range.
    """

    training_tells = False

    def __init__(
        self,
        task: Task,
        batch_size: int,
        start_length: int,
        promote_at: float,
        memory: float,
        updates_per_epoch: int,
        windows_per_chunk: int,
        seed: int,
        validation_seed: int | None = None,
    ) -> None:
        if task.num_steps is None:
            raise ValueError(
                f"task={type(task).__name__.lower()}: has streams, which have no full length to "
                "grow to; use data=streams or data=fresh"
            )
        if not isinstance(task.loss, CrossEntropy):
            raise ValueError(
                f"task={type(task).__name__.lower()}: has real targets, of which no answer is "
                "simply right, and sequences grow by right answers; use data=fresh"
            )
        # a size of its own: mastery is measured after each chunk, and must not depend on the engine
        checks.whole("windows_per_chunk", windows_per_chunk)
        super().__init__(
            task, batch_size, None, updates_per_epoch, windows_per_chunk, seed, validation_seed
        )
        start_length = checks.whole("start_length", start_length, at_most=task.num_steps)
        self._check_length("start_length", start_length)
        # an average that starts from zero approaches 1 and never reaches it
        self.promote_at = checks.real("promote_at", promote_at, least=0.0, most=0.999)
        self.memory = checks.real("memory", memory, least=0.0, most=0.999)
        self._length, self.accuracy = start_length, 0.0

    @property
    def length(self) -> int:
        """See `Data.length`."""
        return self._length

    def advance(self, network: Network, updates: range) -> None:
        """Measure how well the current length is mastered; grow by a step if it is."""
        if updates.stop % self.chunk_size:
            # a validation has cut the chunk short: the rest of it comes first
            return
        # A gate on right answers, not on the loss: what loss is a success differs from length to
        # length, and with the step at which labels stand.
        # The sequences are new ones, because those just trained on are no test.
        generator = seeded("measuring", self.seed, updates.stop)
        draw = self.task.draw(generator, self.batch_size, self.length)
        # the average forgets by updates, however many lie between two measurements
        kept = self.memory**self.chunk_size
        self.accuracy = kept * self.accuracy + (1 - kept) * accuracy(network, self.task, draw)
        if self.accuracy > self.promote_at and self.length < self.bptt_steps:
            self._length, self.accuracy = self.length + 1, 0.0

    def measured_at(self, update: int) -> bool:
        """See `Data.measured_at`: every hundred updates or, later, a twentieth of those made."""
        between = -(-between_measurements(update) // self.chunk_size) * self.chunk_size
        return update % between == 0

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning keeps of the data in a checkpoint."""
        return {"length": self.length, "accuracy": self.accuracy}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self._length, self.accuracy = state_dict["length"], state_dict["accuracy"]
