"""The promise of a population: members trained side by side, each as if it were alone."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from lossladder.engines.engine import Chunk, Engine
from lossladder.engines.schedules import ConstantRate, LearningRateSchedule
from lossladder.models import Network, State
from lossladder.tasks import Task


class Population(ABC):
    """Networks of one shape, each with its own weights, optimizer, learning rate, data and state.

    Args:
        networks: trained in place.
        task: owns the loss.
        optimizers: of the networks, in order, all of one kind; their state stays torch's own.
        gradient_clip: largest norm of a member's gradient; None: no clipping.
        schedules: factors on the rates of the optimizers, in order; None: they stay as they are.
    Raises:
        ValueError: if there is no member, or not one optimizer and schedule for each.
    """

    threads = 1  # members trained at the same moment, where the population can

    def __init__(
        self,
        networks: Sequence[Network],
        task: Task,
        optimizers: Sequence[Optimizer],
        gradient_clip: float | None = None,
        schedules: Sequence[LearningRateSchedule] | None = None,
    ) -> None:
        if not networks or len(networks) != len(optimizers):
            raise ValueError(
                f"networks={len(networks)} of them, optimizers={len(optimizers)}: must be one "
                "optimizer for each network, and at least one network"
            )
        if schedules is not None and len(schedules) != len(networks):
            raise ValueError(
                f"schedules={len(schedules)} of them, networks={len(networks)}: must be one "
                "schedule for each network"
            )
        self.networks = networks
        self.task = task
        self.optimizers = optimizers
        self.gradient_clip = gradient_clip
        self.schedules = schedules or [ConstantRate() for _ in networks]

    @abstractmethod
    def train(
        self, chunk: Chunk, state: State | None
    ) -> tuple[Float[Tensor, "members windows"], State]:
        """Make one update a window for every member; see `Engine.train`.

        Every tensor has a leading member axis, in the chunk, in the state and in what comes back.
        A member's losses are those it would have alone: even one that diverges touches no other.
        """


class SingleMember(Engine):
    """An engine made of a population of one; it refuses what `unsupported_reason` names."""

    population_class: type[Population]  # what trains several of them at once

    def _begin(self) -> None:
        self.population = self.population_class(
            [self.network], self.task, [self.optimizer], self.gradient_clip, [self.schedule]
        )

    @staticmethod
    @abstractmethod
    def unsupported_reason(network: Network, task: Task, optimizer: Optimizer) -> str | None:
        """Return why network, task and optimizer do not fit; None: they do."""

    def train(self, chunk: Chunk, state: State | None) -> tuple[Float[Tensor, " windows"], State]:
        """Make one update a window; see `Engine.train`."""
        stacked = None if state is None else stack_states([state])
        losses, after = self.population.train(stack_chunks([chunk]), stacked)
        return losses[0], tuple(part[0] for part in after)


def stack_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Return the members' chunks as one, with a leading member axis.

    Raises:
        ValueError: if some carry their state or mask their steps, and others do not; or they come
            after different numbers of updates.
    """
    first = chunks[0]
    for chunk in chunks:
        if chunk.carried != first.carried or (chunk.scored is None) != (first.scored is None):
            raise ValueError("chunks: must all be carried, or none; and all be masked, or none")
        if chunk.first != first.first:
            raise ValueError(f"chunks: come after {first.first} and {chunk.first} updates")
    masks = [chunk.scored for chunk in chunks if chunk.scored is not None]
    return first._replace(
        inputs=_stack([chunk.inputs for chunk in chunks]),
        targets=_stack([chunk.targets for chunk in chunks]),
        scored=_stack(masks) if masks else None,
    )


def stack_states(states: Sequence[State]) -> State:
    """Return the members' states as one, with a leading member axis."""
    return tuple(torch.stack(parts) for parts in zip(*states, strict=True))


def unstack_state(state: State, members: int) -> list[State]:
    """Return the state of each member."""
    return [tuple(part[member] for part in state) for member in range(members)]


def _stack(parts: Sequence[Tensor]) -> Tensor:
    """Return (members, windows, batch, time, ...), time-major in storage like the parts."""
    # a view, where a copy would cost a member alone as much as a small network's chunk
    if len(parts) == 1:
        return parts[0][None]
    return torch.stack([part.transpose(1, 2) for part in parts]).transpose(2, 3)
