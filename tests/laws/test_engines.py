"""Our own engines keep the law of all engines, with every network and optimizer there is."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import Adam

from lossladder.checks import RequestError
from lossladder.engines import Fused
from lossladder.models import RNN, Cell, RNNByHand
from lossladder.models.recurrent import start_linear
from lossladder.testing import check_engine, check_network
from lossladder.testing.engines import TASKS

ADAM = partial(Adam, lr=0.1)


def engine_of(built, *words):
    """What makes the engine that a run with these words has; what it refuses, its own tests say."""
    try:
        make = built("task=echo", *words).make_engine
    except RequestError as error:
        if "does not fit" not in str(error):
            raise
        pytest.skip(str(error))
    return lambda network, task, optimizer, clip: make(network, task, optimizer, gradient_clip=clip)


@pytest.mark.sampled(4)
def test_an_engine_trains_like_a_plain_loop(engine_yaml, optimizer_yaml, built):
    words = f"optimizer={optimizer_yaml}", "optimizer.lr=0.1"
    engine = engine_of(built, f"engine={engine_yaml}", *words)
    check_engine(engine, networks=(RNN,), optimizers=(built(*words).make_optimizer,))


@pytest.mark.sampled(12)
@pytest.mark.parametrize("name", ["autograd", "fused", "stacked"])
def test_every_network_trains_like_in_a_plain_loop(name, model_yaml, built):
    engine = engine_of(built, f"engine={name}", f"model={model_yaml}")
    network = type(built(f"model={model_yaml}").network.recurrent)
    # carried state, and independent sequences with a mask: what a network has to do with
    tasks = (TASKS[0], TASKS[2])
    check_engine(engine, networks=(network,), clips=(None,), optimizers=(ADAM,), tasks=tasks)


@pytest.mark.sampled(8)
def test_auto_takes_fused_for_every_network_that_it_fits(model_yaml, built):
    parts = built(f"model={model_yaml}", "task=echo", "engine=auto")
    mine = parts.network, parts.task, parts.make_optimizer(parts.network.trained())
    fits = Fused.unsupported_reason(*mine) is None
    assert parts.make_engine(*mine).name == ("fused" if fits else "autograd")


def test_a_learned_initial_state_is_learned_wherever_a_sequence_starts(engine_yaml, built):
    """At every window of independent sequences; at the first of a stream, and it rests after."""
    words = "model=rnn_by_hand", "model.learn_initial_state=true"
    engine = engine_of(built, f"engine={engine_yaml}", *words)
    network = partial(RNNByHand, learn_initial_state=True)
    check_engine(engine, networks=(network,), optimizers=(ADAM,))


class Stateless(Cell):
    """tanh(W x): nothing is carried, as in a baseline that sees one input."""

    state_parts = 0
    remembers = False

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.map = nn.Linear(input_size, hidden_size)
        self.initialise()

    def initialise(self, generator=None):
        start_linear(generator, self.map)

    def step(self, x, state):
        return torch.tanh(self.map(x)), ()


def test_a_network_without_a_state_trains_on_every_engine(engine_yaml, built):
    check_network(Stateless(2, 3))
    check_engine(engine_of(built, f"engine={engine_yaml}"), networks=(Stateless,), clips=(None,))


def test_fused_leaves_whole_windows_to_others_and_auto_says_so(built):
    learned = "model=rnn_by_hand", "model.learn_initial_state=true", "task=parity"
    with pytest.raises(RequestError, match=r"engine=fused does not fit: .*whole windows"):
        built(*learned, "engine=fused")
    parts = built(*learned, "engine=auto")
    optimizer = parts.make_optimizer(parts.network.trained())
    engine = parts.make_engine(parts.network, parts.task, optimizer)
    assert engine.name == "autograd"
    assert "whole windows" in engine.why
