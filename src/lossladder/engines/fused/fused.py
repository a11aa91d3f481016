"""Members trained side by side in compiled code, each with its own optimizer, data and state."""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from lossladder import console
from lossladder.cores import core_count
from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk
from lossladder.engines.fused import store, verification
from lossladder.engines.fused.codes import Codes, code_features, code_symbols
from lossladder.engines.fused.kernel import Kernel, aligned
from lossladder.engines.fused.layout import WHOLE, up
from lossladder.engines.fused.loop import Call, MemberState, Sizes, Windows, compiled
from lossladder.engines.fused.operations import Untraceable
from lossladder.engines.fused.readout import CROSS_ENTROPY, HALF_SQUARED, SQUARED
from lossladder.engines.fused.torch_interop import RULES, Member, read_windows
from lossladder.engines.fused.tracing import StepGraph, trace
from lossladder.engines.fused.updates import COUNTING, KNOBS, SGD, knobs_of, rates_of
from lossladder.engines.optimizers import knobs, unsupported_optimizer
from lossladder.engines.population import Population, SingleMember, stack_states, unstack_state
from lossladder.engines.schedules import LearningRateSchedule
from lossladder.engines.stepwise import in_steps, unlike_reason
from lossladder.ladder import CrossEntropy, HalfSquaredError, SquaredError
from lossladder.models import Layers, Network, State
from lossladder.tasks import Task

_LOG = logging.getLogger(__name__)
_LOSSES = {CrossEntropy: CROSS_ENTROPY, HalfSquaredError: HALF_SQUARED, SquaredError: SQUARED}
# kernels that have been held against autograd in this process
_VERIFIED: set[str] = set()
_TRACED: WeakKeyDictionary[Network, StepGraph | Untraceable] = WeakKeyDictionary()


