"""A reservoir does what a loop in NumPy does, is scaled as asked, and is never trained."""

import numpy as np
import pytest
import torch
from torch import Generator

from lossladder.engines import Autograd, Chunk, Fused, Stacked, stack_chunks
from lossladder.models import Dynamics, Network, Reservoir
from lossladder.tasks import Delay
from lossladder.testing import check_network


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("activation", ["tanh", "identity"])
@pytest.mark.parametrize("leak", [1.0, 0.3])
def test_hiddens_are_those_of_a_loop_in_numpy(activation, leak):
    network = Reservoir(3, 7, leak=leak, activation=activation).double()
    network.initialise(generator())
    w, w_in = (p.detach().numpy() for p in (network.weight_hh, network.weight_ih))
    inputs = torch.randn(20, 3, generator=generator(1), dtype=torch.float64)
    f = np.tanh if activation == "tanh" else lambda summed: summed
    h, expected = np.zeros(7), []
    for x in inputs.numpy():
        h = (1 - leak) * h + leak * f(w @ h + w_in @ x)
        expected.append(h)
    hiddens, (last,) = network(inputs[None], network.initial_state(1))
    np.testing.assert_allclose(hiddens[0].numpy(), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(last[0].numpy(), h, rtol=1e-9, atol=1e-12)


def test_hiddens_are_those_of_reservoirpy():
    nodes = pytest.importorskip("reservoirpy.nodes")
    network = Reservoir(3, 7, leak=0.3).double()
    network.initialise(generator())
    w, w_in = (p.detach().numpy() for p in (network.weight_hh, network.weight_ih))
    inputs = torch.randn(20, 3, generator=generator(1), dtype=torch.float64)
    theirs = nodes.Reservoir(units=7, lr=0.3, W=w, Win=w_in, bias=np.zeros(7))
    hiddens, _ = network(inputs[None], network.initial_state(1))
    np.testing.assert_allclose(hiddens[0].numpy(), theirs.run(inputs.numpy()), rtol=1e-9)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.3])
def test_the_largest_eigenvalue_has_the_modulus_asked_for(radius):
    network = Reservoir(2, 30, spectral_radius=radius, input_scale=0.2).double()
    network.initialise(generator())
    found = np.abs(np.linalg.eigvals(network.weight_hh.numpy())).max()
    assert found == pytest.approx(radius, rel=1e-9)
    assert 0.18 < network.weight_ih.abs().max() <= 0.2


@pytest.mark.parametrize("words", [{"activation": "identity"}, {"leak": 0.25}])
def test_other_settings_keep_the_laws(words):
    check_network(Reservoir(2, 5, **words))


def test_without_tanh_the_state_is_an_affine_map_of_the_one_before():
    assert Reservoir(2, 3).dynamics == Dynamics("nonlinear", counts=False)
    assert Reservoir(2, 3, activation="identity").dynamics.affine


@pytest.mark.parametrize("engine", [Autograd, Fused, Stacked])
def test_only_the_readout_is_trained_and_every_member_keeps_its_own_weights(engine):
    task = Delay(steps=3)
    networks = [Network(Reservoir(1, 8, spectral_radius=r), 3) for r in (0.5, 0.9)]
    for seed, network in enumerate(networks):
        network.initialise(generator(seed))
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in networks]
    optimizers = [torch.optim.Adam(network.trained(), 0.01) for network in networks]
    draws = [task.draw(generator(5 + seed), 4 * 6, 10) for seed in range(2)]
    chunks = [Chunk(*(p.unflatten(0, (4, 6)) for p in d[:2]), None, carried=False) for d in draws]
    if engine is Stacked:
        engine(networks, task, optimizers).train(stack_chunks(chunks), None)
    else:
        for network, optimizer, chunk in zip(networks, optimizers, chunks, strict=True):
            engine(network, task, optimizer).train(chunk, None)
    for network, then in zip(networks, before, strict=True):
        now = network.state_dict()
        moved = {name for name in now if not torch.equal(now[name], then[name])}
        assert moved == {"readout.weight", "readout.bias"}


def test_a_linear_one_recalls_no_more_inputs_than_it_has_units():
    """Of its readouts the best there are: least squares on a long stream."""
    network = Reservoir(1, 4, activation="identity").double()
    network.initialise(generator())
    draw = Delay(steps=12).draw(generator(1), 1, 20_000)
    hiddens, _ = network(draw.inputs.double(), network.initial_state(1))
    h, targets = hiddens[0, 50:], draw.targets[0, 50:].double()
    left = targets - h @ torch.linalg.lstsq(h, targets).solution
    r2 = float((1 - left.var(dim=0) / targets.var(dim=0)).sum())
    assert 3.5 < r2 < 4 + 0.03  # of 12 inputs, up to what so many steps tell by chance


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"spectral_radius": 0}, "spectral_radius=0: must be a number above 0"),
        ({"input_scale": -1}, "input_scale=-1: must be a number above 0"),
        ({"leak": 0}, "leak=0: must be above 0"),
        ({"leak": 1.5}, "leak=1.5: must be a number from 0 to 1"),
        ({"activation": "relu"}, "activation='relu': must be one of tanh, identity"),
    ],
)
def test_what_is_no_reservoir_is_refused(words, complaint):
    with pytest.raises(ValueError, match=complaint):
        Reservoir(2, 3, **words)
