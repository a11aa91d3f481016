"""The law of engines: whatever they do inside, a plain loop has the same losses."""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from lossladder.engines import Chunk, Engine
from lossladder.models import LSTM, RNN, Network, Recurrent, RNNByHand, State
from lossladder.tasks import Count, Echo, Parity, Task, WorkedExample
from lossladder.testing.comparison import generator, normal, require, require_equal
from lossladder.testing.networks import named, paired, reached

MakeEngine = Callable[[Network, Task, Optimizer, float | None], Engine]

_WINDOWS, _BATCH, _STEPS = 4, 8, 5

# a stream; independent sequences; some steps are not scored; real targets
TASKS: Sequence[Callable[[], Task]] = (
    partial(Echo, {1: 0.5}),
    partial(Parity, 20),
    partial(Count, _STEPS, mixed_lengths=True),
    WorkedExample,
)


def check_engine(
    engine: MakeEngine,
    *,
    networks: Sequence[Callable[[int, int], Recurrent]] = (
        RNN,
        LSTM,
        partial(RNNByHand, learn_initial_state=True),
    ),
    optimizers: Sequence[Callable[[Iterable[nn.Parameter]], Optimizer]] = (
        # an accumulator of zero would blow the rounding of a gradient of zero up to a step of lr
        partial(Adagrad, lr=0.1, initial_accumulator_value=0.1),
        partial(SGD, lr=0.1, momentum=0.9),
        partial(Adam, lr=0.1),
    ),
    clips: Sequence[float | None] = (None, 0.05),
    tasks: Sequence[Callable[[], Task]] = TASKS,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Check that an engine trains as a textbook's loop does: same start, same data, same losses.

    Losses, state, parameters and what the optimizer keeps are compared after two chunks, of streams
    whose state is carried, of independent sequences, of sequences that are scored in part, and of
    real targets; with and without clipping. Where a chunk is cut changes nothing; no state stands
    for the initial one; what comes back has no history.

    What the engine refuses with a ValueError when it is made is left out; it must not be all of it.

    Args:
        engine: makes one from network, task, optimizer and gradient_clip; a class will do.
        networks: make a recurrent part from input_size and hidden_size. The first is tried with
            every optimizer and clip, the others with the first of them.
        optimizers: make one from parameters.
        clips: largest norms of the gradient; None: no clipping.
        tasks: make what is trained on; by default those named above.
        dtype: of the parameters. Tolerance: 1e-9 in float64, 1e-4 in float32.
    Raises:
        AssertionError: naming network, task, optimizer and clipping; the window, the parameter or
            the part of the state; what came, and what the loop says.
    """
    cases = [(networks[0], optimizer, clip) for optimizer in optimizers for clip in clips]
    cases += [(network, optimizers[0], clips[0]) for network in networks[1:]]
    trained, refused = 0, ""
    with torch.random.fork_rng(devices=[]):
        for task in (make() for make in tasks):
            task.encoding = task.encoding.to(dtype)
            for network, optimizer, clip in cases:
                trial = _Trial(engine, task, network, optimizer, clip, dtype)
                try:
                    begun = trial.begin()
                except ValueError as error:
                    refused = str(error)
                    continue
                trained += 1
                trial.check(*begun)
                if optimizer is optimizers[0] and clip == clips[0]:
                    trial.check_cutting()
                    trial.check_start()
    require(trained > 0, f"the engine refuses whatever it is tried with: {refused}")


class _Trial:
    """One network, task and optimizer, to be trained in several ways from one start.

    Args:
        engine: as in `check_engine`.
        task: draws the data.
        recurrent: makes the network.
        optimizer: makes its optimizer.
        clip: largest norm of the gradient.
        dtype: of the parameters.
    """

    def __init__(
        self,
        engine: MakeEngine,
        task: Task,
        recurrent: Callable[[int, int], Recurrent],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        clip: float | None,
        dtype: torch.dtype,
    ) -> None:
        self.make_engine, self.task, self.make_optimizer, self.clip = engine, task, optimizer, clip
        start = Network(recurrent(task.input_size, 4), task.output_size).double()
        with torch.no_grad():
            for number, parameter in enumerate(start.parameters()):
                parameter.copy_(0.5 * normal(*parameter.shape, seed=number))
        state = reached(start.recurrent, _BATCH)
        self.state = tuple(p.to(dtype) if p.is_floating_point() else p for p in state)
        self.start = start.to(dtype)
        self.tolerance = 1e-9 if dtype == torch.float64 else 1e-4

    def begin(self) -> tuple[Engine, Network, Optimizer]:
        """Return a fresh engine at the start, with its network and its optimizer."""
        network = copy.deepcopy(self.start)
        optimizer = self.make_optimizer(network.trained())
        return self.make_engine(network, self.task, optimizer, self.clip), network, optimizer

    def check(self, engine: Engine, network: Network, optimizer: Optimizer) -> None:
        """Check that two chunks, one after the other, are trained as by the plain loop."""
        twin = copy.deepcopy(self.start)
        own = self.make_optimizer(twin.trained())
        state = expected_state = self.state
        for number in range(2):
            chunk = self.chunk(seed=number)
            losses, state = engine.train(chunk, state)
            self.check_form(losses, state)
            expected, expected_state = self.plain_loop(twin, own, chunk, expected_state)
            if number == 0:
                self.first = expected, expected_state, copy.deepcopy(twin)
            when = f"after {number + 1} chunks, "
            self.equal_course(when, losses, state, network, expected, expected_state, twin)
            self.equal_memory(when, network, optimizer, twin, own)

    def chunk(self, seed: int = 0) -> Chunk:
        """Return windows of the task's sequences; streams carry their state."""
        draw = self.task.draw(generator(10 + seed), _WINDOWS * _BATCH, _STEPS)

        def folded(part: Tensor) -> Tensor:
            return part.unflatten(0, (_WINDOWS, _BATCH))

        scored = None if draw.scored is None else folded(draw.scored)
        return Chunk(folded(draw.inputs), folded(draw.targets), scored, self.task.streams)

    def plain_loop(
        self, network: Network, optimizer: Optimizer, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, " windows"], State]:
        """Train by truncated back-propagation, written as in a textbook; see `Engine.train`."""
        parameters, losses = network.trained(), []
        after = network.initial_state(_BATCH) if state is None else state
        for window in range(len(chunk.inputs)):
            if not chunk.carried:
                after = network.initial_state(_BATCH)
            logits, after = network(self.task.features(chunk.inputs[window]), after)
            targets = chunk.targets[window]
            if targets.is_floating_point():
                surprise = ((torch.sigmoid(logits) - targets) ** 2).sum(dim=-1) / 2
            else:
                logs = torch.log_softmax(logits, dim=-1)
                surprise = -logs.gather(-1, targets.long()[..., None])[..., 0]
            scored = slice(None) if chunk.scored is None else chunk.scored[window]
            loss = surprise[scored].mean()
            gradients = torch.autograd.grad(
                loss, parameters, allow_unused=True, materialize_grads=True
            )
            norm = float(sum((gradient**2).sum() for gradient in gradients)) ** 0.5
            shrunk = 1.0 if self.clip is None else min(1.0, self.clip / (norm + 1e-6))  # torch's
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient * shrunk
            optimizer.step()
            after = tuple(part.detach() for part in after)  # the gradient stops here
            losses.append(loss.detach())
        return torch.stack(losses), after

    def check_form(self, losses: Tensor, state: State) -> None:
        """Check for one loss a window, a state of the same shapes, and no history."""
        require(
            losses.shape == (_WINDOWS,),
            f"{self.name}: losses have shape {tuple(losses.shape)} for {_WINDOWS} windows",
        )
        shapes = [[tuple(part.shape) for part in parts] for parts in (self.state, state)]
        require(
            shapes[0] == shapes[1],
            f"{self.name}: a state of shapes {shapes[0]} becomes one of {shapes[1]}",
        )
        for name, part in (("losses", losses), *named(state)):
            require(
                not part.requires_grad, f"{self.name}: {name} come back with a history; detach them"
            )

    def check_cutting(self) -> None:
        """Check that it changes nothing where a chunk is cut."""
        engine, network, _ = self.begin()
        chunk, state, pieces = self.chunk(), self.state, []
        for windows in (slice(0, 1), slice(1, 3), slice(3, None)):
            scored = None if chunk.scored is None else chunk.scored[windows]
            some = Chunk(chunk.inputs[windows], chunk.targets[windows], scored, chunk.carried)
            losses, state = engine.train(some, state)
            pieces.append(losses)
        when = "cut before the windows 1 and 3, "
        self.equal_course(when, torch.cat(pieces), state, network, *self.first)

    def check_start(self) -> None:
        """Check that no state stands for the initial one, which is learned where it can be."""
        # independent sequences start every window from it, and have shown it already
        if not self.task.streams:
            return
        engine, network, _ = self.begin()
        twin, chunk = copy.deepcopy(self.start), self.chunk()
        losses, state = engine.train(chunk, None)
        expected = self.plain_loop(twin, self.make_optimizer(twin.trained()), chunk, None)
        self.equal_course("without a state, ", losses, state, network, *expected, twin)

    def equal_course(
        self,
        when: str,
        losses: Tensor,
        state: State,
        network: Network,
        expected: Tensor,
        expected_state: State,
        twin: Network,
    ) -> None:
        """Check that losses, state and parameters are those of the plain loop."""
        self.equal(f"{when}loss", losses, expected, ("window",))
        for name, one, other in paired(state, expected_state):
            self.equal(f"{when}{name}", one, other)
        parameters = dict(twin.named_parameters())
        for name, parameter in network.named_parameters():
            self.equal(f"{when}parameter {name!r}", parameter, parameters[name])

    def equal_memory(
        self, when: str, ours: Network, optimizer: Optimizer, theirs: Network, own: Optimizer
    ) -> None:
        """Check that optimizers keep the same, so that a run can go on with another engine."""
        expected = dict(theirs.named_parameters())
        for name, parameter in ours.named_parameters():
            kept = optimizer.state.get(parameter, {})
            for key, value in own.state.get(expected[name], {}).items():
                if isinstance(value, Tensor):
                    what = f"{when}the optimizer's {key!r} of parameter {name!r}"
                    require(isinstance(kept.get(key), Tensor), f"{self.name}: {what} is missing")
                    self.equal(what, kept[key], value)

    def equal(self, what: str, ours: Tensor, expected: Tensor, axes: tuple[str, ...] = ()) -> None:
        """Check that two tensors are the same up to rounding."""
        pair = ours, "by the engine", expected, "in a plain loop"
        require_equal(f"{self.name}: {what}", *pair, axes, tolerance=self.tolerance)

    @property
    def name(self) -> str:
        """Return what was tried, for messages."""
        kinds = self.start.recurrent, self.task, self.make_optimizer(self.start.trained())
        network, task, optimizer = (type(part).__name__ for part in kinds)
        clipped = "" if self.clip is None else f", gradient_clip={self.clip:g}"
        return f"{network} on {task} with {optimizer}{clipped}"
