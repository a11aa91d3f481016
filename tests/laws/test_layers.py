"""Layers keep the laws of their parts; they are stacked as nn.LSTM is, and one is no stack."""

import copy

import pytest
import torch
from fast_weights import FastWeights
from torch import nn
from torch.optim import Adam

from lossladder.data.datamodule import seeded
from lossladder.engines import Autograd, Chunk, Fused, Stacked, StackedEngine, stack_chunks
from lossladder.models import (
    GRU,
    LSTM,
    RNN,
    Cell,
    GRUCell,
    Layers,
    LSTMCell,
    Network,
    RNNByHand,
    TorchRNN,
)
from lossladder.models.recurrent import output_and_state
from lossladder.tasks import Echo
from lossladder.testing import check_engine, check_network
from lossladder.training.locate import locate_class

SIZE = "model.hidden_size=3"


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def assert_same(ours, theirs) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


# --- what a stack is --------------------------------------------------------------------------


@pytest.mark.sampled(5)
def test_layers_of_every_network_keep_the_laws_of_networks(model_yaml, built):
    layers = built(f"model={model_yaml}", "task=echo", SIZE, "model.layers=2").network.recurrent
    assert isinstance(layers, Layers)
    check_network(layers)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [LSTM(2, 3), RNN(3, 4), GRUCell(4, 2)],
        lambda: [RNNByHand(2, 3, learn_initial_state=True), LSTMCell(3, 3)],
        lambda: [FastWeights(2, 3), RNN(3, 3)],
        lambda: [RNN(2, 3), Layers([GRU(3, 3), LSTM(3, 3)])],
    ],
    ids=["mixed", "learned start", "a matrix", "layers of layers"],
)
def test_any_networks_can_be_stacked(make):
    check_network(Layers(make()))


