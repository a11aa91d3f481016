"""What linear readouts find in states that hold just so much."""

import pytest
import torch
from hand_set import believer, coset_tracker, counter, flip_flop, window
from torch import Generator

from lossladder.diagnostics import UnfitError, decode, memory
from lossladder.models import RNN, Network
from lossladder.tasks import Count, Echo, MarkovInContext, Parity, Source, Words


def found(network, task, seed: int = 0):
    return {each.name: each for each in decode(network, task, Generator().manual_seed(seed))}


def test_a_delay_line_tells_the_inputs_it_holds_and_no_others():
    """Eight of them; the ninth, which is the present one, it sees and does not keep."""
    measured = memory(window(Echo(), "lags 3 and 8"), Echo(), Generator().manual_seed(0))
    assert measured.r2[:8].tolist() == pytest.approx([1.0] * 8, abs=1e-6)
    assert measured.r2[8:].abs().max() < 0.02
    assert measured.shuffled.abs().max() < 0.02
    assert measured.total == pytest.approx(8, abs=0.1)
    assert measured.total < measured.floats == 16  # two features a bit


@pytest.mark.parametrize("hidden_size", [4, 16])
def test_no_state_tells_more_inputs_than_it_has_numbers(hidden_size):
    network = Network(RNN(2, hidden_size), 2)
    network.initialise(Generator().manual_seed(0))
    measured = memory(network, Echo(), Generator().manual_seed(0))
    assert 0.4 * hidden_size < measured.total < hidden_size + 0.1
    assert measured.floats == hidden_size


def test_symbols_count_by_the_dimensions_they_have():
    """One letter of six is five numbers, and the state that holds it no product."""
    measured = memory(coset_tracker(Words("S3"), "all"), Words("S3"), Generator().manual_seed(0))
    assert measured.dimensions == 5
    assert measured.total < 0.3  # of a product nothing is left of any one letter


def test_who_tracks_a_coset_tells_it_and_no_other():
    told = found(coset_tracker(Words("S3"), "sign"), Words("S3"))
    assert told["coset of sign"].value == 1
    for name, chance in (("coset of one point", 1 / 3), ("coset of all", 1 / 3)):
        assert told[name].value == pytest.approx(chance, abs=0.06)
    assert told["coset of all"].chance == pytest.approx(1 / 6, abs=0.03)
    for each in told.values():
        assert each.shuffled == pytest.approx(each.chance, abs=0.06)


@pytest.mark.parametrize("process", ["even", "mess3"])
def test_the_belief_of_who_has_it_is_read(process):
    told = found(believer(Source(process)), Source(process))["belief over hidden states"]
    assert told.value == pytest.approx(1.0, abs=1e-6)
    assert abs(told.shuffled) < 0.05


def test_a_count_is_read_and_a_parity_too():
    assert found(counter(Count(10)), Count(10))["count so far"].value > 1 - 1e-6
    assert found(flip_flop(), Parity(20))["sum of the bits so far"].value == 1


def test_an_untrained_network_is_the_control_of_a_trained_one():
    """An RNN whose weights are the inputs' alone: its state is this input, and fresh it is more."""
    network = Network(RNN(2, 8), 2)
    with torch.no_grad():
        network.recurrent.weight[2:] = 0.0
    measured = memory(network, Echo(), Generator().manual_seed(0))
    assert measured.r2[0] > 0.99
    assert measured.r2[1:].abs().max() < 0.02
    assert measured.untrained[1] > 0.8
    needed = found(network, Echo())["inputs that the next step needs"]
    assert needed.value < 0.02 < 0.3 < needed.untrained


def test_where_nothing_is_known_of_what_one_has_to_know_nothing_is_read():
    task = MarkovInContext()
    network = Network(RNN(task.input_size, 4), task.output_size)
    with pytest.raises(UnfitError, match="not known"):
        decode(network, task, Generator())
