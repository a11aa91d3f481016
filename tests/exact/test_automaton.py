"""The machine that is found in a network that is one."""

import math

import numpy as np
import pytest
import torch
from hand_set import believer, coset_tracker, counter, flip_flop, window
from torch import Generator

from lossladder.diagnostics import UnfitError, automaton
from lossladder.models import RNN, Network
from lossladder.tasks import Count, Delay, Echo, Parity, Source, Words


def of(network, task):
    return automaton(network, task, Generator().manual_seed(0))


def test_a_flip_flop_is_a_machine_of_two_states():
    found = of(flip_flop(), Parity(20))
    assert len(found.machine) == found.minimal == 2
    stays, turns = found.machine.transitions[:, 0], found.machine.transitions[:, 1]
    assert stays.tolist() == [0, 1]
    assert turns.tolist() == [1, 0]
    assert found.accuracy == found.network_accuracy == 1
    assert found.variation < 1e-6


@pytest.mark.parametrize(("rung", "states"), [("all", 6), ("one point", 3), ("sign", 2)])
def test_who_tracks_a_coset_is_a_machine_with_a_state_for_each(rung, states):
    task = Words("S3")
    found = of(coset_tracker(task, rung), task)
    assert len(found.machine) == states
    assert found.minimal == 6
    # each letter permutes the states
    assert (np.sort(found.machine.transitions, axis=0) == np.arange(states)[:, None]).all()
    assert found.loss == pytest.approx(math.log(6 / states), abs=1e-3)


def test_a_counter_of_ten_ones_has_eleven_states():
    found = of(counter(Count(10, every_step=True)), Count(10, every_step=True))
    assert found.minimal == 11
    # ten ones come once in a thousand strings
    assert 9 <= len(found.machine) <= 11
    assert found.accuracy > 0.995


def test_the_belief_in_an_even_source_is_soon_one_of_two():
    found = of(believer(Source("even")), Source("even"))
    assert found.minimal == 2
    assert found.loss == pytest.approx(found.network_loss, abs=0.01)
    assert 2 <= len(found.machine) <= 6  # and before that it is what a run of ones leaves


def test_a_network_of_many_states_is_said_to_be_no_small_machine():
    found = of(window(Echo(), "lags 3 and 8"), Echo())
    assert found.minimal == 256
    assert found.variation > 0.05


def test_real_inputs_have_no_machine():
    with pytest.raises(UnfitError, match="symbols"):
        of(Network(RNN(1, 2), 5), Delay())
    assert torch.is_grad_enabled()