@pytest.mark.parametrize("kind", [(LSTM, nn.LSTM), (GRU, nn.GRU), (TorchRNN, nn.RNN)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_layers_of_torchs_layers_are_torchs_own_stack(kind, dropout):
    ours, theirs = kind
    stack = Layers([ours(2, 4), ours(4, 4), ours(4, 4)], dropout).double()
    twin = theirs(2, 4, num_layers=3, batch_first=True, dropout=dropout).double()
    for weights, part in zip(twin.all_weights, stack.parts, strict=True):
        for weight, own in zip(weights, part.layer.all_weights[0], strict=True):
            weight.data.copy_(own.data)
    # one sequence: torch puts the time first, so that of more it would zero others
    inputs = normal(1, 30, 2)
    for module in (stack, twin):
        module.train()
    torch.manual_seed(0)
    hiddens, after = stack(inputs, stack.initial_state(1))
    torch.manual_seed(0)
    expected, last = twin(inputs)
    assert_same(hiddens, expected)
    last = last if isinstance(last, tuple) else (last,)
    for number in range(3):
        count = len(last)
        assert_same(after[number * count : (number + 1) * count], tuple(p[number] for p in last))


@pytest.mark.sampled(8)
def test_one_layer_is_what_it_was_to_the_last_bit(model_yaml, configured, built):
    config = configured(f"model={model_yaml}", "task=echo")
    parts = built(f"model={model_yaml}", "task=echo")
    common = configured("task=echo", "~model.hidden_size", "~model.gain")["model"]
    keys = {k: v for k, v in config["model"].items() if k not in common}
    kind = locate_class("model", config["model"]["_target_"], nn.Module)
    plain = Network(kind(input_size=2, **keys), 2)
    plain.initialise(seeded("weights", 0))
    ours, theirs = parts.network.state_dict(), plain.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_step_is_what_forward_does_with_one(dropout):
    layers = Layers([LSTMCell(2, 3), FastWeights(3, 3), RNN(3, 3)], dropout).double()
    inputs, state = normal(4, 1, 2), layers.initial_state(4)
    assert layers.stepwise
    torch.manual_seed(0)
    hiddens, after = layers(inputs, state)
    torch.manual_seed(0)
    output, stepped = output_and_state(layers.step(inputs[:, 0], state))
    assert_same(output, hiddens[:, 0])
    assert_same(stepped, after)


def test_layers_of_whole_windows_have_no_step():
    layers = Layers([RNN(2, 3), LSTM(3, 3)])
    assert not layers.stepwise
    with pytest.raises(TypeError, match="LSTM takes whole windows"):
        layers.step(torch.zeros(1, 2), layers.initial_state(1))


@pytest.mark.parametrize(
    ("parts", "dropout", "complaint"),
    [
        ([], 0.0, "layers=0: must be at least 1"),
        ([(2, 3), (4, 3)], 0.0, "input_size=4: must be 3"),
        ([(2, 3)], 0.1, "dropout=0.1: is between layers, and there is one; take layers=2"),
        ([(2, 3), (3, 3)], 1.0, "dropout=1: must be below 1"),
        ([(2, 3), (3, 3)], -0.5, "dropout=-0.5: must be a number from 0 to 1"),
    ],
)
def test_what_is_no_stack_is_refused(parts, dropout, complaint):
    with pytest.raises(ValueError, match=complaint):
        Layers([RNN(*sizes) for sizes in parts], dropout)


class Own(Cell):
    """A network with keys of its own that are called like ours."""

    def __init__(self, input_size: int, hidden_size: int, layers: int = 1, dropout: float = 0.0):
        super().__init__(input_size, hidden_size)
        self.asked = layers, dropout
        self.weight = nn.Parameter(torch.zeros(input_size, hidden_size))

    def initialise(self, generator=None) -> None:
        nn.init.normal_(self.weight, generator=generator)

    def step(self, x, state):
        return (torch.tanh(x @ self.weight),)


def test_a_class_with_such_keys_of_its_own_keeps_them(configured, monkeypatch):
    from lossladder import models
    from lossladder.training.build import build

    monkeypatch.setattr(models, "RNN", Own)
    config = configured("model=rnn", "task=echo", "model.layers=3", "model.dropout=0.1")
    model = {key: value for key, value in config["model"].items() if key != "gain"}
    assert build({**config, "model": model}).network.recurrent.asked == (3, 0.1)


# --- engines ----------------------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", [LSTM, GRU, TorchRNN, RNN, GRUCell])
@pytest.mark.parametrize("engine", [Autograd, StackedEngine])
def test_layers_train_like_in_a_plain_loop(engine, kind):
    def networks(inputs: int, hidden: int) -> Layers:
        return Layers([kind(inputs, hidden), kind(hidden, hidden)])

    check_engine(engine, networks=(networks,), clips=(0.05,))


@pytest.mark.parametrize("kind", [LSTM, RNN])
def test_members_of_layers_train_as_if_alone(kind):
    networks = [Network(Layers([kind(2, 3), GRU(3, 4)]), 2) for _ in range(3)]
    twins, task = copy.deepcopy(networks), Echo({1: 0.5})
    chunks = [chunk_of(task, seed) for seed in range(3)]
    optimizers = [Adam(network.parameters(), 0.01) for network in networks]
    losses, _ = Stacked(networks, task, optimizers).train(stack_chunks(chunks), None)
    for twin, chunk, loss in zip(twins, chunks, losses, strict=True):
        alone = Autograd(twin, task, Adam(twin.parameters(), 0.01))
        torch.testing.assert_close(loss, alone.train(chunk, None)[0], rtol=1e-4, atol=1e-5)


def chunk_of(task, seed: int = 0) -> Chunk:
    draw = task.draw(torch.Generator().manual_seed(seed), 5 * 6, 4)
    inputs, targets = (part.unflatten(0, (5, 6)) for part in draw[:2])
    return Chunk(inputs, targets, None, carried=True)


def stack_of(kind=LSTM, dropout: float = 0.5) -> Network:
    return Network(Layers([kind(2, 4), kind(4, 4)], dropout), 2)


@pytest.mark.parametrize("kind", [LSTM, RNN])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_takes_other_hiddens_of_each_member(kind, dropout):
    first = stack_of(kind, dropout)
    networks = [first, copy.deepcopy(first)]
    optimizers = [Adam(network.parameters(), 0.01) for network in networks]
    chunk = stack_chunks([chunk_of(Echo())] * 2)
    losses, _ = Stacked(networks, Echo(), optimizers).train(chunk, None)
    assert torch.equal(losses[0], losses[1]) == (dropout == 0)


def test_being_asked_whether_it_fits_draws_no_numbers():
    network = stack_of()
    before = torch.get_rng_state()
    assert StackedEngine.unsupported_reason(network, Echo(), Adam(network.parameters())) is None
    assert torch.equal(before, torch.get_rng_state())


def test_fused_says_why_it_takes_no_dropout():
    network = stack_of()
    assert "dropout" in Fused.unsupported_reason(network, Echo(), Adam(network.parameters()))


def test_without_training_nothing_drops_out():
    layers, inputs = stack_of().recurrent, torch.randn(3, 5, 2)
    plain = Layers([*layers.parts])
    assert not torch.equal(*(layers(inputs, layers.initial_state(3))[0] for _ in range(2)))
    layers.eval()
    state = layers.initial_state(3)
    assert torch.equal(layers(inputs, state)[0], plain(inputs, state)[0])
