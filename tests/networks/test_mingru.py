"""Minimal GRU and minimal LSTM: against the published equations, and minGRU-pytorch's own numbers.

minGRU-pytorch replaces a proposal v by g(v), which is v + 1/2 where v is positive, and has no
biases. So with positive proposals and biases of 1/2 the two are the same function. Its numbers here
are those of its mode for one step; `pip install --no-deps minGRU-pytorch` lets the tests hold them
against the package itself, and `python -m pytest tests/networks/test_mingru.py` then does.
"""

import numpy as np
import pytest
import torch
from drawn import sigmoid
from sines import hiddens, set_to_sines, sines

from lossladder.models import MinGRU, MinLSTM

INPUTS = abs(sines(1, 4, 2, start=0.5))
# minGRU-pytorch 0.2.1
MINGRU = [
    [0.848000536785356, 0.60883737465064],
    [1.018701894114211, 0.918358526687693],
    [1.400197644542261, 1.319825768145127],
    [0.978083864484174, 1.401377638356647],
]
MINLSTM = [
    [0.313382485797915, 1.276132059664367],
    [0.568791751784362, 1.284008228244094],
    [0.780802163010273, 1.703454820596088],
    [0.79698039793666, 1.606210991022043],
]


def published_mingru(w, x, h):
    z = sigmoid(w["gate.weight"] @ x + w["gate.bias"])
    return (1 - z) * h + z * (w["proposal.weight"] @ x + w["proposal.bias"])


def published_minlstm(w, x, h):
    f, i = np.split(sigmoid(w["gates.weight"] @ x + w["gates.bias"]), 2)
    return f / (f + i) * h + i / (f + i) * (w["proposal.weight"] @ x + w["proposal.bias"])


@pytest.mark.parametrize(
    ("network", "published"), [(MinGRU, published_mingru), (MinLSTM, published_minlstm)]
)
def test_it_equals_a_loop_of_the_published_equations(network, published):
    network = network(3, 4)
    w = set_to_sines(network)
    inputs = sines(2, 9, 3, start=0.5)
    for sequence, seen in zip(inputs, hiddens(network, inputs), strict=True):
        h = np.zeros(4)
        for x, hidden in zip(sequence, seen, strict=True):
            h = published(w, x, h)
            np.testing.assert_allclose(hidden, h, rtol=0, atol=1e-12)


def shared_weights():
    """Gates of any sign, and proposals that are positive for positive inputs."""
    gates, proposal = sines(4, 2, start=1.0), abs(sines(2, 2, start=2.0))
    return torch.from_numpy(gates), torch.from_numpy(proposal)


def ours(network):
    network = network(2, 2).double()
    gates, proposal = shared_weights()
    with torch.no_grad():
        layer = network.gate if isinstance(network, MinGRU) else network.gates
        layer.weight.copy_(gates[: len(layer.weight)])
        layer.bias.zero_()
        network.proposal.weight.copy_(proposal)
        network.proposal.bias.fill_(0.5)
    return hiddens(network, INPUTS)


def theirs(network):
    """What minGRU-pytorch puts out, one step after another."""
    published = pytest.importorskip(f"minGRU_pytorch.{network}")
    layer = getattr(published, network)(2).double()
    gates, proposal = shared_weights()
    out = []
    with torch.no_grad():
        (weight,) = layer.parameters()
        weight.copy_(torch.cat([proposal, gates])[: len(weight)])
        hidden = None
        for x in torch.from_numpy(INPUTS).split(1, dim=1):
            _, hidden = layer(x, hidden, return_next_prev_hidden=True)
            out.append(hidden)
    return torch.cat(out, dim=1).numpy()


@pytest.mark.parametrize(("network", "numbers"), [(MinGRU, MINGRU), (MinLSTM, MINLSTM)])
def test_it_puts_out_what_the_published_implementation_does(network, numbers):
    np.testing.assert_allclose(ours(network)[0], numbers, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("network", "numbers"), [("minGRU", MINGRU), ("minLSTM", MINLSTM)])
def test_these_are_the_numbers_of_the_published_implementation(network, numbers):
    np.testing.assert_allclose(theirs(network)[0], numbers, rtol=0, atol=1e-12)


def test_a_step_by_hand():
    """With a gate of 1/4, and with gates 1/2 and 1/4 that share 2 to 1, from 8 towards 2."""
    x, h = torch.ones(1, 1).double(), torch.full((1, 1), 8.0).double()
    small = float(np.log(1 / 3))  # of which the sigmoid is 1/4
    gru, lstm = MinGRU(1, 1).double(), MinLSTM(1, 1).double()
    with torch.no_grad():
        for network in (gru, lstm):
            for parameter in network.parameters():
                parameter.zero_()
            network.proposal.weight.fill_(2.0)
        gru.gate.bias.fill_(small)
        lstm.gates.bias.copy_(torch.tensor([0.0, small]))
        assert float(gru.step(x, (h,))[0]) == pytest.approx(0.75 * 8 + 0.25 * 2, abs=1e-6)
        assert float(lstm.step(x, (h,))[0]) == pytest.approx(2 / 3 * 8 + 1 / 3 * 2, abs=1e-6)


@pytest.mark.parametrize("network", [MinGRU, MinLSTM])
def test_a_state_never_leaves_the_range_of_what_was_proposed(network):
    """So that nothing grows with the length: it cannot count."""
    network = network(3, 4)
    w = set_to_sines(network)
    inputs = 3 * sines(1, 300, 3, start=0.5)
    proposed = inputs[0] @ w["proposal.weight"].T + w["proposal.bias"]
    found = hiddens(network, inputs)[0]
    low, high = np.minimum(proposed.min(axis=0), 0), np.maximum(proposed.max(axis=0), 0)
    assert (found >= low).all()
    assert (found <= high).all()


def test_units_remember_at_the_start():
    gru, lstm = MinGRU(2, 3), MinLSTM(2, 3)
    assert gru.gate.bias.tolist() == [-2.0] * 3
    assert lstm.gates.bias.tolist() == [1.0] * 3 + [-1.0] * 3
    assert not gru.proposal.bias.any()
    assert not lstm.proposal.bias.any()
