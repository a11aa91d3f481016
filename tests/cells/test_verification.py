"""A kernel that is wrong is noticed in its first window, and autograd trains in its place."""

import copy

import pytest
import torch
from torch.optim import Adam
from zoo import ZOO, Leaky, Paced

from lossladder.engines import Autograd, Chunk, Fused, FusedPopulation, stack_chunks
from lossladder.engines.fused import reverse
from lossladder.models import RNN, GRUCell, LSTMCell, Network
from lossladder.tasks import Echo

pytestmark = pytest.mark.usefixtures("own_kernels")
CELLS = {"rnn": RNN, "lstm_cell": LSTMCell, "gru_cell": GRUCell, **ZOO}


def draw_chunk(windows=6, batch=20, time=5, carried=True):
    task = Echo()
    draw = task.draw(torch.Generator().manual_seed(1), batch, windows * time)
    inputs, targets = (
        t.unflatten(1, (windows, time)).transpose(0, 1) for t in (draw.inputs, draw.targets)
    )
    return task, Chunk(inputs, targets, None, carried)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wrong_derivative_is_noticed_and_autograd_trains(dtype, monkeypatch, capsys):
    def wrong(b, g, x, y):
        return b.elementwise("mul", g, b.elementwise("sub", b.const(1.1), y))

    monkeypatch.setitem(reverse._OF_ONE, "tanh", wrong)
    torch.manual_seed(0)
    network = Network(Leaky(2, 4), 2).to(dtype)
    twin = copy.deepcopy(network)
    task, chunk = draw_chunk()
    engine = Fused(network, task, Adam(network.parameters(), lr=0.01), 0.5)
    plain = Autograd(twin, task, Adam(twin.parameters(), lr=0.01), 0.5)
    state = other = None
    for _ in range(2):
        losses, state = engine.train(chunk, state)
        wanted, other = plain.train(chunk, other)
        assert torch.equal(losses, wanted)
        assert all(map(torch.equal, state, other))
    for mine, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    said = capsys.readouterr().err
    assert said.count("\n") == 1  # once, in one line
    assert "the kernel made from Leaky is wrong, and autograd trains instead" in said
    assert "the gradient of recurrent.weight.weight is off by" in said


def test_a_state_of_one_number_a_row_is_learned_where_it_starts_and_carried_on():
    torch.manual_seed(0)
    network = Network(Paced(2, 4), 2).double()
    twin = copy.deepcopy(network)
    task, chunk = draw_chunk()
    engine = Fused(network, task, Adam(network.parameters(), lr=0.01))
    plain = Autograd(twin, task, Adam(twin.parameters(), lr=0.01))
    state = other = None
    for _ in range(2):
        losses, state = engine.train(chunk, state)
        wanted, other = plain.train(chunk, other)
        assert torch.allclose(losses, wanted, rtol=0, atol=1e-12)
        for mine, theirs in zip(state, other, strict=True):
            assert torch.allclose(mine, theirs, rtol=0, atol=1e-12)
    assert torch.allclose(network.recurrent.start, twin.recurrent.start, rtol=0, atol=1e-12)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", CELLS)
def test_a_right_kernel_in_float32_raises_no_alarm(name, capsys):
    torch.manual_seed(0)
    network = Network(CELLS[name](2, 6), 2)
    for p in network.parameters():
        torch.nn.init.uniform_(p, -0.8, 0.8)
    task, chunk = draw_chunk(carried=name not in ("learned_start", "paced"))
    population = FusedPopulation([network], task, [Adam(network.trained(), lr=0.01)])
    population.train(stack_chunks([chunk]), None)
    assert capsys.readouterr().err == ""
    assert not population._instead
