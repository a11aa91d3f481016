"""What there is to a kernel besides its arithmetic: making it, loading it, copying for it."""

import os
import shutil
import tempfile
from unittest.mock import patch

import torch

from benchmarks.contestant import Clock, Contestant, Losses, Round
from benchmarks.ours.engines import ManyFused
from benchmarks.ours.networks import network_of, optimizer_of, task_of
from benchmarks.problems import Problem
from lossladder.engines import FusedPopulation
from lossladder.engines.fused import emission, machine_code
from lossladder.engines.fused.loop import Call, MemberState, Windows


class Copying(ManyFused):
    """Many networks on the compiled engine, the time around its compiled loop taken apart.

    They go on from round to round: what is made for a first chunk only is not counted.
    """

    def start(self) -> None:
        """Make them once."""
        if not hasattr(self, "population"):
            super().start()

    def train(self, windows: int) -> Losses:
        """Train on a chunk for each member, and note what of it is spent in the loop."""
        loop, self.inside = Call.train, 0.0

        def timed(call: Call, windows: Windows, member: MemberState) -> None:
            with Clock() as clock:
                loop(call, windows, member)
            self.inside += clock.cpu

        with patch.object(Call, "train", timed):
            return super().train(windows)

    def round(self, size: int | None) -> Round:
        """Note the share of the time that is spent outside of the loop."""
        one = super().round(size)
        return one._replace(notes={"outside": 1 - self.inside / one.cpu})


class Making(Contestant):
    """A cell's kernel, from a network to tables and addresses that the loop can be called with.

    Args:
        problem: whose network it is.
        kept: its machine code lies on disk already.
        whole: from the network on; False: from the written kernel on.
    """

    def __init__(self, problem: Problem, kept: bool, whole: bool = True) -> None:
        torch.set_num_threads(1)
        self.problem, self.kept, self.whole = problem, kept, whole
        self.store = tempfile.TemporaryDirectory()
        os.environ["LOSSLADDER_CACHE"] = self.store.name
        self.round(None)

    def round(self, size: int | None) -> Round:
        """Make it once, in a process that has forgotten it."""
        network = network_of(self.problem)
        parts = [network], task_of(self.problem), [optimizer_of(self.problem, network)]
        machine_code._LOADED.clear()
        emission._WRITTEN.clear()
        if not self.kept:
            shutil.rmtree(self.store.name)
        if self.whole:
            with Clock() as clock:
                _ = FusedPopulation(*parts).kernel(real=False).load()
        else:
            written = FusedPopulation(*parts).kernel(real=False)
            with Clock() as clock:
                _ = written.load()
        return Round(clock.wall, clock.cpu, 1.0)
