"""Members trained side by side in compiled code, each with its own optimizer, data and state."""

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
from lossladder.engines.engine import Chunk
from lossladder.engines.fused.cells import CELLS
from lossladder.engines.fused.compilation import Variant, compile_now, compiled, variant
from lossladder.engines.fused.kernel import MemberState, Windows, train
from lossladder.engines.fused.torch_interop import (
    KINDS,
    RULES,
    Codes,
    Member,
    code_features,
    code_symbols,
    kind,
    places,
)
from lossladder.engines.fused.workspace import Sizes, Work, aligned, allocate, parameter_count
from lossladder.engines.optimizers import knobs, steps_made, unsupported_optimizer
from lossladder.engines.population import Population, SingleMember, stack_states
from lossladder.engines.schedules import LearningRateSchedule
from lossladder.ladder import CrossEntropy
from lossladder.models import Layers, Network, State
from lossladder.tasks import Task


class FusedPopulation(Population):
    """A population in compiled code, as many members at once as there are cores.

    Args:
        networks, task, optimizers, gradient_clip, schedules: as for `Population`; the task's loss
            must be the cross entropy.
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
        schedules: Sequence[LearningRateSchedule] | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(networks, task, optimizers, gradient_clip, schedules)
        for network, optimizer in zip(networks, optimizers, strict=True):
            reason = Fused.unsupported_reason(network, task, optimizer)
            if reason is None and kind(network, optimizer) != kind(networks[0], optimizers[0]):
                reason = "members must be alike in cell, sizes, precision and kind of optimizer"
            if reason is not None:
                raise ValueError(f"engine=fused does not fit: {reason}; engine=autograd fits all")
        self.members = list(map(Member, networks, optimizers))
        self.rule = RULES[type(optimizers[0])]
        self.variant = variant(networks[0])
        self.threads = threads or core_count()
        self._sizes: Sizes | None = None
        self._works: list[Work] = []

    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """Make one update a window for every member; see `Population.train`."""
        if state is None or not chunk.carried:
            batch_size = chunk.inputs.shape[2]
            state = stack_states([network.initial_state(batch_size) for network in self.networks])
        network = self.networks[0]
        codes = _codes(chunk, self.task, network, self.variant)
        sizes = _sizes(network, codes, chunk)
        members = range(len(self.networks))
        windows = [_windows(chunk, m, codes, self.variant) for m in members]
        learners = [self._learner(m, sizes, state, chunk) for m in members]
        self._run(sizes, windows, learners)
        for member, learner in zip(self.members, learners, strict=True):
            member.write(learner.parameters, learner.memory, int(learner.steps[0]))
        losses = np.stack([learner.losses for learner in learners])
        # in the kernel the batch is the last axis, elsewhere the first
        parts = np.stack([learner.state for learner in learners], axis=1).swapaxes(-1, -2)
        after = tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        return torch.from_numpy(losses).to(state[0].dtype), after

    def _learner(self, m: int, sizes: Sizes, state: State, chunk: Chunk) -> MemberState:
        """Return a member's parameters, optimizer and state, as the kernel sees them."""
        optimizer, dtype = self.optimizers[m], self.variant.dtype
        windows, own = chunk.targets.shape[1], np.array(knobs(optimizer))
        parameters = parameter_count(sizes)
        learner = MemberState(
            parameters=aligned((parameters,), dtype),
            memory=aligned((2, parameters), dtype),
            knobs=own,
            rates=own[0] * self.schedules[m].factors(chunk.first, windows),
            steps=aligned((1,), np.int64),
            state=aligned((len(state), sizes.hidden, sizes.batch), dtype),
            losses=aligned((windows,), np.float64),
            rule=self.rule,
            largest=math.inf if self.gradient_clip is None else float(self.gradient_clip),
        )
        learner.steps[0] = steps_made(optimizer)
        for part, before in zip(learner.state, state, strict=True):
            part[:] = before[m].detach().numpy().T
        self.members[m].read(learner.parameters, learner.memory)
        return learner

    def _run(self, sizes: Sizes, windows: list[Windows], learners: list[MemberState]) -> None:
        """Train a share of the members in each thread; compiled code lets go of Python's lock.

        Nothing else is done in the threads: they would wait for that lock more than they win.
        """
        # working memory is kept from chunk to chunk: making it costs a page fault for each page
        if sizes != self._sizes:
            shares = min(self.threads, len(self.networks))
            self._sizes = sizes
            self._works = [allocate(sizes, self.variant.dtype) for _ in range(shares)]

        def train_share(first: int) -> None:
            for m in range(first, len(learners), len(self._works)):
                train(CELLS[sizes.cell], sizes, self._works[first], windows[m], learners[m])

        # a pool costs more than a small chunk, and an exception reads better without it
        if len(self._works) == 1:
            train_share(0)
            return
        with ThreadPoolExecutor(len(self._works)) as pool:
            list(pool.map(train_share, range(len(self._works))))


