"""Our own networks keep the laws of all networks; and what ties the hand-written to torch's."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from lossladder.models import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNByHand,
    TorchRNN,
    TorchRNNCell,
)
from lossladder.testing import check_network

YAMLS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf/model").glob("*.yaml"))
NETWORKS = [*YAMLS, "rnn_by_hand model.learn_initial_state=true"]
NOT_DRAWN = ("recurrent.log_rate",)  # mamba's starts as log 1, 2, ... in every channel
GATES = {
    "rnn": 1,
    "rnn_by_hand": 1,
    "torch_rnn": 1,
    "lstm": 4,
    "lstm_cell": 4,
    "gru": 3,
    "gru_cell": 3,
}


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def assert_close(left, right) -> None:
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("words", NETWORKS)
def test_a_network_keeps_the_laws_of_all_networks(words, built):
    choices = f"model={words} task=echo model.hidden_size=5".split(" ")
    check_network(built(*choices).network.recurrent)


def parameters_of(network: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.sampled(8)
def test_another_seed_draws_every_weight_anew(model_yaml, built):
    network = built(f"model={model_yaml}", "task=echo").network
    drawn = []
    for seed in (1, 2):
        network.initialise(generator(seed))
        named = network.named_parameters()
        drawn.append([p.detach().clone() for n, p in named if p.dim() > 1 and n not in NOT_DRAWN])
    assert not any(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


@pytest.mark.sampled(5)
def test_the_seed_of_a_run_decides_its_first_weights(model_yaml, built):
    first, again, other = (
        parameters_of(built(f"model={model_yaml}", "task=echo", f"seed={seed}").network)
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


# --- how our own networks start -------------------------------------------------------------


@pytest.mark.parametrize(("name", "gates"), GATES.items())
def test_weights_are_glorot_uniform_over_input_and_state_together(name, gates, built):
    network = built(f"model={name}", "task=echo", "model.hidden_size=64").network
    bound = (6 / (2 + 64 + gates * 64)) ** 0.5
    for parameter in parameters_of(network.recurrent):
        if parameter.dim() == 2:
            assert parameter.abs().max() <= bound
            assert parameter.abs().max() > 0.95 * bound
            spread = bound / 3**0.5  # of a uniform law
            assert abs(parameter.mean()) < 4 * spread / parameter.numel() ** 0.5
            assert float(parameter.std()) == pytest.approx(spread, rel=0.15)
    assert network.readout.weight.abs().max() <= (6 / (64 + 2)) ** 0.5
    assert not network.readout.bias.any()


@pytest.mark.parametrize("name", ["rnn", "rnn_by_hand", "torch_rnn", "gru", "gru_cell"])
def test_biases_start_at_zero(name, built):
    for parameter in built(f"model={name}", "task=echo").network.recurrent.parameters():
        assert parameter.dim() == 2 or not parameter.any()


def test_the_gain_of_the_rnn_scales_its_start_and_nothing_else(built):
    whole, half = (
        built("model=rnn", "task=echo", f"model.gain={gain}").network for gain in (1.0, 0.5)
    )
    assert_close(half.recurrent.weight, whole.recurrent.weight / 2)
    assert torch.equal(half.readout.weight, whole.readout.weight)


@pytest.mark.parametrize("network_type", [LSTM, LSTMCell])
@pytest.mark.parametrize("forget_bias", [1.0, 0.0, 2.5])
def test_of_the_biases_only_the_forget_gates_does_not_start_at_zero(network_type, forget_bias):
    network = network_type(input_size=2, hidden_size=3, forget_bias=forget_bias)
    bias = sum(p for p in network.parameters() if p.dim() == 1)  # there are two, which add up
    expected = torch.tensor([0.0, forget_bias, 0.0, 0.0]).repeat_interleave(3)
    assert torch.equal(bias, expected)


@pytest.mark.parametrize("network_type", [RNN, RNNByHand, TorchRNN, LSTM, LSTMCell, GRU, GRUCell])
@pytest.mark.parametrize("size", ["input_size", "hidden_size"])
@pytest.mark.parametrize("value", [0, -4])
def test_sizes_that_are_none_are_refused_by_name(network_type, size, value):
    sizes = {"input_size": 2, "hidden_size": 3, size: value}
    with pytest.raises(ValueError, match=f"{size}={value}: must be a whole number of at least 1"):
        network_type(**sizes)


# --- twins ----------------------------------------------------------------------------------


def outputs_and_gradients(recurrent):
    """Hiddens, last state, and gradients of a loss that looks at all of them."""
    inputs = normal(4, 7, 3).requires_grad_()
    state = tuple(
        torch.tanh(normal(4, 5, seed=20 + i)).requires_grad_() for i in range(recurrent.state_parts)
    )
    hiddens, after = recurrent(inputs, state)
    loss = (hiddens * normal(4, 7, 5, seed=30)).sum() + sum((part**3).sum() for part in after)
    loss.backward()
    gradients = {name: p.grad for name, p in recurrent.named_parameters()}
    return (hiddens, after, inputs.grad, [part.grad for part in state]), gradients


@pytest.mark.parametrize("twins", [(LSTMCell, LSTM), (GRUCell, GRU), (TorchRNNCell, TorchRNN)])
def test_a_network_written_by_hand_equals_its_torch_twin(twins):
    hand, torchs = (make(input_size=3, hidden_size=5).double() for make in twins)
    for number, parameter in enumerate(hand.parameters()):
        parameter.data = normal(*parameter.shape, seed=number)
    weights = {f"layer.{name}_l0": value for name, value in hand.state_dict().items()}
    torchs.load_state_dict(weights)
    ours, our_gradients = outputs_and_gradients(hand)
    theirs, their_gradients = outputs_and_gradients(torchs)
    assert_close(ours, theirs)
    assert_close({f"layer.{name}_l0": g for name, g in our_gradients.items()}, their_gradients)


def test_the_notebooks_rnn_equals_torchs_with_one_matrix_for_two():
    hand, torchs = (make(input_size=3, hidden_size=5).double() for make in (RNN, TorchRNN))
    hand.weight.data, hand.bias.data = normal(8, 5), normal(5, seed=1)
    weights = {
        "layer.weight_ih_l0": hand.weight[:3].T,
        "layer.weight_hh_l0": hand.weight[3:].T,
        "layer.bias_ih_l0": hand.bias / 4,
        "layer.bias_hh_l0": hand.bias * 3 / 4,
    }
    torchs.load_state_dict(weights)
    ours, our_gradients = outputs_and_gradients(hand)
    theirs, their_gradients = outputs_and_gradients(torchs)
    assert_close(ours, theirs)
    both = [their_gradients[f"layer.weight_{part}_l0"].T for part in ("ih", "hh")]
    assert_close(our_gradients["weight"], torch.cat(both))
    assert_close(our_gradients["bias"], their_gradients["layer.bias_ih_l0"])
    assert_close(our_gradients["bias"], their_gradients["layer.bias_hh_l0"])


@given(
    batch=st.integers(1, 5),
    time=st.integers(1, 9),
    inputs=st.integers(1, 4),
    hidden=st.integers(1, 7),
    learned=st.booleans(),
    seed=st.integers(0, 2**30),
)
def test_back_propagation_by_hand_equals_autograds(batch, time, inputs, hidden, learned, seed):
    """Of a loss that looks at every step and at the last state."""
    hand = RNNByHand(inputs, hidden, learn_initial_state=learned).double()
    plain = RNN(inputs, hidden).double()
    for number, parameter in enumerate(hand.parameters()):
        parameter.data = normal(*parameter.shape, seed=seed + number)
    plain.weight.data, plain.bias.data = hand.weight.data, hand.bias.data
    x = normal(batch, time, inputs, seed=seed + 7)
    weights = normal(batch, time, hidden, seed=seed + 8)
    start = normal(batch, hidden, seed=seed + 9)
    if learned:
        start = hand.start.detach().expand(batch, -1)
    results = []
    for network in (hand, plain):
        seen, state = x.clone().requires_grad_(), start.clone().requires_grad_()
        given = hand.initial_state(batch) if learned and network is hand else (state,)
        hiddens, (last,) = network(seen, given)
        ((hiddens * weights).sum() + (last**3).sum()).backward()
        of_start = state.grad
        if learned:
            of_start = hand.start.grad if network is hand else state.grad.sum(dim=0)
        gradients = network.weight.grad, network.bias.grad, seen.grad, of_start
        results.append((hiddens.detach(), last.detach(), *gradients))
    assert_close(*results)
