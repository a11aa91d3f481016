"""Steps in a Python list, a window as one tensor, and torch's own layer: one network, one loss."""

import pytest
import torch
from torch import Generator, nn
from torch.nn.functional import cross_entropy
from torch.optim import Adagrad

from lossladder.engines import Chunk
from lossladder.engines.autograd import Autograd
from lossladder.models import RNN, Network, TorchRNN
from lossladder.tasks import Echo

WINDOWS, BATCH, STEPS, HIDDEN = 50, 200, 5, 4
TASK = Echo()


@pytest.fixture
def chunk() -> Chunk:
    """The first windows of an epoch: streams, cut along time."""
    draw = TASK.draw(Generator().manual_seed(0), BATCH, WINDOWS * STEPS)
    inputs, targets = (part.unflatten(1, (WINDOWS, STEPS)).transpose(0, 1) for part in draw[:2])
    return Chunk(inputs, targets.long(), None, carried=True)


@pytest.fixture
def network() -> Network:
    network = Network(RNN(2, HIDDEN), output_size=2).double()
    network.initialise(Generator().manual_seed(1))
    return network


def in_torchs_layer(network: Network) -> Network:
    """The same network as nn.RNN, whose second bias says nothing and is not trained."""
    torchs = Network(TorchRNN(2, HIDDEN), output_size=2).double()
    weight = network.recurrent.weight.detach()
    layer = torchs.recurrent.layer
    with torch.no_grad():
        layer.weight_ih_l0.copy_(weight[:2].T)
        layer.weight_hh_l0.copy_(weight[2:].T)
        layer.bias_ih_l0.copy_(network.recurrent.bias)
    layer.bias_hh_l0.requires_grad_(False)
    torchs.readout.load_state_dict(network.readout.state_dict())
    return torchs


def by_lists(network: Network, chunk: Chunk) -> list[float]:
    """Training as the notebook writes it: what belongs to a step is an element of a list."""
    W, b = network.recurrent.weight, network.recurrent.bias
    optimizer = adagrad(network)
    (state,) = network.initial_state(BATCH)
    losses = []
    for x, y in zip(chunk.inputs, chunk.targets, strict=True):
        rnn_inputs = list(nn.functional.one_hot(x.long(), 2).to(W.dtype).unbind(dim=1))
        rnn_outputs = []
        for rnn_input in rnn_inputs:
            state = torch.tanh(torch.cat([rnn_input, state], dim=1) @ W + b)
            rnn_outputs.append(state)
        logits = [network.readout(rnn_output) for rnn_output in rnn_outputs]
        of_steps = [cross_entropy(*pair) for pair in zip(logits, y.unbind(dim=1), strict=True)]
        loss = torch.stack(of_steps).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = state.detach()
        losses.append(loss.item())
    return losses


def by_windows(network: Network, chunk: Chunk) -> list[float]:
    features = chunk._replace(inputs=TASK.features(chunk.inputs).to(network.readout.weight.dtype))
    return Autograd(network, TASK, adagrad(network)).train(features, None)[0].tolist()


def adagrad(network: Network) -> Adagrad:
    return Adagrad(network.trained(), lr=0.1, initial_accumulator_value=0.1)


def test_training_gives_the_same_losses_three_ways(network, chunk):
    torchs = in_torchs_layer(network)
    same = Network(RNN(2, HIDDEN), output_size=2).double()
    same.load_state_dict(network.state_dict())
    lists, windows = by_lists(network, chunk), by_windows(same, chunk)
    layer = by_windows(torchs, chunk)
    assert windows == pytest.approx(lists, abs=1e-6)
    assert layer == pytest.approx(lists, abs=1e-6)
    assert lists[-1] < lists[0] - 0.02  # they learn
    assert len(set(lists)) == WINDOWS


def test_a_window_that_starts_from_zeros_gives_other_losses(network, chunk):
    """The state is carried: without it, the second window's loss would be another."""
    same = Network(RNN(2, HIDDEN), output_size=2).double()
    same.load_state_dict(network.state_dict())
    carried, bare = by_lists(network, chunk), by_windows(same, chunk._replace(carried=False))
    assert bare[0] == pytest.approx(carried[0], abs=1e-6)
    assert abs(bare[1] - carried[1]) > 1e-5
