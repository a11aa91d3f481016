"""experiment=count_lstm is the notebook's recipe, and what its last line can say."""

from fractions import Fraction

import pytest
import torch
from torch.nn.functional import cross_entropy

STRINGS = 524  # in the test set
RECIPE = "experiment=count_lstm"


def test_the_recipe_is_the_notebooks(built, configured):
    parts, config = built(RECIPE), configured(RECIPE)
    recurrent, readout = parts.network.recurrent, parts.network.readout
    assert recurrent.hidden_size == 12
    assert recurrent.forget_bias == 1
    assert parts.network.readout_std == 1
    assert readout.weight.abs().max() <= 2  # cut off at two standard deviations
    assert readout.bias.tolist() == [pytest.approx(0.1)] * 11
    assert config["optimizer"]["_target_"] == "torch.optim.Adam"
    assert config["optimizer"]["lr"] == 0.001
    assert config["data"]["batch_size"] == 100
    assert config["data"]["shuffle"] is False
    assert parts.data.schedule.updates == 2000 * 5


def test_its_updates_are_those_of_adam_on_the_summed_loss(built):
    """A factor on the loss weighs Adam's eps only: a sum with 1e-8 is a mean with 1e-10."""
    trained, by_hand = built(RECIPE, "engine=autograd"), built(RECIPE)
    for parts in (trained, by_hand):
        parts.network.double()
        parts.task.encoding = parts.task.encoding.double()
    chunk = trained.data.chunk(range(12))  # over two epochs
    optimizer = trained.make_optimizer(trained.network.trained())
    state = trained.network.initial_state(100)
    trained.make_engine(trained.network, trained.task, optimizer).train(chunk, state)

    network, data = by_hand.network, by_hand.data
    adam = torch.optim.Adam(network.parameters(), lr=0.001)  # whose eps is 1e-8, as TensorFlow's
    everything = by_hand.task.everything()
    for update in range(12):
        first = update % 5 * 100
        batch = data.train[first : first + 100]  # in the same order every epoch
        logits = network(everything.inputs[batch].double()[..., None])[0][:, -1]
        adam.zero_grad()
        cross_entropy(logits, everything.targets[batch, -1].long(), reduction="sum").backward()
        adam.step()
    for ours, its in zip(trained.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-9, atol=1e-12)


def test_a_tenth_of_a_percent_is_no_number_the_notebook_can_print():
    printed = [f"{100 * mistakes / STRINGS:3.1f}" for mistakes in range(STRINGS + 1)]
    assert "0.1" not in printed
    assert printed[:4] == ["0.0", "0.2", "0.4", "0.6"]
    assert f"{100 / 1024:3.1f}" == "0.1"  # over all 1024 strings it could be


def test_the_split_alone_costs_a_mistake_in_the_mean():
    both_seen = Fraction(500 * 499, 1024 * 1023)
    none_seen = Fraction(524 * 523, 1024 * 1023)
    mean = (1 - both_seen - none_seen) + 2 * none_seen
    assert mean == 2 * Fraction(524, 1024)
    assert float(both_seen) == pytest.approx(0.2382, abs=5e-5)
    assert float(none_seen) == pytest.approx(0.2616, abs=5e-5)
    assert float(mean / STRINGS) == pytest.approx(0.00195, abs=5e-6)


def test_a_clipped_logarithm_does_not_pull_back_who_is_terribly_wrong():
    """-log(clip(p, 1e-10, 1)) costs 23 nats there and has no slope; a log-softmax has one."""
    logits = torch.tensor([30.0, 0.0], requires_grad=True)
    loss = -torch.softmax(logits, dim=0)[1].clamp(1e-10, 1.0).log()
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(23.026, abs=1e-3)
    assert slope.tolist() == [0.0, 0.0]
    (slope,) = torch.autograd.grad(cross_entropy(logits, torch.tensor(1)), logits)
    assert slope.tolist() == pytest.approx([1.0, -1.0])