class Fused(SingleMember):
    """Forward, back-propagation through time and update, written out and compiled for the CPU.

    It trains the tanh RNN, the LSTM and the GRU with SGD, Adagrad, Adam or AdamW. Parameters and
    optimizer state stay torch's own, so that a run can go on with another engine after any chunk.
    The task's loss must be the cross entropy.
    """

    name = "fused"
    population_class = FusedPopulation
    # a window takes some ten microseconds, so that the trainer's cost a chunk needs many of them
    windows_per_chunk = 1000

    @property
    def waits_for(self) -> str | None:
        """Return that it waits for the compiler, which happens once on a machine."""
        return None if compiled(variant(self.network)) else "compiling the kernel, once"

    @staticmethod
    def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Return why network, task and optimizer do not fit; None: they do."""
        # without it, `train` is the plain function it was made from
        if not hasattr(train, "overloads"):
            return "Numba's compiler is switched off by NUMBA_DISABLE_JIT"
        # a task may override `losses` itself, of which the kernel would know nothing
        if type(task).losses is not Task.losses or type(task.loss) is not CrossEntropy:
            return f"it knows the cross entropy, and {type(task).__name__} has a loss of its own"
        if network.recurrent.learns_initial_state:
            return "it starts every sequence from zeros, and this network learns its initial state"
        if isinstance(network.recurrent, Layers) and network.recurrent.dropout > 0:
            return "it draws no random numbers, and this network has dropout between its layers"
        if type(network.recurrent) not in KINDS:
            known = ", ".join(sorted({kind.__name__ for kind in KINDS}))
            return f"it knows {known}, not {type(network.recurrent).__name__}"
        for parameter in network.parameters():
            device, dtype = parameter.device, parameter.dtype
            if device.type != "cpu" or dtype not in (torch.float32, torch.float64):
                return f"it runs on the CPU in float32 or float64, not {dtype} on {device}"
            if not parameter.requires_grad:
                return "it trains all parameters, and some are frozen"
        if network.readout.out_features < 2:
            return "it classifies, and there is one class"
        return unsupported_optimizer(list(network.parameters()), optimizer)

    def prepare(self) -> None:
        """Load the kernel, or compile it."""
        compile_now(variant(self.network))


def _codes(chunk: Chunk, task: Task, network: Network, wanted: Variant) -> Codes:
    """Return what the network sees of an input."""
    if chunk.inputs.is_floating_point():
        return code_features(network.recurrent.input_size, wanted.dtype)
    return code_symbols(task.encoding.numpy().astype(wanted.dtype))


def _windows(chunk: Chunk, m: int, codes: Codes, wanted: Variant) -> Windows:
    """Return a member's part of the chunk, as the kernel sees it."""
    # what there is none of is an empty array: compiled code wants one type for both cases
    symbols, features = np.zeros((0, 0, 0), np.uint8), np.zeros((0, 0, 0, 0), wanted.dtype)
    if chunk.inputs.is_floating_point():
        features = _contiguous(chunk.inputs[m].permute(0, 2, 3, 1)).astype(wanted.dtype, copy=False)
    else:
        symbols = _contiguous(chunk.inputs[m].mT).astype(np.uint8, copy=False)
    scored = np.zeros((0, 0, 0), np.bool_)
    if chunk.scored is not None:
        scored = _contiguous(chunk.scored[m].mT)
    return Windows(
        symbols=symbols,
        features=features,
        targets=_contiguous(chunk.targets[m].mT).astype(wanted.targets, copy=False),
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
        # all but the two weights and the readout's two places
        biases=len(places(network)) - 4,
        steps=steps,
        batch=batch,
    )


def _contiguous(tensor: Tensor) -> NDArray:
    """Return an array in C order; a view where the storage is time-major already."""
    return tensor.detach().contiguous().numpy()
