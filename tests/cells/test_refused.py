"""A step that cannot be compiled is refused in one line, and `auto` goes on without."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from zoo import Plain

from lossladder.engines import Auto, Fused
from lossladder.models import Network
from lossladder.tasks import Echo


class Base(Plain):
    """What the steps below are made of."""

    def __init__(self, input_size=2, hidden_size=4):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Linear(input_size + hidden_size, hidden_size)
        self.norm = nn.BatchNorm1d(hidden_size, track_running_stats=False)
        self.drop = nn.Dropout(0.5)
        self.matrix = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.count = 0
        self.initialise()

    def seen(self, x, state):
        return self.weight(torch.cat([x, state[0]], -1))


class BranchesOnANumber(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        if y.mean() > 0:
            y = torch.tanh(y)
        return (y,)


class BranchesOnOneOfMany(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y) if y[0, 0] > 0 else y,)


class BranchesOnAParameter(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        if self.matrix[0, 0] > 0:
            y = torch.tanh(y)
        return (y,)


class BranchesOnAll(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y) if (y > 0).all() else y,)


class AsksForAnItem(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y) * self.matrix[0, 0].item(),)


class AsksForAFloat(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y) * float(self.matrix.sum()),)


class AsksForAList(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y) * self.matrix[0].tolist()[0],)


class GoesThroughNumPy(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.from_numpy(np.tanh(y.detach().numpy())),)


class CallsNumPy(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (y + torch.as_tensor(np.tanh(y.detach())),)


class AsksForTheBatch(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y - y.mean(0)),)


class AsksForThatBatch(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y - y.mean()),)


class NormsOverTheBatch(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(self.norm(y)),)


class TurnsTheBatchOver(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y.flip(0)),)


class RollsEverything(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y.roll(1)),)


class TakesOneSequence(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y + y[0]),)


class DropsOut(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (self.drop(torch.tanh(y)),)


class DrawsNoise(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y + torch.randn(self.hidden_size)),)


class DrawsNoiseAlike(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y + torch.randn_like(y)),)


class CountsSteps(Base):
    def step(self, x, state):
        self.count += 1
        return (torch.tanh(self.seen(x, state)) * (1.0 + self.count),)


class HoldsNoise(Base):
    def step(self, x, state):
        self.noise = float(np.random.default_rng().normal())
        return (torch.tanh(self.seen(x, state)) * self.noise,)


class WritesInPlace(Base):
    def step(self, x, state):
        y = torch.tanh(self.seen(x, state))
        y[:, :1] = 0
        return (y,)


class AddsInPlace(Base):
    def step(self, x, state):
        y = state[0]
        y += torch.tanh(self.seen(x, state))
        return (y,)


class CountsInTheState(Base):
    @property
    def state_shapes(self):
        return (4,), ()

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 4), torch.zeros(batch_size, dtype=torch.long)

    def step(self, x, state):
        h, count = state
        return torch.tanh(self.weight(torch.cat([x, h], -1))), count + 1


class AttendsToOthers(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.softmax(y @ y.T, -1) @ torch.tanh(y),)


class Solves(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        whole = torch.eye(self.hidden_size) + self.matrix @ self.matrix.T
        return (torch.tanh(y @ torch.linalg.solve(whole, whole)),)


class Sorts(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y.sort(-1)[0]),)


class TakesTheMaximum(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y - y.max(-1, keepdim=True).values),)


class TakesThePlace(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return (torch.tanh(y * y.argmax(-1, keepdim=True)),)


class GivesBackTooMuch(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return torch.tanh(y), y


class ForgetsTheComma(Base):
    def step(self, x, state):
        y = self.seen(x, state)
        return torch.tanh(y)


class IsAlwaysTheSame(Base):
    def step(self, x, state):
        return (self.matrix[:1].expand(x.shape[0], -1),)


# what is said, what to write instead, and the line that is shown
CASES = [
    (BranchesOnANumber, "over the batch", "each sequence alone", "if y.mean() > 0:"),
    (BranchesOnOneOfMany, "one sequence out of the batch", "each sequence alone", "y[0, 0] > 0"),
    (BranchesOnAParameter, "asks for a number", "torch.where", "if self.matrix[0, 0] > 0:"),
    (BranchesOnAll, "", "", "(y > 0).all()"),
    (AsksForAnItem, "asks for a number", "the tensor itself", "self.matrix[0, 0].item()"),
    (AsksForAFloat, "asks for a number", "the tensor itself", "float(self.matrix.sum())"),
    (AsksForAList, "", "", "self.matrix[0].tolist()"),
    (GoesThroughNumPy, "NumPy", "torch's own functions", "np.tanh(y.detach().numpy())"),
    (CallsNumPy, "NumPy", "torch's own functions", "np.tanh(y.detach())"),
    (AsksForTheBatch, "batch", "each sequence alone", "y - y.mean(0)"),
    (AsksForThatBatch, "batch", "each sequence alone", "y - y.mean()"),
    (NormsOverTheBatch, "batch", "nn.LayerNorm", "self.norm(y)"),
    (TurnsTheBatchOver, "batch", "each sequence alone", "y.flip(0)"),
    (RollsEverything, "batch", "dims=-1", "y.roll(1)"),
    (TakesOneSequence, "batch", "each sequence alone", "y + y[0]"),
    (DropsOut, "random", "same", "self.drop("),
    (DrawsNoise, "random", "same", "torch.randn(self.hidden_size)"),
    (DrawsNoiseAlike, "random", "same", "torch.randn_like(y)"),
    (CountsSteps, "something else each time", "nothing that changes", "def step"),
    (HoldsNoise, "something else each time", "nothing that changes", "def step"),
    (WritesInPlace, "in place", "new tensor", "y[:, :1] = 0"),
    (AddsInPlace, "in place", "new tensor", "y += torch.tanh"),
    (CountsInTheState, "whole numbers", "real numbers", "def step"),
    (AttendsToOthers, "batch", "each sequence alone", "y @ y.T"),
    (Solves, "linalg_solve", "sums, products", "torch.linalg.solve(whole, whole)"),
    (Sorts, "sort", "sums, products", "y.sort(-1)[0]"),
    (TakesTheMaximum, "place of the largest", "amax", "y.max(-1, keepdim=True)"),
    (TakesThePlace, "argmax", "sums, products", "y.argmax(-1"),
    (GivesBackTooMuch, "2 tensors", "state_parts", "def step"),
    (ForgetsTheComma, "returned Tensor", "tuple", "def step"),
    (IsAlwaysTheSame, "neither on the input nor on the state", "", "def step"),
]


@pytest.mark.parametrize(
    ("kind", "does", "instead", "line"), CASES, ids=lambda c: getattr(c, "__name__", "")
)
def test_a_step_that_cannot_be_compiled_is_refused_and_auto_goes_on(kind, does, instead, line):
    network, task = Network(kind(), 2), Echo()
    optimizer = SGD(network.parameters(), lr=0.1)
    reason = Fused.unsupported_reason(network, task, optimizer)
    assert reason is not None
    assert "\n" not in reason
    assert reason.startswith(f"the step of {kind.__name__} ")
    before, _, after = reason.partition("; write instead: ")
    assert does in before, reason
    assert instead in after, reason
    if line:
        found = re.search(r"\(line (\d+) of test_refused\.py: `(.*)`\)", reason)
        assert found, reason
        assert line in found[2], reason
        with open(__file__) as source:
            assert source.read().splitlines()[int(found[1]) - 1].strip() == found[2]
    engine = Auto(network, task, optimizer)
    assert engine.name == "autograd"
    assert reason in engine.why
