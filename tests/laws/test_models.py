"""What every network must obey, and what ties the hand-written ones to torch's."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator
from torch.func import functional_call

from lossladder.models import GRU, LSTM, RNN, GRUCell, LSTMCell, Network, RNNByHand, TorchRNN

YAMLS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf/model").glob("*.yaml"))
NETWORKS = [*YAMLS, "rnn_by_hand model.learn_initial_state=true"]
GATES = {
    "rnn": 1,
    "rnn_by_hand": 1,
    "torch_rnn": 1,
    "lstm": 4,
    "lstm_cell": 4,
    "gru": 3,
    "gru_cell": 3,
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, built) -> Network:
    """The yaml's network, small and in float64, with nothing in it left at zero."""
    choices = f"model={request.param} task=echo model.hidden_size=5".split(" ")
    network = built(*choices).network.double()
    for number, parameter in enumerate(network.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator(number))
    return network


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def some_state(network: Network, batch_size: int):
    parts = network.initial_state(batch_size)
    return tuple(torch.tanh(normal(*part.shape, seed=9 + i)) for i, part in enumerate(parts))


def assert_close(left, right) -> None:
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-12)


# --- the laws -------------------------------------------------------------------------------


@given(cut=st.integers(0, 7))
def test_a_later_input_changes_nothing_before_it(network, cut):
    inputs = normal(3, 8, 2)
    changed = torch.cat([inputs[:, :cut], normal(3, 8 - cut, 2, seed=1)], dim=1)
    before, _ = network(inputs)
    after, _ = network(changed)
    assert torch.equal(before[:, :cut], after[:, :cut])
    assert not torch.isclose(before[:, cut:], after[:, cut:]).all(dim=-1).any()


@given(cuts=st.sets(st.integers(1, 11)), seed=st.integers(0, 2**32))
def test_cutting_a_window_and_carrying_the_state_changes_nothing(network, cuts, seed):
    inputs = normal(3, 12, 2, seed=seed)
    state = some_state(network, 3)
    whole = network(inputs, state)
    pieces = []
    for first, last in pairwise([0, *sorted(cuts), 12]):
        logits, state = network(inputs[:, first:last], state)
        pieces.append(logits)
    assert_close((torch.cat(pieces, dim=1), state), whole)


def test_without_a_state_a_network_starts_from_its_initial_one(network):
    inputs = normal(3, 4, 2)
    assert_close(network(inputs), network(inputs, network.initial_state(3)))
    from_elsewhere, _ = network(inputs, some_state(network, 3))
    same = bool(torch.isclose(network(inputs)[0], from_elsewhere).all())
    assert same is not network.recurrent.remembers


@given(row=st.integers(0, 3))
def test_rows_of_a_batch_do_not_touch_each_other(network, row):
    inputs, state = normal(4, 6, 2), some_state(network, 4)
    logits, after = network(inputs, state)
    others = torch.arange(4) != row
    changed = torch.where(others[:, None, None], inputs, normal(4, 6, 2, seed=1))
    fuzzed = tuple(torch.where(others[:, None], part, -part) for part in state)
    assert_close(network(changed, fuzzed)[0][others], logits[others])
    alone = slice(row, row + 1)
    expected = logits[alone], tuple(part[alone] for part in after)
    assert_close(network(inputs[alone], tuple(part[alone] for part in state)), expected)


def test_gradients_equal_finite_differences(network):
    names = [name for name, _ in network.named_parameters()]

    def outputs(inputs, *rest):
        state, values = rest[: -len(names)], rest[-len(names) :]
        parameters = dict(zip(names, values, strict=True))
        logits, after = functional_call(network, parameters, (inputs, state))
        return logits, *after

    variables = [normal(2, 3, 2), *some_state(network, 2), *network.parameters()]
    variables = [v.detach().clone().requires_grad_() for v in variables]
    assert torch.autograd.gradcheck(outputs, variables)


def test_the_first_part_of_the_state_is_what_the_readout_sees(network):
    logits, state = network(normal(3, 4, 2))
    assert_close(network.readout(state[0]), logits[:, -1])


def test_the_initial_state_is_the_same_for_every_sequence_and_zero_unless_it_is_learned(network):
    state = network.initial_state(7)
    assert len(state) == network.recurrent.state_parts
    learned = network.recurrent.learns_initial_state
    for part in state:
        assert part.shape == (7, 5)
        assert part.dtype == torch.float64  # as the parameters
        assert torch.equal(part, part[:1].expand(7, -1))
        assert part.requires_grad is bool(part.any()) is learned
    _, after = network(normal(7, 3, 2))
    assert [part.shape for part in after] == [part.shape for part in state]


def parameters_of(network: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_a_generator_decides_every_parameter(model_yaml, built):
    network = built(f"model={model_yaml}", "task=echo").network
    network.initialise(generator(1))
    first = parameters_of(network)
    for parameter in network.parameters():
        parameter.data.fill_(7.0)  # whatever stood there before
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    network.initialise(generator(1))
    assert torch.equal(torch.random.get_rng_state(), state)  # the global one was not touched
    assert all(torch.equal(a, b) for a, b in zip(first, network.parameters(), strict=True))
    network.initialise(generator(2))
    drawn = [a for a in first if a.dim() > 1]
    redrawn = [b for b in network.parameters() if b.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in zip(drawn, redrawn, strict=True))


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


@pytest.mark.parametrize("twins", [(LSTMCell, LSTM), (GRUCell, GRU)])
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
