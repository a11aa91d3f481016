"""A temporal convolution is torch's causal nn.Conv1d in a residual block, and sees no further."""

from functools import partial

import pytest
import torch
from torch import Generator, nn

from lossladder.engines import Fused, StackedEngine
from lossladder.models import TCN, Dynamics
from lossladder.testing import check_engine, check_network


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def drawn(window: int, input_size: int = 3, hidden_size: int = 5) -> TCN:
    """Nothing in it is zero."""
    network = TCN(input_size, hidden_size, window).double()
    for number, parameter in enumerate(network.parameters()):
        parameter.data = normal(*parameter.shape, seed=number)
    return network


def convolution(linear: nn.Linear, inputs: int, kernel: int) -> nn.Conv1d:
    """The same weights in torch's convolution: (output, input, step)."""
    conv = nn.Conv1d(inputs, linear.out_features, kernel, dtype=torch.float64)
    conv.weight.data = linear.weight.data.unflatten(1, (kernel, inputs)).mT.contiguous()
    conv.bias.data = linear.bias.data.clone()
    return conv


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("input_size", [3, 5])
def test_it_is_a_residual_block_of_torchs_causal_convolutions(window, input_size):
    ours, inputs = drawn(window, input_size), normal(4, 9, input_size, seed=50)
    x = inputs.mT  # (batch, input, time)
    padded = nn.functional.pad(x, (window - 1, 0))
    y = torch.relu(convolution(ours.convolve, input_size, window)(padded))
    z = torch.relu(convolution(ours.mix, 5, 1)(y))
    narrow = isinstance(ours.skip, nn.Linear)
    assert narrow == (input_size != 5)
    skipped = convolution(ours.skip, input_size, 1)(x) if narrow else x
    hiddens, _ = ours(inputs, ours.initial_state(4))
    torch.testing.assert_close(hiddens, torch.relu(z + skipped).mT, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sizes", [(2, 5, 1), (5, 5, 3)])
def test_other_sizes_keep_the_laws(sizes):
    check_network(TCN(*sizes))


def test_it_says_how_far_it_sees():
    assert TCN(2, 3, window=7).dynamics == Dynamics("none", window=7)
    with pytest.raises(ValueError, match=r"window=2.5: must be a whole number of at least 1"):
        TCN(2, 3, window=2.5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("engine", [Fused, StackedEngine])
def test_it_trains_like_in_a_plain_loop_whatever_its_window(engine, window):
    check_engine(engine, networks=(partial(TCN, window=window),), clips=(None,))
