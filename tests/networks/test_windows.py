"""Networks with a window see so many steps, whatever they make of them."""

import pytest
import torch
from drawn import drawn, inputs

from lossladder.models import TCN, WindowAttention


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("kind", [TCN, WindowAttention])
def test_an_input_beyond_the_window_changes_nothing_and_one_within_does(kind, window):
    network, seen = drawn(kind(3, 5, window)), torch.as_tensor(inputs(8, 12, 3))
    before, _ = network(seen, network.initial_state(8))
    for lag in range(8):
        other = seen.clone()
        other[:, 11 - lag] += 1
        after, _ = network(other, network.initial_state(8))
        assert torch.equal(after[:, 11], before[:, 11]) == (lag >= window)