class FusedPopulation(Population):
    """A population in compiled code, as many members at once as there are cores.

    Args:
        networks, task, optimizers, gradient_clip, schedules: as for `Population`; networks are
            alike in everything but the values of their tensors.
        threads: members trained at once; None: as many as there are cores.
    Raises:
        ValueError: if no kernel can be made for a network or an optimizer.
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
        # traced once: members that are alike have one step
        reason = Fused.unsupported_reason(networks[0], task, optimizers[0])
        reason = reason or unlike_reason(networks, optimizers)
        if reason is not None:
            raise ValueError(f"engine=fused does not fit: {reason}; engine=autograd fits all")
        self.dtype = np.dtype(str(next(networks[0].parameters()).dtype).removeprefix("torch."))
        self.targets = np.dtype(np.uint8 if networks[0].output_size <= 256 else np.int64)
        self.rule = RULES[type(optimizers[0])]
        self.threads = threads or core_count()
        self._twins = [in_steps(network) for network in networks]
        self._kernels: dict[bool, Kernel] = {}
        self._members: list[Member] = []
        self._sizes: tuple[Sizes, bool] | None = None
        self._calls: list[Call] = []
        self._kept: dict[int, MemberState] = {}
        self._last_rates: dict[tuple[object, ...], tuple[NDArray, NDArray]] = {}
        # in the kernel's place, should it turn out to be wrong
        self._instead: list[Autograd] = []

    def kernel(self, real: bool) -> Kernel:
        """Return the kernel for real inputs, or for symbols."""
        if real not in self._kernels:
            twin, graph = self._twins[0], _graph(self.networks[0])
            assert isinstance(graph, StepGraph)
            names = [n for n, p in twin.named_parameters() if p.requires_grad]
            loss = _LOSSES[type(self.task.loss)]
            codes = self._codes(real, graph)
            self._kernels[real] = Kernel(graph, codes, names, loss, self.dtype)
            others = [n for n in graph.tensors if n not in names]
            constants = {n: t for n, t in graph.tensors.items() if n.startswith("constant ")}
            self._members = [
                Member(twin, optimizer, [*names, *others], constants)
                for twin, optimizer in zip(self._twins, self.optimizers, strict=True)
            ]
        return self._kernels[real]

    def _codes(self, real: bool, graph: StepGraph) -> Codes:
        """Return what the network sees of an input."""
        if real:
            return code_features(graph.input_size, self.dtype)
        return code_symbols(self.task.encoding.numpy().astype(self.dtype))

    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """Make one update a window for every member; see `Population.train`."""
        if not self._instead:
            self._verify(chunk, state)
        if self._instead:
            return self._train_instead(chunk, state)
        return self._train(chunk, state)

    def _train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        fresh = state is None or not chunk.carried
        if fresh:
            batch_size = chunk.inputs.shape[2]
            state = stack_states([network.initial_state(batch_size) for network in self.networks])
        assert state is not None
        kernel = self.kernel(chunk.inputs.is_floating_point())
        batch, steps = chunk.targets.shape[2:4]
        sizes = kernel.sizes(steps, batch)
        windows = read_windows(chunk, kernel.codes, self.dtype, self.targets, fresh)
        count = chunk.targets.shape[1]
        made = [member.look() for member in self._members]
        factors = [schedule.factors(chunk.first, count) for schedule in self.schedules]
        rates = self._rates(factors, made)
        before = _rows(state)
        learners = [self._learner(m, sizes, before, *own) for m, own in enumerate(rates)]
        self._run(kernel, sizes, windows, learners)
        for member, steps in zip(self._members, made, strict=True):
            member.write(steps + count)
        losses = np.array([learner.losses for learner in learners])
        after = _parts([learner.state for learner in learners], state)
        return torch.from_numpy(losses.astype(self.dtype, copy=False)), after

    def _rates(
        self, factors: Sequence[NDArray[np.float64]], made: Sequence[int]
    ) -> list[tuple[NDArray, NDArray]]:
        """Return each member's constants and rates; those that are alike have one array.

        Args:
            factors: on the learning rate, one an update, of each member.
            made: updates before.
        """
        largest = math.inf if self.gradient_clip is None else float(self.gradient_clip)
        found, keys = {}, []
        for optimizer, own, steps in zip(self.optimizers, factors, made, strict=True):
            values = knobs(optimizer)
            # most chunks have the rates of the one before
            key = values, steps if self.rule in COUNTING else 0, own.tobytes()
            keys.append(key)
            if key in self._last_rates:
                found[key] = self._last_rates[key]
            elif key not in found:
                row = np.array(values)
                constants, rates = knobs_of(row, largest), rates_of(self.rule, row, own, steps)
                # a rate beyond float32 is infinite there, and the run diverges
                with np.errstate(over="ignore"):
                    found[key] = constants.astype(self.dtype), rates.astype(self.dtype)
        self._last_rates = found
        return [found[key] for key in keys]

    def _learner(
        self, m: int, sizes: Sizes, state: list[NDArray], constants: NDArray, rates: NDArray
    ) -> MemberState:
        """Return a member's parameters, optimizer and state, as the kernel sees them.

        Args:
            m: the member.
            sizes: of the windows.
            state: of all members, as from `_rows`.
            constants: of its optimizer.
            rates: what each update needs of its own.
        """
        decays = bool(constants[KNOBS.index("decay")])
        room = self._room(m, sizes, state, len(rates))
        learner = room._replace(knobs=constants, rates=rates, decays=decays)
        learner.memory[:] = 0
        at = 0
        for part in state:
            learner.state[at : at + part.shape[1]] = part[m]
            at += part.shape[1]
        self._members[m].read(learner.parameters, learner.memory, learner.frozen)
        return learner

    def _room(self, m: int, sizes: Sizes, state: list[NDArray], windows: int) -> MemberState:
        """Return a member's arrays, which are kept from chunk to chunk."""
        kept = self._kept.get(m)
        if kept is None or (kept.state.shape[1], kept.losses.size) != (sizes.batch, windows):
            size, dtype = up(sizes.learned, WHOLE), self.dtype
            numbers = sum(part.shape[1] for part in state)
            kept = self._kept[m] = MemberState(
                parameters=aligned((size,), dtype),
                frozen=aligned((sizes.fixed,), dtype),
                memory=aligned((2, size), dtype),
                knobs=np.zeros(0, dtype),
                rates=np.zeros(0, dtype),
                state=aligned((numbers, sizes.batch), dtype),
                losses=aligned((windows,), dtype),
                rule=self.rule,
                decays=False,
                clips=self.gradient_clip is not None,
            )
        return kept

    def _run(
        self, kernel: Kernel, sizes: Sizes, windows: list[Windows], learners: list[MemberState]
    ) -> None:
        """Train each member by the next free thread; compiled code lets go of Python's lock.

        Nothing else is done in the threads: they would wait for that lock more than they win.
        """
        # working memory is kept from chunk to chunk: making it costs a page fault for each page
        which = sizes, windows[0].symbols.size == 0
        if which != self._sizes:
            threads = min(self.threads, len(self.networks))
            self._sizes = which
            plan = kernel.load()
            self._calls = [Call(sizes, kernel.allocate(sizes), plan) for _ in range(threads)]

        # not halves: a core that others use as well would let the other one wait
        waiting = iter(range(len(learners)))

        def train_some(call: Call) -> None:
            for m in waiting:
                call.train(windows[m], learners[m])

        # a pool costs more than a small chunk, and an exception reads better without it
        if len(self._calls) == 1:
            train_some(self._calls[0])
            return
        with ThreadPoolExecutor(len(self._calls)) as pool:
            list(pool.map(train_some, self._calls))

    # --- held against autograd --------------------------------------------------------------------

    def _verify(self, chunk: Chunk, state: State | None) -> None:
        """Compare a kernel's first window with autograd's; train on autograd if they differ."""
        kernel = self.kernel(chunk.inputs.is_floating_point())
        if kernel.digest in _VERIFIED:
            return
        # noted beside the machine code: what was right once is not asked again
        noted = f"{kernel.digest} verified"
        if store.find(noted) is not None:
            _VERIFIED.add(kernel.digest)
            return
        fresh = state is None or not chunk.carried
        part, start = verification.first_window(chunk, None if fresh else state)
        loss, gradients = self._first_gradients(kernel, part, start)
        wrong = verification.disagreement(self._twins[0], self.task, part, start, loss, gradients)
        if wrong is None:
            _VERIFIED.add(kernel.digest)
            store.keep(noted, b"")
            return
        kind = type(self.networks[0].recurrent).__name__
        said = (
            f"the kernel made from {kind} is wrong, and autograd trains instead: {wrong} in the "
            "first window; please report the step"
        )
        console.note(said)
        sizes = ", ".join(f"{n} {tuple(p.shape)}" for n, p in self._twins[0].named_parameters())
        _LOG.error("%s; window %s, parameters %s", said, tuple(part.inputs.shape), sizes)
        members = zip(self.networks, self.optimizers, self.schedules, strict=True)
        self._instead = [
            Autograd(network, self.task, optimizer, self.gradient_clip, schedule=schedule)
            for network, optimizer, schedule in members
        ]

    def _first_gradients(
        self, kernel: Kernel, part: Chunk, start: State | None
    ) -> tuple[float, dict[str, Tensor]]:
        """Return the kernel's loss and gradients of the first member's first window."""
        batch, steps = part.targets.shape[2:4]
        sizes = kernel.sizes(steps, batch)
        state = start or stack_states([self.networks[0].initial_state(batch)])
        # an update that leaves the parameters where they are
        self._members[0].look()
        (own, *_) = self._rates([np.zeros(1)] * len(self.optimizers), [0] * len(self.optimizers))
        learner = self._learner(0, sizes, _rows(state), *own)
        learner = learner._replace(rule=SGD, decays=False, clips=False)
        (windows, *_) = read_windows(part, kernel.codes, self.dtype, self.targets, start is None)
        work = kernel.allocate(sizes)
        Call(sizes, work, kernel.load()).train(windows, learner)
        gradient, at, found = torch.from_numpy(work.gradient), 0, {}
        for name, parameter in self._twins[0].named_parameters():
            if parameter.requires_grad:
                found[name] = gradient[at : at + parameter.numel()].view(parameter.shape)
                at += parameter.numel()
        return float(learner.losses[0]), found

    def _train_instead(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        members = len(self._instead)
        states = [None] * members if state is None else unstack_state(state, members)
        losses, after = [], []
        for m, engine in enumerate(self._instead):
            scored = None if chunk.scored is None else chunk.scored[m]
            own = chunk._replace(inputs=chunk.inputs[m], targets=chunk.targets[m], scored=scored)
            loss, last = engine.train(own, states[m])
            losses.append(loss)
            after.append(last)
        return torch.stack(losses), stack_states(after)


class Fused(SingleMember):
    """A cell's step, differentiated and compiled: forward, backward and update in one loop.

    It takes any `Cell` whose step is plain torch, torch's layers as the cells they are, and layers
    of these; SGD, Adagrad, Adam or AdamW; cross entropy or squared error. Parameters and optimizer
    state stay torch's own, so that a run can go on with another engine after any chunk. See
    docs/engines.md.
    """

    name = "fused"
    population_class = FusedPopulation
    # a window takes some ten microseconds, so that the trainer's cost a chunk needs many of them
    windows_per_chunk = 1000

    def _begin(self) -> None:
        super()._begin()
        graph = _graph(self.network)
        assert isinstance(graph, StepGraph)
        self.step_products = graph.products()

    @staticmethod
    def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Return why network, task and optimizer do not fit; None: they do."""
        # a task may override `losses` itself, of which the kernel would know nothing
        if type(task).losses is not Task.losses or type(task.loss) not in _LOSSES:
            return (
                f"it knows cross entropy and squared error, not the loss of {type(task).__name__}"
            )
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.device.type != "cpu" or tensor.dtype not in (torch.float32, torch.float64):
                where = f"{tensor.dtype} on {tensor.device}"
                return f"it runs on the CPU in float32 or float64, and {name} is {where}"
        trained = network.trained()
        if len({parameter.dtype for parameter in trained}) > 1:
            return "its parameters are all float32 or all float64, and these are both"
        if not all(parameter.is_contiguous() for parameter in trained):
            return "it copies whole tensors, and the numbers of one do not lie side by side"
        if network.output_size < 2 and type(task.loss) is CrossEntropy:
            return "it classifies, and there is one class"
        if isinstance(network.recurrent, Layers) and network.recurrent.dropout > 0:
            return "it draws no random numbers, and this network has dropout between its layers"
        reason = unsupported_optimizer(trained, optimizer)
        graph = _graph(network) if reason is None else None
        return _said(network, graph) if isinstance(graph, Untraceable) else reason

    def prepare(self) -> None:
        """Load the loop and the kernel, or compile them."""
        population = self.population
        assert isinstance(population, FusedPopulation)
        # a task may have sequences of one length only
        steps = self.task.num_steps or 2
        drawn = self.task.draw(torch.Generator().manual_seed(0), batch_size=1, num_steps=steps)
        population.kernel(drawn.inputs.is_floating_point()).load()
        compiled(population.dtype == np.float64, population.targets.itemsize)


def _graph(network: Network) -> StepGraph | Untraceable:
    """Return the graph of a network's step, or why there is none; traced once."""
    if network not in _TRACED:
        try:
            _TRACED[network] = trace(in_steps(network))
        except Untraceable as error:
            _TRACED[network] = error
    return _TRACED[network]


def _said(network: Network, error: Untraceable) -> str:
    instead = f"; write instead: {error.instead}" if error.instead else ""
    return f"the step of {type(network.recurrent).__name__} {error.does}{instead}"


def _rows(state: State) -> list[NDArray]:
    """Return the parts of a state as the kernel has them (members, numbers, batch)."""
    # in the kernel the batch is the last axis, elsewhere the first
    flat = (part.detach().reshape(*part.shape[:2], -1) for part in state)
    return [part.numpy().swapaxes(1, 2) for part in flat]


def _parts(flat: list[NDArray], like: State) -> State:
    """Return states (numbers, batch) of members as torch has them."""
    found, at = [], 0
    for part in like:
        size = math.prod(part.shape[2:])
        cut = np.empty((len(flat), flat[0].shape[1], size), flat[0].dtype)
        for own, rows in zip(cut, flat, strict=True):
            own[:] = rows[at : at + size].T
        found.append(torch.from_numpy(cut.reshape(part.shape)))
        at += size
    return tuple(found)
