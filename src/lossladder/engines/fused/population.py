"""Members trained side by side: each has its own network, optimizer, data and state."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from lossladder.engines import optimizer_state
from lossladder.engines.engine import Chunk
from lossladder.engines.fused.cells import CELLS
from lossladder.engines.fused.codes import Codes, code_features, code_symbols
from lossladder.engines.fused.kernel import Learners, Windows, train
from lossladder.engines.fused.members import CELLS as KINDS
from lossladder.engines.fused.members import RULES, Member, kind, places, why_not
from lossladder.engines.fused.work import Sizes, Work, allocate, parameter_count
from lossladder.engines.population import Population, stack_states
from lossladder.models import Network, State
from lossladder.tasks import Task


class FusedPopulation(Population):
    """Members in compiled code, as many at once as there are cores.

    Args:
        networks: trained in place.
        task: says what the network sees of a symbol; its loss must be the cross entropy.
        optimizers: of the networks, in order.
        gradient_clip: largest norm of a network's gradient; None: no clipping.
        threads: members trained at once; None: as many as there are cores.
    Raises:
        ValueError: if the kernel does not fit a network or an optimizer.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        task: Task,
        optimizers: Sequence[Optimizer],
        gradient_clip: float | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(networks, task, optimizers, gradient_clip)
        pairs = list(zip(networks, optimizers, strict=True))
        for network, optimizer in pairs:
            reason = why_not(network, task, optimizer)
            if reason is None and kind(network, optimizer) != kind(*pairs[0]):
                reason = "members must be alike in cell, sizes, precision and kind of optimizer"
            if reason is not None:
                raise ValueError(f"engine=fused does not fit: {reason}; engine=autograd fits all")
        self.members = [Member(network, optimizer) for network, optimizer in pairs]
        self.rule = RULES[type(optimizers[0])]
        parameter = next(networks[0].parameters())
        self.dtype = parameter.detach().numpy().dtype
        self.threads = threads or len(os.sched_getaffinity(0))
        self._sizes: Sizes | None = None
        self._works: SimpleQueue[Work] = SimpleQueue()

    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """One update a window for every member; see `Population.train`."""
        if state is None:
            batch_size = chunk.inputs.shape[2]
            state = stack_states(
                [member.network.initial_state(batch_size) for member in self.members]
            )
        windows, sizes = _windows(chunk, self.task, self.members[0].network, self.dtype)
        learners = self._learners(windows, sizes, state)
        self._make_room(sizes)

        def train_one(member: int) -> None:
            work = self._works.get()
            train(CELLS[sizes.cell], sizes, work, windows, learners, member)
            self._works.put(work)

        self._run(train_one)
        for m, member in enumerate(self.members):
            member.write(learners.parameters[m], learners.memory[m], int(learners.steps[m]))
        parts = learners.state.swapaxes(0, 1)
        after = tuple(torch.from_numpy(part.swapaxes(-1, -2).copy()) for part in parts)
        return torch.from_numpy(learners.losses).to(state[0].dtype), after

    def _learners(self, windows: Windows, sizes: Sizes, state: State) -> Learners:
        """The members' parameters, optimizers and states, as the kernel sees them."""
        count, parameters = len(self.members), parameter_count(sizes)
        learners = Learners(
            parameters=np.empty((count, parameters), self.dtype),
            memory=np.zeros((count, 2, parameters), self.dtype),
            knobs=np.array([optimizer_state.knobs(o) for o in self.optimizers]),
            steps=np.array([optimizer_state.steps_made(o) for o in self.optimizers], np.int64),
            state=_batch_last(state),
            losses=np.zeros((count, windows.targets.shape[1])),
            rule=self.rule,
            largest=math.inf if self.gradient_clip is None else float(self.gradient_clip),
        )
        for m, member in enumerate(self.members):
            member.read(learners.parameters[m], learners.memory[m])
        return learners

    def _make_room(self, sizes: Sizes) -> None:
        """Working memory for each thread, kept from chunk to chunk."""
        if sizes != self._sizes:
            self._sizes, self._works = sizes, SimpleQueue()
            for _ in range(min(self.threads, len(self.members))):
                self._works.put(allocate(sizes, self.dtype))

    def _run(self, train_one: Callable[[int], None]) -> None:
        if len(self.members) == 1 or self.threads == 1:
            for member in range(len(self.members)):
                train_one(member)
            return
        with ThreadPoolExecutor(self.threads) as pool:  # compiled code lets go of Python's lock
            list(pool.map(train_one, range(len(self.members))))


def _batch_last(state: State) -> NDArray:
    """(members, parts, hidden, batch), in C order: the kernel is compiled for no other."""
    parts = [part.detach().numpy().swapaxes(-1, -2) for part in state]
    return np.ascontiguousarray(np.stack(parts, axis=1))


def _windows(chunk: Chunk, task: Task, network: Network, dtype: np.dtype) -> tuple[Windows, Sizes]:
    """The chunk as the kernel sees it, and its sizes."""
    inputs = network.recurrent.input_size
    if chunk.inputs.is_floating_point():
        codes = code_features(inputs, dtype)
        symbols = np.zeros((0, 0, 0, 0), np.uint8)
        features = _contiguous(chunk.inputs.permute(0, 1, 3, 4, 2)).astype(dtype, copy=False)
    else:
        codes = code_symbols(task.encoding.numpy().astype(dtype))
        symbols = _contiguous(chunk.inputs.transpose(-1, -2)).astype(np.uint8, copy=False)
        features = np.zeros((0, 0, 0, 0, 0), dtype)
    few = network.readout.out_features <= 256
    targets = _contiguous(chunk.targets.transpose(-1, -2))
    if chunk.scored is None:
        scored = np.zeros((0, 0, 0, 0), np.bool_)
    else:
        scored = _contiguous(chunk.scored.transpose(-1, -2))
    windows = Windows(
        symbols=symbols,
        features=features,
        targets=targets.astype(np.uint8 if few else np.int64, copy=False),
        scored=scored,
        codes=codes.table,
        base=codes.base,
        directions=codes.directions,
        carried=chunk.carried,
    )
    return windows, _sizes(network, codes, targets)


def _sizes(network: Network, codes: Codes, targets: NDArray) -> Sizes:
    return Sizes(
        cell=KINDS[type(network.recurrent)],
        inputs=network.recurrent.input_size,
        codes=codes.table.shape[1],
        hidden=network.recurrent.hidden_size,
        classes=network.readout.out_features,
        biases=len(places(network)) - 4,
        steps=targets.shape[2],
        batch=targets.shape[3],
    )


def _contiguous(tensor: Tensor) -> NDArray:
    """As an array in C order; a view where the storage is time-major already."""
    return tensor.detach().contiguous().numpy()
