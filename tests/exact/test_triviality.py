"""The best of many random networks, where guessing helps and where it does not."""

import math

import pytest
from hand_set import flip_flop, window
from torch import Generator

from lossladder.diagnostics import triviality
from lossladder.models import RNN, Network
from lossladder.tasks import Echo, Parity


def test_networks_that_cannot_vary_all_do_what_the_first_does():
    """Nothing is drawn of it, but for the readout, which is: the trained one is still the best."""
    found = triviality(flip_flop(), Parity(20), Generator().manual_seed(0), draws=20)
    assert found.network == pytest.approx(0.0, abs=1e-6)
    assert found.floor == pytest.approx(0.0, abs=1e-9)
    assert found.ceiling == pytest.approx(math.log(2), abs=0.01)
    assert len(found.losses) == 20
    assert found.losses.tolist() == sorted(found.losses.tolist())


def test_no_guess_comes_near_to_the_floor_of_echo():
    network = Network(RNN(2, 8), 2)
    found = triviality(network, Echo(), Generator().manual_seed(0), draws=20)
    assert found.losses.min() > 0.5 > found.floor
    knows = triviality(window(Echo(), "lags 3 and 8"), Echo(), Generator().manual_seed(0), draws=1)
    assert knows.network == pytest.approx(knows.floor, abs=1e-6)
