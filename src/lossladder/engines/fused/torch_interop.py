"""Between torch and the loop: whose parameters and optimizer state, in which order, and chunks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from lossladder.engines.engine import Chunk
from lossladder.engines.fused import updates
from lossladder.engines.fused.codes import Codes
from lossladder.engines.fused.copying import Copying
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
        self.others = [t for t in tensors if not t.requires_grad]
        self.optimizer = optimizer
        self.names = remembered(optimizer)
        self._kept: list[list[Tensor]] = []
        self._addresses: list[int] = []
        self._counts: list[NDArray] = []
        self._copied_to: NDArray | None = None
        self._copying: Copying | None = None

    def look(self) -> int:
        """Find torch's tensors, which others may have taken the place of; return its updates."""
        rows, counts = self._found()
        if any(tensor is None for row in rows for tensor in row):
            start_state(self.optimizer)
            rows, counts = self._found()
        addresses = [tensor.data_ptr() for row in (*rows, counts) for tensor in row]
        if addresses != self._addresses:
            # held, so that no address is used again
            self._kept, self._addresses = [*rows, counts], addresses
            self._counts = [count.numpy() for count in counts]
            self._copying = None
        return max((int(count) for count in self._counts), default=0)

    def read(self, parameters: NDArray, memory: NDArray, fixed: NDArray) -> None:
        """Copy what was found into the loop's vectors: parameters, optimizer state, the fixed."""
        if self._copying is None or parameters is not self._copied_to:
            self._copied_to = parameters
            self._copying = self._copying_to([parameters, *memory])
        self._copying.there()
        at = 0
        for tensor in self.others:
            fixed[at : at + tensor.numel()] = tensor.detach().numpy().ravel()
            at += tensor.numel()

    def write(self, steps: int) -> None:
        """Copy parameters and optimizer state back, with the number of updates made."""
        assert self._copying is not None
        self._copying.back()
        for count in self._counts:
            count[...] = steps

    def _copying_to(self, vectors: Sequence[NDArray]) -> Copying:
        """Return what copies all tensors to their places in the vectors."""
        *rows, _ = self._kept
        pieces, size = [], vectors[0].itemsize
        # not strict: an optimizer that remembers less leaves the last vectors as they are
        for row, vector in zip(zip(*rows, strict=True), vectors, strict=False):
            at = vector.ctypes.data
            for tensor in row:
                assert tensor.is_contiguous()
                assert tensor.element_size() == size
                pieces.append((tensor.data_ptr(), at, tensor.numel() * size // 4))
                at += tensor.numel() * size
        return Copying(np.array(pieces, np.int64))

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
