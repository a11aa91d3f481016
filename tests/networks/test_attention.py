"""Attention over a window is torch's transformer layer under a band mask, and sees no further."""

from functools import partial

import pytest
import torch
from torch import Generator, nn
from torch.optim import SGD

from lossladder.engines import Fused, StackedEngine
from lossladder.models import Dynamics, Layers, WindowAttention
from lossladder.testing import check_engine, check_network


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def drawn(window: int, hidden_size: int = 6) -> WindowAttention:
    """Nothing in it is zero."""
    network = WindowAttention(3, hidden_size, window).double()
    for number, parameter in enumerate(network.parameters()):
        parameter.data = 0.4 * normal(*parameter.shape, seed=number)
    return network


def torchs_layer(ours: WindowAttention) -> nn.TransformerEncoderLayer:
    """The same weights in torch's layer."""
    size = ours.hidden_size
    layer = nn.TransformerEncoderLayer(size, 1, 4 * size, dropout=0.0, batch_first=True).double()
    pairs = {
        layer.self_attn.out_proj.weight: ours.output.weight,
        layer.linear1.weight: ours.inner.weight,
        layer.linear1.bias: ours.inner.bias,
        layer.linear2.weight: ours.outer.weight,
        layer.linear2.bias: ours.outer.bias,
        layer.norm1.weight: ours.norm_attended.weight,
        layer.norm1.bias: ours.norm_attended.bias,
        layer.norm2.weight: ours.norm_output.weight,
        layer.norm2.bias: ours.norm_output.bias,
    }
    for theirs, own in pairs.items():
        theirs.data = own.data.clone()
    three = [part.weight.data for part in (ours.query, ours.key, ours.value)]
    layer.self_attn.in_proj_weight.data = torch.cat(three)
    for bias in (layer.self_attn.in_proj_bias, layer.self_attn.out_proj.bias):
        nn.init.zeros_(bias)
    return layer


@pytest.mark.parametrize("window", [1, 2, 4])
def test_it_is_torchs_transformer_layer_under_a_band_mask(window):
    ours, steps = drawn(window), 9
    lag = torch.arange(steps)[:, None] - torch.arange(steps)
    inside = (lag >= 0) & (lag < window)
    band = torch.where(inside, ours.by_lag.detach()[lag.clamp(0, window - 1)], -torch.inf)
    inputs = normal(4, steps, 3, seed=50)
    theirs = torchs_layer(ours)(ours.embed(inputs), src_mask=band)
    hiddens, _ = ours(inputs, ours.initial_state(4))
    torch.testing.assert_close(hiddens, theirs, rtol=1e-9, atol=1e-9)


def test_the_order_of_the_inputs_is_seen():
    network, inputs = drawn(4), normal(1, 4, 3, seed=50)
    turned = inputs[:, [1, 0, 2, 3]]
    last, other = (network(x, network.initial_state(1))[0][:, 3] for x in (inputs, turned))
    assert not torch.allclose(last, other)
    network.by_lag.data.zero_()  # and by nothing else than the lags' own numbers
    last, other = (network(x, network.initial_state(1))[0][:, 3] for x in (inputs, turned))
    torch.testing.assert_close(last, other)


@pytest.mark.parametrize("window", [1, 2])
def test_windows_of_other_lengths_keep_the_laws(window):
    check_network(WindowAttention(2, 5, window))


def test_layers_look_back_from_what_the_one_below_has_seen():
    layers = Layers([WindowAttention(3, 4, 3), WindowAttention(4, 4, 3)]).double()
    assert layers.dynamics == Dynamics("none", window=5, layers=2)
    inputs = normal(1, 9, 3)
    before, _ = layers(inputs, layers.initial_state(1))
    for lag in (4, 5):
        other = inputs.clone()
        other[:, 8 - lag] += 1
        after, _ = layers(other, layers.initial_state(1))
        assert torch.equal(after[:, 8], before[:, 8]) == (lag == 5)


def test_a_window_that_is_none_is_refused():
    with pytest.raises(ValueError, match="window=0: must be a whole number of at least 1"):
        WindowAttention(2, 3, window=0)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("engine", [Fused, StackedEngine])
def test_it_trains_like_in_a_plain_loop_whatever_its_window(engine, window):
    network = partial(WindowAttention, window=window)
    # Where a single step is seen, that of its lag has gradient zero but for rounding, of which
    # Adagrad makes whole steps.
    momentum = partial(SGD, lr=0.1, momentum=0.9)
    check_engine(engine, networks=(network,), optimizers=(momentum,), clips=(None,))
