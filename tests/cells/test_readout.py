"""The readout's loss, of which one logarithm serves many steps and sequences."""

import math

import pytest
import torch
from torch.optim import SGD

from lossladder.engines import Autograd, Chunk, Fused
from lossladder.models import RNN, Network
from lossladder.tasks import Echo


def problem(classes, steps, batch, scored=None):
    g = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 2, (2, batch, steps), generator=g, dtype=torch.uint8)
    targets = torch.randint(0, classes, (2, batch, steps), generator=g, dtype=torch.uint8)
    return Chunk(inputs, targets, scored, carried=False)


def losses(kind, classes, chunk, spread):
    torch.manual_seed(0)
    network = Network(RNN(2, 3), classes)
    with torch.no_grad():
        for parameter in network.readout.parameters():
            parameter *= spread
    found, _ = kind(network, Echo(), SGD(network.trained(), lr=0.0)).train(chunk, None)
    return found


@pytest.mark.parametrize("batch", [3, 100, 216])
@pytest.mark.parametrize("steps", [1, 7, 8, 9, 40, 121, 300])
@pytest.mark.parametrize("classes", [2, 3, 50])
def test_a_loss_is_autograds_however_many_steps_and_sequences_it_sums(classes, steps, batch):
    chunk = problem(classes, steps, batch)
    # large logits as well: of these one class costs nothing and another dozens of nats
    for spread in (1.0, 100.0):
        wanted, got = (losses(kind, classes, chunk, spread) for kind in (Autograd, Fused))
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 50])
@pytest.mark.parametrize("left_out", range(8))
def test_steps_that_are_not_scored_let_no_product_grow(classes, left_out):
    # a network that knows nothing: each step's factor is as large as there are classes
    scored = (torch.arange(400) % 8 != left_out).expand(2, 20, 400)
    got = losses(Fused, classes, problem(classes, 400, 20, scored), spread=0.0)
    torch.testing.assert_close(got, torch.full((2,), math.log(classes)), rtol=1e-5, atol=0)
