"""Stacked: one operation for all members, with torch.func to map the network over their axis.

What a small network costs in torch is mostly the operations themselves, not their arithmetic; a
stack of members pays for each operation once. Fits any network that is a function of its
parameters, its inputs and its state, on any device.

On the CPU 64 members of four hidden units share a core at five to seven times the updates a second
of one alone; with 16 units at two to three times, because then arithmetic is what costs. Tried and
left out: replaying a traced graph of the operations (a tenth faster, but a cell's branches freeze)
and torch.compile of that graph (a quarter faster, after more than a minute). No accelerator has
been measured: CUDA graphs would pay there first.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Shaped
from torch import Generator, Tensor
from torch.func import functional_call
from torch.optim import Optimizer

from lossladder import checks
from lossladder.engines.engine import Chunk, detached
from lossladder.engines.optimizers import (
    clip_rows,
    read_rows,
    unsupported_optimizer,
    update_rows,
    write_rows,
)
from lossladder.engines.population import Population, SingleMember
from lossladder.engines.schedules import LearningRateSchedule
from lossladder.engines.stepwise import in_steps, unlike_reason
from lossladder.models import Network, State
from lossladder.tasks import Task
from lossladder.tasks.task import mean_over_scored

# numbers in the states of members trained at once: half or twice as many are a few percent slower
_STATE_OF_ALL = 100_000


class Stacked(Population):
    """A population with all members in one call of each operation.

    Args:
        networks, task, optimizers, gradient_clip, schedules: as for `Population`; networks are
            alike in everything but the values of their tensors.
        at_once: members in one call; more of them share its cost, but leave the cache. None: as
            many as measured best on a CPU; on an accelerator all of them.
    Raises:
        ValueError: if a network or optimizer does not fit, or members are not alike.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        task: Task,
        optimizers: Sequence[Optimizer],
        gradient_clip: float | None = None,
        schedules: Sequence[LearningRateSchedule] | None = None,
        at_once: int | None = None,
    ) -> None:
        super().__init__(networks, task, optimizers, gradient_clip, schedules)
        self.at_once = None if at_once is None else checks.whole("at_once", at_once)
        reason = StackedEngine.unsupported_reason(networks[0], task, optimizers[0])
        reason = reason or unlike_reason(networks, optimizers)
        if reason is not None:
            raise ValueError(f"engine=stacked does not fit: {reason}; engine=autograd fits all")
        self.networks = [in_steps(network) for network in networks]
        named = self.networks[0].named_parameters()
        self._shapes = {name: p.shape for name, p in named if p.requires_grad}

    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """Make one update a window for every member; see `Population.train`."""
        losses, states = [], []
        at_once = self.at_once or self._best_at_once(chunk)
        for first in range(0, len(self.networks), at_once):
            some = slice(first, first + at_once)
            scored = None if chunk.scored is None else chunk.scored[some]
            part = chunk._replace(
                inputs=chunk.inputs[some], targets=chunk.targets[some], scored=scored
            )
            start = None if state is None else tuple(tensor[some] for tensor in state)
            loss, after = self._train(some, part, start)
            losses.append(loss)
            states.append(after)
        return torch.cat(losses), tuple(map(torch.cat, zip(*states, strict=True)))

    def _best_at_once(self, chunk: Chunk) -> int:
        """Return how many members to train at once, so that their states stay in the cache."""
        if chunk.inputs.device.type != "cpu":
            return len(self.networks)
        one_sequence = self.networks[0].initial_state(batch_size=1)
        largest = max((part.numel() for part in one_sequence), default=1)
        return max(8, _STATE_OF_ALL // (chunk.inputs.shape[2] * largest))

    def _train(
        self, some: slice, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """Train some of the members on their whole chunks."""
        networks, optimizers = self.networks[some], self.optimizers[some]
        # copied here and back once a chunk: torch's tensors lie apart, an operation wants one block
        rows, constants = read_rows(networks, optimizers), _constants(networks)
        rows.parameters.requires_grad_()
        own, factors = rows.lr, self._factors(some, chunk).to(rows.lr.device)
        losses, after = [], ()
        start = detached(state) if chunk.carried and state is not None else None
        for window in range(chunk.inputs.shape[1]):
            scored = None if chunk.scored is None else chunk.scored[:, window]
            inputs = self.task.features(chunk.inputs[:, window])
            given = inputs, chunk.targets[:, window], scored, start
            # what is None has no member axis to map over
            axes = tuple(None if part is None else 0 for part in given)
            # dropout takes other hiddens of each member, as it would if they were alone
            of_all = torch.vmap(self._loss, in_dims=(0, 0, *axes), randomness="different")
            loss, after = of_all(rows.parameters, constants, *given)
            # one member's loss depends on no other's parameters: the sum's gradient is everybody's
            (gradient,) = torch.autograd.grad(loss.sum(), rows.parameters)
            if self.gradient_clip is not None:
                gradient = clip_rows(gradient, self.gradient_clip)
            rows.lr = own * factors[:, window, None]
            update_rows(rows, gradient, type(optimizers[0]))
            after = detached(after)
            start = after if chunk.carried else None
            losses.append(loss.detach())
        write_rows(rows, networks, optimizers)
        return torch.stack(losses, dim=1), after

    def _factors(self, some: slice, chunk: Chunk) -> Float64[Tensor, "members windows"]:
        """Return what the schedules of some members make of their rates."""
        count = chunk.inputs.shape[1]
        factors = [schedule.factors(chunk.first, count) for schedule in self.schedules[some]]
        return torch.from_numpy(np.stack(factors))

    def _loss(
        self,
        row: Float[Tensor, " size"],
        constants: dict[str, Tensor],
        inputs: Float[Tensor, "batch time input"],
        targets: Shaped[Tensor, "batch time *output"],
        scored: Bool[Tensor, "batch time"] | None,
        state: State | None,
    ) -> tuple[Float[Tensor, ""], State]:
        """Return a member's loss of a window, and its state after it; no state: the initial one."""
        parts = row.split([shape.numel() for shape in self._shapes.values()])
        named = zip(self._shapes.items(), parts, strict=True)
        parameters = {name: part.view(shape) for (name, shape), part in named}
        tensors = {**parameters, **constants}
        logits, after = functional_call(self.networks[0], tensors, (inputs, state))
        return mean_over_scored(self.task.losses(logits, targets), scored), after


class StackedEngine(SingleMember):
    """An engine made of a stack of one member; `Stacked` trains many at once."""

    name = "stacked"
    population_class = Stacked

    @staticmethod
    def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Return why network, task and optimizer do not fit; None: they do."""
        reason = unsupported_optimizer(network.trained(), optimizer)
        return reason or _unmappable_reason(in_steps(network), task)


def _unmappable_reason(network: Network, task: Task) -> str | None:
    """Return why torch cannot map a network over members: it is tried, on two steps."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    member = {name: tensor.detach()[None].clone() for name, tensor in tensors.items()}
    # torch counts the changes of a tensor in place
    before = {name: tensor._version for name, tensor in member.items()}
    device = next(iter(member.values())).device
    # a task may have sequences of one length only
    draw = task.draw(Generator().manual_seed(0), batch_size=1, num_steps=task.num_steps or 2)
    inputs, targets = (
        part[:, :2].to(device) for part in (task.features(draw.inputs), draw.targets)
    )

    def losses(held: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        logits, _ = functional_call(network, held, (inputs,))
        return task.losses(logits, targets)

    name = type(network.recurrent).__name__
    try:
        # it was only asked: what a network draws from torch on the way is as if it had not been
        with torch.random.fork_rng(devices=()):
            torch.vmap(losses, randomness="different")(member, inputs[None], targets[None])
    # anything may go wrong in there; a fault of the network's own shows again when it trains alone
    except Exception as error:
        return f"torch cannot map {name} over members: {str(error).splitlines()[0]}"
    if any(tensor._version != before[key] for key, tensor in member.items()):
        return f"{name} changes on the way; a network must be a function of what it is given"
    return None


def _constants(networks: Sequence[Network]) -> dict[str, Tensor]:
    """Return frozen parameters and buffers, stacked: each member's own, and never changed."""
    members = []
    for network in networks:
        frozen = {name: p for name, p in network.named_parameters() if not p.requires_grad}
        members.append({**frozen, **dict(network.named_buffers())})
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}
