"""Between torch and the loop: whose parameters and optimizer state, in which order, and chunks."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lossladder.engines.engine import Chunk
from lossladder.engines.fused import updates
from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.loop import Windows
from lossladder.engines.optimizers import remembered, start_state
from lossladder.models import Network

RULES = {SGD: updates.SGD, Adagrad: updates.ADAGRAD, Adam: updates.ADAM, AdamW: updates.ADAMW}


class Member:
    """A network and its optimizer, of which the loop gets a copy for each chunk.

    Args:
        network: trained in place.
        optimizer: of its parameters; its state is torch's own.
        names: of all its tensors in the loop's order: trained, then others.
        constants: tensors that are no part of the network, by name.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        names: Sequence[str],
        constants: dict[str, Tensor],
    ) -> None:
        named = {**dict(network.named_parameters()), **dict(network.named_buffers()), **constants}
        tensors = [named[name] for name in names]
        self.trained = [t for t in tensors if t.requires_grad]
        self.count = sum(t.numel() for t in self.trained)
        self.others = [t for t in tensors if not t.requires_grad]
        self.optimizer = optimizer
        self.names = remembered(optimizer)
        self._kept: list[list[Tensor]] = []
        self._addresses: list[int] = []
        self._views: list[list[NDArray]] = []
        self._counts: list[NDArray] = []
        ends = [0, *accumulate(t.numel() for t in self.trained)]
        self._places = [slice(*pair) for pair in pairwise(ends)]

    def look(self) -> int:
        """Find torch's tensors, which others may have taken the place of; return its updates."""
        # views are kept: making them costs more than copying through them, for each chunk
        rows, counts = self._found()
        if any(tensor is None for row in rows for tensor in row):
            start_state(self.optimizer)
            rows, counts = self._found()
        addresses = [tensor.data_ptr() for row in (*rows, counts) for tensor in row]
        if addresses != self._addresses:
            # held, so that no address is used again
            self._kept, self._addresses = [*rows, counts], addresses
            views = [[t.detach().view(-1).numpy() for t in row] for row in rows]
            self._views = [list(each) for each in zip(*views, strict=True)]
            self._counts = [count.numpy() for count in counts]
        return max((int(count) for count in self._counts), default=0)

    def read(self, parameters: NDArray, memory: NDArray, fixed: NDArray) -> None:
        """Copy what was found into the loop's vectors: parameters, optimizer state, the fixed."""
        # not strict: an optimizer that remembers less leaves the last vectors zero
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            np.concatenate(views, out=vector[: self.count])
        at = 0
        for tensor in self.others:
            fixed[at : at + tensor.numel()] = tensor.detach().numpy().ravel()
            at += tensor.numel()

    def write(self, parameters: NDArray, memory: NDArray, steps: int) -> None:
        """Copy them back, with the number of updates made."""
        for views, vector in zip(self._views, (parameters, *memory), strict=False):
            for view, place in zip(views, self._places, strict=True):
                view[:] = vector[place]
        for count in self._counts:
            count[...] = steps

    def _found(self) -> tuple[list[list[Tensor]], list[Tensor]]:
        """Return each parameter with what the optimizer keeps for it, and its counts of updates."""
        kept = [self.optimizer.state[p] for p in self.trained]
        rows = [[p, *map(of.get, self.names)] for p, of in zip(self.trained, kept, strict=True)]
        return rows, [of["step"] for of in kept if "step" in of]


def read_windows(
    chunk: Chunk, codes: Codes, dtype: DTypeLike, targets: DTypeLike, fresh: bool
) -> list[Windows]:
    """Return each member's part of a chunk, as the loop sees it.

    Args:
        chunk: of all members.
        codes: how inputs are told apart.
        dtype: precision.
        targets: type of classes.
        fresh: the first window begins in the initial state.
    """
    # what there is none of is an empty array
    nothing = np.zeros((chunk.inputs.shape[0], 0))
    symbols, features = nothing.astype(np.uint8), nothing.astype(dtype)
    classes, reals, marks = nothing.astype(targets), features, symbols
    if chunk.inputs.is_floating_point():
        features = chunk.inputs.detach().permute(0, 1, 3, 4, 2).numpy()
    else:
        symbols = chunk.inputs.mT.numpy()
    if chunk.targets.is_floating_point():
        reals = chunk.targets.detach().permute(0, 1, 3, 4, 2).numpy()
    else:
        classes = chunk.targets.mT.numpy()
    if chunk.scored is not None:
        marks = chunk.scored.mT.numpy().view(np.uint8)
    types = (np.uint8, dtype, targets, dtype, np.uint8)
    # member by member: those that have the same data share their memory
    return [
        Windows(
            # no copy where the batch lies last already
            *(np.ascontiguousarray(part, kind) for part, kind in zip(own, types, strict=True)),
            table=codes.table,
            carried=chunk.carried,
            fresh=fresh,
        )
        for own in zip(symbols, features, classes, reals, marks, strict=True)
    ]
