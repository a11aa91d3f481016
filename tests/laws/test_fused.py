"""The fused engine does what autograd does: the same losses, parameters and state."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lossladder.engines import (
    Autograd,
    Chunk,
    Fused,
    FusedPopulation,
    stack_chunks,
    stack_states,
)
from lossladder.models import GRU, LSTM, RNN, Network, RNNByHand, TorchRNN
from lossladder.tasks import Echo, Task

CELLS = [RNN, TorchRNN, LSTM, GRU]


class Coded(Task):
    """Symbols that a network sees as the lines of any encoding, and classes; nothing else."""

    def __init__(self, encoding, output_size):
        self.encoding, self.output_size = encoding, output_size

    def draw(self, *_):
        raise NotImplementedError

    probabilities = ladder = draw


def plain(network, task, optimizer, chunk, state, clip=None):
    """The same updates by torch's own backward pass."""
    return Autograd(network, task, optimizer, clip).train(chunk, state)


def draw_chunk(
    generator, windows, batch, time, classes, symbols, inputs, real, masked, carried, dtype
):
    rand = lambda *s: torch.rand(*s, generator=generator)  # noqa: E731
    if real:
        seen = torch.randn(windows, batch, time, inputs, generator=generator).to(dtype)
    else:
        seen = torch.randint(symbols, (windows, batch, time), generator=generator).to(torch.uint8)
    encoding = torch.randn(symbols, inputs, generator=generator).to(dtype)
    targets = torch.randint(classes, (windows, batch, time), generator=generator)
    scored = None
    if masked:
        scored = rand(windows, batch, time) < 0.4
        scored[:, 0, -1] = True
    return Coded(encoding, classes), Chunk(seen, targets, scored, carried)


def build(cell, inputs, hidden, classes, dtype, generator):
    network = Network(cell(inputs, hidden), classes).to(dtype)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.5)
    return network


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.3),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3),
    "decay": lambda p: torch.optim.Adagrad(p, lr=0.1, weight_decay=0.1),
}


