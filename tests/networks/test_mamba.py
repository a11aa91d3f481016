"""The selective state space: against a loop over single numbers, and mambapy's own block.

mambapy's block has a convolution, which is set here to hand on what it is given, and an output
projection, which is set to hand it on as well. `pip install --no-deps mambapy` lets the tests hold
the numbers written down here against it; `python -m pytest tests/networks/test_mamba.py` then does.
"""

import math

import numpy as np
import pytest
import torch
from drawn import sigmoid
from sines import hiddens, set_to_sines, sines

from lossladder.models import Mamba

INPUTS = sines(1, 4, 2, start=0.5)
MAMBAPY = [  # 1.2.0
    [-0.000746282571347, -0.031449631617053, 8.7957329057e-05, -1.465774036297026],
    [-0.015516882369411, 0.009745561669934, 0.002567631167449, -0.242251984165872],
    [-0.071796432535448, -0.013200270896581, 0.072587901241439, 0.354550905051943],
    [0.002252014549694, -0.004310010814745, 0.012076021099482, -2.051039628437715],
]


def silu(u):
    return u * sigmoid(u)


def test_it_equals_a_loop_over_single_numbers():
    channels, units, rank = 4, 3, 2
    network = Mamba(2, channels, state_size=units, delta_rank=rank)
    w = set_to_sines(network)
    inputs = sines(2, 9, 2, start=0.5)
    for sequence, seen in zip(inputs, hiddens(network, inputs), strict=True):
        state = np.zeros((channels, units))
        for x, hidden in zip(sequence, seen, strict=True):
            u, z = np.split(silu(w["project.weight"] @ x + w["project.bias"]), 2)
            r, write, read = np.split(w["select.weight"] @ u, [rank, rank + units])
            for c in range(channels):
                delta = np.log1p(np.exp(w["pace.weight"][c] @ r + w["pace.bias"][c]))
                y = w["skip"][c] * u[c]
                for n in range(units):
                    keep = np.exp(delta * -np.exp(w["log_rate"][c, n]))
                    state[c, n] = keep * state[c, n] + delta * write[n] * u[c]
                    y += read[n] * state[c, n]
                assert hidden[c] == pytest.approx(y * z[c], abs=1e-12)


def same_weights():
    """A network whose rates and skips are what mambapy can hold, which rounds both to float32."""
    network = Mamba(2, 4, state_size=3, delta_rank=1)
    set_to_sines(network)
    rounded = network.log_rate.detach().float(), network.skip.detach().float()
    with torch.no_grad():
        network.log_rate.copy_(rounded[0].exp().double().log())
        network.skip.copy_(rounded[1])
    return network, rounded


def theirs(scan):
    """What mambapy's block puts out with the same weights, in float64."""
    published = pytest.importorskip("mambapy.mamba")
    network, (log_rate, skip) = same_weights()
    sizes = {"d_model": 2, "d_state": 3, "expand_factor": 2, "dt_rank": 1, "d_conv": 2}
    block = published.MambaBlock(
        published.MambaConfig(n_layers=1, pscan=scan, bias=True, **sizes)
    ).double()
    with torch.no_grad():
        block.in_proj.weight.copy_(network.project.weight)
        block.in_proj.bias.copy_(network.project.bias)
        block.conv1d.weight.copy_(torch.tensor([0.0, 1.0]).expand(4, 1, 2))
        block.conv1d.bias.zero_()
        block.x_proj.weight.copy_(network.select.weight)
        block.dt_proj.weight.copy_(network.pace.weight)
        block.dt_proj.bias.copy_(network.pace.bias)
        block.A_log.copy_(log_rate)
        block.D.copy_(skip)
        block.out_proj = torch.nn.Identity()
        return block(torch.from_numpy(INPUTS)).numpy()


def test_it_puts_out_what_the_published_block_does_without_its_convolution():
    np.testing.assert_allclose(hiddens(same_weights()[0], INPUTS)[0], MAMBAPY, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scan", [True, False])
def test_these_are_the_numbers_of_the_published_block(scan):
    np.testing.assert_allclose(theirs(scan)[0], MAMBAPY, rtol=0, atol=1e-9)


def test_a_step_by_hand():
    """A step of length ln 2 halves what was there, 6, and adds ln 2 times input and B."""
    network = Mamba(1, 1, state_size=1, delta_rank=1).double()
    with torch.no_grad():
        network.project.weight.copy_(torch.tensor([[2.0], [3.0]]))  # u, z before the silu
        network.project.bias.zero_()
        network.select.weight.copy_(torch.tensor([[0.0], [1.0], [1.0]]))  # r = 0, B = C = u
        network.pace.weight.zero_()
        network.pace.bias.zero_()  # softplus(0) = ln 2
        network.log_rate.zero_()
        network.skip.fill_(5.0)
        y, (state,) = network.step(torch.ones(1, 1).double(), (torch.full((1, 1, 1), 6.0),))
    u, z = silu(2.0), silu(3.0)
    assert float(state) == pytest.approx(3 + math.log(2) * u * u, abs=1e-12)
    assert float(y) == pytest.approx(((3 + math.log(2) * u * u) * u + 5 * u) * z, abs=1e-11)


def test_the_readout_sees_the_state_at_an_input_of_zeros():
    network = Mamba(1, 4).double()
    set_to_sines(network)
    seen = hiddens(network, np.array([[[1.0], [0.0]], [[-1.0], [0.0]]]))
    assert (abs(seen[0, 1] - seen[1, 1]) > 1e-6).all()


def test_it_starts_as_published():
    network = Mamba(2, 2000, state_size=4)
    delta = torch.nn.functional.softplus(network.pace.bias.detach().double())
    assert 0.001 * 0.999 <= delta.min() < 0.00101
    assert 0.099 < delta.max() <= 0.1 * 1.001
    # log-uniform: as many below the geometric mean as above
    assert float((delta < 0.01).double().mean()) == pytest.approx(0.5, abs=0.05)
    assert network.log_rate.exp()[:2].flatten().tolist() == pytest.approx([1, 2, 3, 4] * 2)
    assert (network.skip == 1).all()
    assert network.delta_rank == 125
    assert network.pace.weight.abs().max() <= 125**-0.5


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"delta_min": 0.5}, "delta_min=0.5: must be below delta_max=0.1"),
        ({"delta_min": 0.0}, "delta_min=0: must be a number above 0"),
        ({"state_size": 0}, "state_size=0: must be a whole number of at least 1"),
        ({"delta_rank": 0}, "delta_rank=0: must be a whole number of at least 1"),
    ],
)
def test_wrong_requests_are_refused_by_name(choice, message):
    with pytest.raises(ValueError, match=message):
        Mamba(2, 4, **choice)
