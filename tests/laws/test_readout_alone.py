"""What every network and engine must obey when only the readout is trained."""

import pytest
import torch
from torch import Generator

from lossladder.engines import Chunk


def parameters(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def trained(parts, windows=3):
    """Which parameters a few updates change."""
    task, network = parts.task, parts.network
    before = parameters(network)
    draw = task.draw(Generator().manual_seed(0), windows * 4, task.num_steps or 6)
    cut = [None if part is None else part.unflatten(0, (windows, 4)) for part in draw[:3]]
    engine = parts.make_engine(network, task, parts.make_optimizer(network.trained()))
    engine.train(Chunk(*cut, carried=False), None)
    return {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("engine", ["autograd", "stacked", "auto"])
def test_nothing_but_the_readout_moves(built, model_yaml, engine):
    words = f"model={model_yaml}", f"engine={engine}", "task=echo"
    moved = trained(built(*words, "readout.alone=true"))
    assert moved == {"readout.weight", "readout.bias"}
    whole = built(*words)
    # the check can fail, unless the network is one of which nothing else is ever trained
    if any(parameter.requires_grad for parameter in whole.network.recurrent.parameters()):
        assert not trained(whole) <= moved


@pytest.mark.sampled(4)
def test_the_start_is_that_of_a_run_that_trains_everything(built, model_yaml):
    alone, all_of_it = (
        parameters(built(f"model={model_yaml}", f"readout.alone={flag}").network)
        for flag in ("true", "false")
    )
    assert all(torch.equal(alone[name], all_of_it[name]) for name in alone)


def test_the_optimizer_and_the_count_know_of_the_readout_only(built):
    network = built("model=rnn", "readout.alone=true").network
    assert sum(p.numel() for p in network.trained()) == 16 * 2 + 2