@given(
    cell=st.sampled_from(CELLS),
    # few sizes, because each is compiled for itself
    hidden=st.sampled_from([1, 4, 7, 13]),
    batch=st.sampled_from([1, 2, 7, 16, 31, 33, 50, 200, 300]),
    time=st.integers(1, 12),
    classes=st.sampled_from([2, 3, 12]),
    symbols=st.sampled_from([1, 2, 5]),
    inputs=st.sampled_from([1, 3]),
    real=st.booleans(),
    masked=st.booleans(),
    carried=st.booleans(),
    seed=st.integers(0, 2**30),
)
# two slabs, of which the second is shorter, by less than the largest register
@example(RNN, 4, 216, 10, 2, 2, 1, False, False, True, 0)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_its_gradients_are_autograds(
    cell, hidden, batch, time, classes, symbols, inputs, real, masked, carried, seed
):
    g = torch.Generator().manual_seed(seed)
    ours = build(cell, inputs, hidden, classes, torch.float64, g)
    theirs = copy.deepcopy(ours)
    task, chunk = draw_chunk(
        g, 3, batch, time, classes, symbols, inputs, real, masked, carried, torch.float64
    )
    state = tuple(
        torch.randn(batch, hidden, generator=g).double().tanh()
        for _ in range(ours.recurrent.state_parts)
    )
    lr = 1.0  # one SGD step is the gradient; three windows also prove the state
    losses, after = Fused(ours, task, torch.optim.SGD(ours.parameters(), lr)).train(chunk, state)
    wanted, wanted_after = plain(
        theirs, task, torch.optim.SGD(theirs.parameters(), lr), chunk, state
    )
    torch.testing.assert_close(losses, wanted, rtol=1e-9, atol=1e-11)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
    for a, b in zip(after, wanted_after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("clip", [None, 0.05, 100.0])
def test_its_losses_are_autograds(rule, cell, clip):
    g = torch.Generator().manual_seed(1)
    ours = build(cell, 2, 5, 3, torch.float32, g)
    theirs = copy.deepcopy(ours)
    task, chunk = draw_chunk(g, 40, 23, 6, 3, 2, 2, False, False, True, torch.float32)
    state = ours.initial_state(23)
    a, b = OPTIMIZERS[rule](ours.parameters()), OPTIMIZERS[rule](theirs.parameters())
    losses, _ = Fused(ours, task, a, clip).train(chunk, state)
    wanted, _ = plain(theirs, task, b, chunk, state, clip)
    torch.testing.assert_close(losses, wanted, rtol=1e-4, atol=1e-5)
    for x, y in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-4)
        for name, kept in b.state[y].items():
            if kept is not None:
                torch.testing.assert_close(a.state[x][name], kept, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_members_learn_as_they_would_alone(cell):
    g = torch.Generator().manual_seed(2)
    networks = [build(cell, 2, 5, 3, torch.float32, g) for _ in range(5)]
    twins = copy.deepcopy(networks)
    drawn = [draw_chunk(g, 20, 40, 6, 3, 2, 2, False, True, True, torch.float32) for _ in networks]
    task, chunks = drawn[0][0], [chunk for _, chunk in drawn]
    rates = [0.01 * (m + 1) for m in range(5)]
    optimizers = [
        torch.optim.Adam(n.parameters(), lr) for n, lr in zip(networks, rates, strict=True)
    ]
    stacked = stack_chunks(chunks)
    states = [n.initial_state(40) for n in networks]
    state = stack_states(states)
    losses, after = FusedPopulation(networks, task, optimizers, threads=2).train(stacked, state)
    for m, twin in enumerate(twins):
        alone = Fused(twin, task, torch.optim.Adam(twin.parameters(), rates[m]))
        wanted, wanted_after = alone.train(chunks[m], twin.initial_state(40))
        assert torch.equal(losses[m], wanted)
        for a, b in zip(after, wanted_after, strict=True):
            assert torch.equal(a[m], b)
        for a, b in zip(networks[m].parameters(), twin.parameters(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_run_goes_on_with_another_engine(rule):
    g = torch.Generator().manual_seed(3)
    ours = build(LSTM, 2, 6, 2, torch.float64, g)
    theirs = copy.deepcopy(ours)
    a, b = OPTIMIZERS[rule](ours.parameters()), OPTIMIZERS[rule](theirs.parameters())
    state = wanted_state = ours.initial_state(9)
    for turn in range(4):
        task, chunk = draw_chunk(g, 5, 9, 4, 2, 2, 2, False, False, True, torch.float64)
        if turn % 2:
            _, state = Fused(ours, task, a).train(chunk, state)
        else:
            _, state = plain(ours, task, a, chunk, state)
        _, wanted_state = plain(theirs, task, b, chunk, wanted_state)
    for x, y in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-9)
        for name, kept in b.state[y].items():
            if kept is not None:
                torch.testing.assert_close(a.state[x][name], kept, rtol=1e-8, atol=1e-9)
    a.load_state_dict(b.state_dict())  # the same keys and shapes


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_network_that_diverged_says_so(cell, classes, poison):
    g = torch.Generator().manual_seed(4)
    network = build(cell, 2, 5, classes, torch.float32, g)
    task, chunk = draw_chunk(g, 12, 33, 6, classes, 2, 2, False, False, True, torch.float32)
    with torch.no_grad():
        network.readout.weight[1, 2] = poison
    losses, _ = Fused(network, task, torch.optim.Adam(network.parameters(), 0.01)).train(
        chunk, network.initial_state(33)
    )
    assert not torch.isfinite(losses[1:]).any()


def test_a_poisoned_state_shows_in_the_loss():
    g = torch.Generator().manual_seed(4)
    for cell in CELLS:
        network = build(cell, 2, 5, 2, torch.float32, g)
        task, chunk = draw_chunk(g, 3, 33, 6, 2, 2, 2, False, False, True, torch.float32)
        state = tuple(part.fill_(float("nan")) for part in network.initial_state(33))
        losses, _ = Fused(network, task, torch.optim.SGD(network.parameters(), 0.1)).train(
            chunk, state
        )
        assert torch.isnan(losses).all()


@pytest.mark.parametrize("classes", [2, 7])
def test_losses_of_tiny_probabilities_are_exact(classes):
    g = torch.Generator().manual_seed(5)
    ours = build(RNN, 2, 4, classes, torch.float32, g)
    with torch.no_grad():
        ours.readout.weight.mul_(60)
        ours.readout.bias.copy_(torch.linspace(-80, 80, classes))
    theirs = copy.deepcopy(ours)
    task, chunk = draw_chunk(g, 3, 50, 20, classes, 2, 2, False, False, True, torch.float32)
    losses, _ = Fused(ours, task, torch.optim.SGD(ours.parameters(), 1e-3)).train(
        chunk, ours.initial_state(50)
    )
    wanted, _ = plain(
        theirs, task, torch.optim.SGD(theirs.parameters(), 1e-3), chunk, theirs.initial_state(50)
    )
    assert wanted.max() > 30
    torch.testing.assert_close(losses, wanted, rtol=1e-5, atol=0)


def test_what_does_not_fit_is_refused_with_the_reason():
    task, network = Echo(), Network(RNN(2, 4), 2)
    adam = torch.optim.Adam
    for optimizer, word in (
        (adam(network.parameters(), amsgrad=True), "amsgrad"),
        (torch.optim.RMSprop(network.parameters()), "RMSprop"),
        (torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True), "nesterov"),
        (torch.optim.SGD(network.parameters(), 0.1, maximize=True), "maximize"),
        (adam([network.readout.weight]), "all trained parameters"),
    ):
        assert word in Fused.unsupported_reason(network, task, optimizer)
        with pytest.raises(ValueError, match=word):
            Fused(network, task, optimizer)
    cell = Network(RNNByHand(2, 4), 2)
    assert "RNNByHand" in Fused.unsupported_reason(cell, task, adam(cell.parameters()))
    assert Fused.unsupported_reason(network, task, adam(network.parameters())) is None
    network.readout.weight.data = torch.rand(4, 2).T
    assert "side by side" in Fused.unsupported_reason(network, task, adam(network.parameters()))
    network.readout.double()
    assert "these are both" in Fused.unsupported_reason(network, task, adam(network.parameters()))


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_tensors_that_others_have_replaced_are_found(rule):
    g = torch.Generator().manual_seed(7)
    ours = build(RNN, 2, 4, 2, torch.float32, g)
    theirs = copy.deepcopy(ours)
    a, b = OPTIMIZERS[rule](ours.parameters()), OPTIMIZERS[rule](theirs.parameters())
    task, engine = Echo(), Fused(ours, Echo(), a)
    # windows and sequences of other numbers, for which the engine makes its memory anew
    for windows, batch in ((5, 9), (5, 9), (3, 9), (3, 20), (5, 9), (5, 9)):
        _, chunk = draw_chunk(g, windows, batch, 4, 2, 2, 2, False, False, False, torch.float32)
        engine.train(chunk, None)
        Fused(theirs, task, b).train(chunk, None)
        for x, y in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(x, y)
            for name, kept in b.state[y].items():
                assert kept is None or torch.equal(a.state[x][name], kept)
        assert a.state_dict()["param_groups"] == b.state_dict()["param_groups"]
        if batch == 9 and windows == 5:
            ours.readout.weight.data = ours.readout.weight.detach().clone()
        if batch == 20:  # torch copies what it loads
            a.load_state_dict(a.state_dict())


@pytest.mark.slow  # two processes that load torch: what they share is tried in test_emission.py
def test_a_kernel_is_found_by_the_next_process(tmp_path):
    program = (
        "import torch\n"
        "from lossladder.engines import Fused\n"
        "from lossladder.engines.fused import store\n"
        "from lossladder.models import RNN, Network\n"
        "from lossladder.tasks import Echo\n"
        "from lossladder.engines.fused.emission import Emitter\n"
        "write, written = Emitter.write, []\n"
        "Emitter.write = lambda self: written.append(self) or write(self)\n"
        "network = Network(RNN(2, 4), 2)\n"
        "engine = Fused(network, Echo(), torch.optim.SGD(network.parameters(), 0.1))\n"
        "print(store.find(engine.population.kernel(False).key) is not None)\n"
        "engine.prepare()\n"
        # what is forked after this has the loop as well
        "from lossladder.engines.fused.loop import compiled\n"
        "print(compiled.cache_info().currsize, len(written))"
    )
    environment = {**os.environ, "LOSSLADDER_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", program]
    said = [
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        for _ in range(2)
    ]
    assert said == ["False\n1 1\n", "True\n1 0\n"]
