"""Members trained side by side: each has its own network, optimizer, data and state."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from lossladder.cores import core_count
from lossladder.engines import optimizer_state
from lossladder.engines.engine import Chunk
from lossladder.engines.fused.cells import CELLS
from lossladder.engines.fused.compilation import compile_now, compiled, variant
from lossladder.engines.fused.kernel import MemberState, Windows, train
from lossladder.engines.fused.torch_interop import CELLS as KINDS
from lossladder.engines.fused.torch_interop import (
    RULES,
    Codes,
    Member,
    code_features,
    code_symbols,
    kind,
    places,
    unsupported_reason,
)
from lossladder.engines.fused.workspace import Sizes, Work, aligned, allocate, parameter_count
from lossladder.engines.population import Population, SingleMember, stack_states
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
            reason = unsupported_reason(network, task, optimizer)
            if reason is None and kind(network, optimizer) != kind(*pairs[0]):
                reason = "members must be alike in cell, sizes, precision and kind of optimizer"
            if reason is not None:
                raise ValueError(f"engine=fused does not fit: {reason}; engine=autograd fits all")
        self.members = [Member(network, optimizer) for network, optimizer in pairs]
        self.rule = RULES[type(optimizers[0])]
        parameter = next(networks[0].parameters())
        self.dtype = parameter.detach().numpy().dtype
        self.threads = threads or core_count()
        self._sizes: Sizes | None = None
        self._works: list[Work] = []

    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """One update a window for every member; see `Population.train`."""
        if state is None or not chunk.carried:
            batch_size = chunk.inputs.shape[2]
            state = stack_states(
                [member.network.initial_state(batch_size) for member in self.members]
            )
        codes = _codes(chunk, self.task, self.members[0].network, self.dtype)
        sizes = _sizes(self.members[0].network, codes, chunk)
        members = range(len(self.members))
        windows = [_windows(chunk, m, codes, self.dtype, sizes.classes) for m in members]
        learners = [self._learner(m, sizes, state, chunk.targets.shape[1]) for m in members]
        self._run(sizes, windows, learners)
        for member, learner in zip(self.members, learners, strict=True):
            member.write(learner.parameters, learner.memory, int(learner.steps[0]))
        losses = np.stack([learner.losses for learner in learners])
        parts = np.stack([learner.state for learner in learners], axis=1).swapaxes(-1, -2)
        after = tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        return torch.from_numpy(losses).to(state[0].dtype), after

    def _learner(self, m: int, sizes: Sizes, state: State, windows: int) -> MemberState:
        """A member's parameters, optimizer and state, as the kernel sees them."""
        optimizer, parameters = self.optimizers[m], parameter_count(sizes)
        learner = MemberState(
            parameters=aligned((parameters,), self.dtype),
            memory=aligned((2, parameters), self.dtype),
            knobs=np.array(optimizer_state.knobs(optimizer)),
            steps=aligned((1,), np.int64),
            state=aligned((len(state), sizes.hidden, sizes.batch), self.dtype),
            losses=aligned((windows,), np.float64),
            rule=self.rule,
            largest=math.inf if self.gradient_clip is None else float(self.gradient_clip),
        )
        learner.steps[0] = optimizer_state.steps_made(optimizer)
        for part, before in zip(learner.state, state, strict=True):
            part[:] = before[m].detach().numpy().T
        self.members[m].read(learner.parameters, learner.memory)
        return learner

    def _run(self, sizes: Sizes, windows: list[Windows], learners: list[MemberState]) -> None:
        """A share of the members for each thread; compiled code lets go of Python's lock.

        Nothing else is done in the threads: they would wait for that lock more than they win.
        """
        if sizes != self._sizes:  # working memory is kept from chunk to chunk
            shares = min(self.threads, len(self.members))
            self._sizes, self._works = sizes, [allocate(sizes, self.dtype) for _ in range(shares)]

        def train_share(first: int) -> None:
            for m in range(first, len(learners), len(self._works)):
                train(CELLS[sizes.cell], sizes, self._works[first], windows[m], learners[m])

        if len(self._works) == 1:
            train_share(0)
            return
        with ThreadPoolExecutor(len(self._works)) as pool:
            list(pool.map(train_share, range(len(self._works))))


class Fused(SingleMember):
    """Forward, back-propagation through time and update, written out and compiled for the CPU.

    For the tanh RNN, the LSTM and the GRU with SGD, Adagrad or Adam. Parameters and optimizer state
    stay torch's own, so that a run can go on with another engine after any chunk. The task's loss
    must be the cross entropy.
    """

    name = "fused"
    population_class = FusedPopulation
    windows_per_chunk = 1000

    @property
    def waits_for(self) -> str | None:
        """Compiling takes noticeable time, the first time on a machine."""
        return None if compiled(variant(self.network)) else "compiling the kernel, once"

    @staticmethod
    def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Why this network, task and optimizer do not fit; None: they do."""
        return unsupported_reason(network, task, optimizer)

    def prepare(self) -> None:
        """Load the kernel, or compile it."""
        compile_now(variant(self.network))


def _codes(chunk: Chunk, task: Task, network: Network, dtype: np.dtype) -> Codes:
    """What the network sees of an input."""
    if chunk.inputs.is_floating_point():
        return code_features(network.recurrent.input_size, dtype)
    return code_symbols(task.encoding.numpy().astype(dtype))


def _windows(chunk: Chunk, m: int, codes: Codes, dtype: np.dtype, classes: int) -> Windows:
    """A member's part of the chunk, as the kernel sees it."""
    symbols, features = np.zeros((0, 0, 0), np.uint8), np.zeros((0, 0, 0, 0), dtype)
    if chunk.inputs.is_floating_point():
        features = _contiguous(chunk.inputs[m].permute(0, 2, 3, 1)).astype(dtype, copy=False)
    else:
        symbols = _contiguous(chunk.inputs[m].mT).astype(np.uint8, copy=False)
    scored = np.zeros((0, 0, 0), np.bool_)
    if chunk.scored is not None:
        scored = _contiguous(chunk.scored[m].mT)
    few = np.uint8 if classes <= 256 else np.int64
    return Windows(
        symbols=symbols,
        features=features,
        targets=_contiguous(chunk.targets[m].mT).astype(few, copy=False),
        scored=scored,
        codes=codes.table,
        base=codes.base,
        directions=codes.directions,
        carried=chunk.carried,
    )


def _sizes(network: Network, codes: Codes, chunk: Chunk) -> Sizes:
    batch, steps = chunk.targets.shape[2:]
    return Sizes(
        cell=KINDS[type(network.recurrent)],
        inputs=network.recurrent.input_size,
        codes=codes.table.shape[1],
        hidden=network.recurrent.hidden_size,
        classes=network.readout.out_features,
        biases=len(places(network)) - 4,
        steps=steps,
        batch=batch,
    )


def _contiguous(tensor: Tensor) -> NDArray:
    """As an array in C order; a view where the storage is time-major already."""
    return tensor.detach().contiguous().numpy()
