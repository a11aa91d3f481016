"""Between torch and the loop: whose parameters and optimizer state, in which order, and chunks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lossladder.engines.engine import Chunk
from lossladder.engines.fused import updates
from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.loop import Windows
from lossladder.engines.optimizers import remembered, set_steps, start_state
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

    def read(self, parameters: NDArray, memory: NDArray, fixed: NDArray) -> None:
        """Copy torch's parameters and optimizer state into the loop's vectors."""
        self._look()
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
            at = 0
            for view in views:
                view[:] = vector[at : at + view.size]
                at += view.size
        set_steps(self.optimizer, steps)

    def _look(self) -> None:
        """Find torch's tensors; they are others after a checkpoint has been loaded."""
        # views are kept: making them costs more than copying through them, for each chunk
        rows = self._rows()
        if any(tensor is None for row in rows for tensor in row):
            start_state(self.optimizer)
            rows = self._rows()
        addresses = [tensor.data_ptr() for row in rows for tensor in row]
        if addresses == self._addresses:
            return
        # held, so that no address is used again
        self._kept, self._addresses = rows, addresses
        views = [[t.detach().view(-1).numpy() for t in row] for row in rows]
        self._views = [list(each) for each in zip(*views, strict=True)]

    def _rows(self) -> list[list[Tensor]]:
        """Return each parameter with what the optimizer keeps for it."""
        state = self.optimizer.state
        return [[p, *map(state[p].get, self.names)] for p in self.trained]


def read_windows(
    chunk: Chunk, m: int, codes: Codes, dtype: DTypeLike, targets: DTypeLike, fresh: bool
) -> Windows:
    """Return a member's part of a chunk, as the loop sees it.

    Args:
        chunk: of all members.
        m: the member.
        codes: how inputs are told apart.
        dtype: precision.
        targets: type of classes.
        fresh: the first window begins in the initial state.
    """
    # what there is none of is an empty array
    symbols, features = np.zeros(0, np.uint8), np.zeros(0, dtype)
    classes, reals = np.zeros(0, targets), np.zeros(0, dtype)
    if chunk.inputs.is_floating_point():
        features = _contiguous(chunk.inputs[m].permute(0, 2, 3, 1)).astype(dtype, copy=False)
    else:
        symbols = _contiguous(chunk.inputs[m].mT).astype(np.uint8, copy=False)
    if chunk.targets.is_floating_point():
        reals = _contiguous(chunk.targets[m].permute(0, 2, 3, 1)).astype(dtype, copy=False)
    else:
        classes = _contiguous(chunk.targets[m].mT).astype(targets, copy=False)
    marks = np.zeros(0, np.uint8)
    if chunk.scored is not None:
        marks = _contiguous(chunk.scored[m].mT).view(np.uint8)
    return Windows(
        symbols=symbols,
        features=features,
        classes=classes,
        reals=reals,
        marks=marks,
        table=np.ascontiguousarray(codes.table),
        carried=chunk.carried,
        fresh=fresh,
    )


def _contiguous(tensor: Tensor) -> NDArray:
    """Return an array in C order; a view where the storage is time-major already."""
    return tensor.detach().contiguous().numpy()
