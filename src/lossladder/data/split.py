"""A finite set of sequences, split into some to train on and the rest to test on."""

import torch
from jaxtyping import Integer
from torch import Tensor

from lossladder import checks
from lossladder.data.datamodule import Data, seeded, windows
from lossladder.engines import Chunk
from lossladder.tasks import Batch, Draw, Task


class Split(Data):
    """All sequences of a finite task in an order of the seed: the first train, the rest test.

    Args:
        task: must be finite.
        batch_size: sequences an update; must divide train_size.
        train_size: sequences to train on.
        shuffle: True: a new order every epoch. False: the same batches in the same order.
        split_seed: seed of the split; None: the run's own.
        windows_per_chunk: updates handed to the engine at once, over several epochs if need be;
            None: as many as the engine likes.
        seed: of the run.
    Raises:
        ValueError: if the task is not finite, a size is no whole number above 0, train_size leaves
            nothing to test on, or batch_size is larger than train_size or does not divide it.
    """

    carried = False
    exhaustive = True

    def __init__(
        self,
        task: Task,
        batch_size: int,
        train_size: int,
        shuffle: bool,
        split_seed: int | None,
        windows_per_chunk: int | None,
        seed: int,
    ) -> None:
        super().__init__(task, batch_size, windows_per_chunk, seed)
        everything = task.everything()
        self.bptt_steps = everything.inputs.shape[1]
        size = len(everything.inputs)
        self.train_size = checks.whole("train_size", train_size)
        if train_size >= size:
            raise ValueError(
                f"train_size={train_size}: the set has {size} sequences; must be at most "
                f"{size - 1}, so that some are left to test on"
            )
        if batch_size > train_size or train_size % batch_size:
            # the largest size that would do: it must divide the set, so that epochs end on a window
            largest = max(
                n for n in range(1, min(batch_size, train_size) + 1) if train_size % n == 0
            )
            what = "is larger than" if batch_size > train_size else "does not divide"
            raise ValueError(
                f"batch_size={batch_size}: {what} train_size={train_size}; try {largest}"
            )
        self.shuffle = checks.flag("shuffle", shuffle)
        self.updates_per_epoch = train_size // batch_size
        # a seed of its own lets runs that differ in their weights have the same split
        split_seed = seed if split_seed is None else checks.whole("split_seed", split_seed, 0)
        order = torch.randperm(size, generator=seeded("split", split_seed))
        self.train, self.test = order[:train_size], order[train_size:]
        self._everything = everything

    def chunk(self, updates: range) -> Chunk:
        """See `Data.chunk`."""
        picked = torch.cat([self._window(update) for update in updates])
        return windows(self._subset(picked), len(updates), self.carried)

    def _window(self, update: int) -> Integer[Tensor, " batch"]:
        """Return which sequences an update trains on."""
        epoch, window = divmod(update, self.updates_per_epoch)
        order = self.train
        if self.shuffle:
            # drawn anew from the epoch's seed, so that an update needs no memory of those before it
            generator = seeded("shuffle", self.seed, epoch)
            order = order[torch.randperm(self.train_size, generator=generator)]
        return order[window * self.batch_size : (window + 1) * self.batch_size]

    def _subset(self, picked: Integer[Tensor, " some"]) -> Draw:
        everything = self._everything
        scored = None if everything.scored is None else everything.scored[picked]
        return Draw(everything.inputs[picked], everything.targets[picked], scored)

    def validation(self) -> Batch:
        """Return the sequences to test on."""
        return self.task.batch(self._subset(self.test))

    def training_set(self) -> Batch:
        """Return the sequences to train on."""
        return self.task.batch(self._subset(self.train))
