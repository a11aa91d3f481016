"""Our engines alone: no Trainer, no logging, a chunk in and its losses out."""

import os
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from benchmarks.contestant import Losses, Trainee
from benchmarks.ours.networks import (
    chunk_of,
    first_windows,
    network_of,
    optimizer_of,
    state_of,
    task_of,
)
from benchmarks.problems import Problem
from lossladder.engines import Autograd, Chunk, Engine
from lossladder.models import Network, State


def engine_class(name: str) -> type:
    """Return the class of an engine; what it needs is imported here and not before.

    Raises:
        ImportError: if a package it needs is not there.
    """
    if name == "autograd":
        return Autograd
    if name == "stacked":
        from lossladder.engines import Stacked

        return Stacked
    from lossladder.engines import Fused

    return Fused


def engine_of(name: str, problem: Problem, network: Network) -> Engine:
    """Return an engine for one network."""
    return engine_class(name)(network, task_of(problem), optimizer_of(problem, network))


class One(Trainee):
    """One network on one engine.

    Args:
        problem: data, start and optimizer.
        members: networks trained at once.
        threads: it may use.
        double: all arithmetic in float64.
    """

    def __init__(
        self, problem: Problem, members: int = 1, threads: int = 1, double: bool = False
    ) -> None:
        self.dtype = torch.float64 if double else torch.float32
        super().__init__(problem, members, threads)

    def prepare(self) -> None:
        """Cut the data into a chunk; let the engine compile, if it does."""
        torch.set_num_threads(self.threads)
        self.task, self.chunk = task_of(self.problem), chunk_of(self.problem)
        self.start()
        self.train(1)

    engine_name = "autograd"

    def start(self) -> None:
        """Make a new network, optimizer, engine and state."""
        network = network_of(self.problem).to(self.dtype)
        self.engine = engine_of(self.engine_name, self.problem, network)
        self.state = tuple(
            part.to(self.dtype) for part in state_of(self.problem, self.engine.network)
        )

    def train(self, windows: int) -> Losses:
        """Train on one chunk, in one call."""
        losses, _ = self.engine.train(first_windows(self.chunk, windows), self.state)
        return losses[None].float().numpy()


class OneFused(One):
    """The compiled engine."""

    engine_name = "fused"

    def start(self) -> None:
        """Make its kernel as well, which is not timed: it takes as long as a chunk."""
        super().start()
        engine: Any = self.engine
        _ = engine.population.kernel(real=False).load()


class ManyFused(One):
    """Many networks on the compiled engine, each with a copy of the data, as if it were its own."""

    def start(self) -> None:
        """Make new networks around the shared start."""
        from lossladder.engines import FusedPopulation

        networks = [network_of(self.problem, s) for s in self.problem.starts(self.members)]
        optimizers = [optimizer_of(self.problem, network) for network in networks]
        self.population = FusedPopulation(networks, self.task, optimizers, threads=self.threads)
        _ = self.population.kernel(real=False).load()
        first = state_of(self.problem, networks[0])
        self.state = tuple(part.expand(self.members, *part.shape).contiguous() for part in first)

    def train(self, windows: int) -> Losses:
        """Train on a chunk for each member, in one call."""
        chunk = _for_each(first_windows(self.chunk, windows), self.members)
        losses, _ = self.population.train(chunk, self.state)
        return losses.float().numpy()


class Apart(ManyFused):
    """Half of the members here, half in a process that shares nothing: what two cores can do."""

    def prepare(self) -> None:
        """Start the other process, and keep each to a core of its own."""
        first, second = sorted(os.sched_getaffinity(0))[:2]
        self.members //= 2
        spawned = get_context("spawn")
        self.other, there = spawned.Pipe()
        half = there, self.problem, self.members, second
        spawned.Process(target=_other_half, args=half, daemon=True).start()
        there.close()
        os.sched_setaffinity(0, [first])
        super().prepare()

    def start(self) -> None:
        """Make new networks, there as well."""
        self.other.send(None)
        super().start()
        self.other.recv()

    def train(self, windows: int) -> Losses:
        """Train on a chunk for each member, in both processes at once."""
        self.other.send(windows)
        return np.concatenate([super().train(windows), self.other.recv()])


def _other_half(asked: Connection, problem: Problem, members: int, core: int) -> None:
    os.sched_setaffinity(0, [core])
    half = ManyFused(problem, members)
    with suppress(EOFError):  # nobody is there any more to ask
        while True:
            windows = asked.recv()
            asked.send(half.start() if windows is None else half.train(windows))


class ManyStacked(ManyFused):
    """A user's own cell, many networks at once."""

    def start(self) -> None:
        """Make new networks around the shared start."""
        from lossladder.engines import Stacked

        networks = [
            network_of(self.problem, s, own=True) for s in self.problem.starts(self.members)
        ]
        optimizers = [optimizer_of(self.problem, network) for network in networks]
        self.population = Stacked(networks, self.task, optimizers)
        first = state_of(self.problem, networks[0])
        self.state: State = tuple(part.expand(self.members, *part.shape) for part in first)


def _for_each(chunk: Chunk, members: int) -> Chunk:
    """Return the chunk with a leading axis for the members, which costs no memory."""

    def each(part: torch.Tensor) -> torch.Tensor:
        return part.expand(members, *part.shape)

    scored = None if chunk.scored is None else each(chunk.scored)
    return chunk._replace(inputs=each(chunk.inputs), targets=each(chunk.targets), scored=scored)
