"""What holds for many members at once: each trains as if it were alone."""

import copy
from itertools import starmap

import pytest
import torch
from torch import Generator, nn

from lossladder.engines import (
    Autograd,
    Chunk,
    Stacked,
    StackedEngine,
    stack_chunks,
    stack_states,
    unstack_state,
)
from lossladder.engines.optimizers import read_rows, write_rows
from lossladder.models import Cell, LSTMCell, Network, Recurrent
from lossladder.tasks import Echo

MEMBERS, WINDOWS, BATCH, STEPS = 3, 5, 6, 4
# (task, state carried): streams, independent sequences, sequences of which not all is scored, and
# real targets
KINDS = {
    "carried": (("task=echo",), True),
    "reset": (("task=parity",), False),
    "masked": (("task=count", "data=fresh", "task.mixed_lengths=true"), False),
    "real": (("task=worked_example",), False),
}
OTHERS = [kind for kind in KINDS if kind not in ("carried", "masked")]
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5 + lr),
    "adagrad": lambda p, lr: torch.optim.Adagrad(p, lr, initial_accumulator_value=0.1),
    "adam": lambda p, lr: torch.optim.Adam(p, lr, betas=(0.9 - lr, 0.99)),
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=lr),
    "decay": lambda p, lr: torch.optim.SGD(p, lr, weight_decay=0.2 - lr),
}
RATES = (0.05, 0.1, 0.02)


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def random_network(recurrent: Recurrent, seed: int, output_size: int = 2) -> Network:
    """Nothing in it is left at zero."""
    network = Network(recurrent, output_size).double()
    for number, parameter in enumerate(network.parameters()):
        drawn = torch.randn(parameter.shape, generator=generator(100 * seed + number))
        parameter.data = 0.5 * drawn.to(parameter)
    return network


def members_of(
    recurrent: Recurrent, make_optimizer=OPTIMIZERS["adagrad"], rates=RATES, output_size=2
):
    """Networks of different weights and their optimizers, of different learning rates."""
    networks = [
        random_network(copy.deepcopy(recurrent), seed, output_size) for seed in range(len(rates))
    ]
    trained = ([p for p in network.parameters() if p.requires_grad] for network in networks)
    return networks, list(map(make_optimizer, trained, rates))


def chunks_of(task, *, carried: bool, members: int = MEMBERS, seed: int = 0) -> list[Chunk]:
    """Different data for each member."""
    draws = [
        task.draw(generator(100 * seed + member), WINDOWS * BATCH, STEPS)
        for member in range(members)
    ]
    cut = (
        [None if p is None else p.unflatten(0, (WINDOWS, BATCH)) for p in draw[:3]]
        for draw in draws
    )
    return [Chunk(*parts, carried=carried) for parts in cut]


def states_of(networks):
    """No member starts from its initial state, so that it matters whether it is carried."""
    return [
        tuple(torch.tanh(torch.randn(p.shape, generator=generator(m)).to(p)) for p in state)
        for m, state in enumerate(network.initial_state(BATCH) for network in networks)
    ]


def alone(networks, task, optimizers, chunks, states, clip=None):
    """Each member on its own, with torch's own backward pass and optimizer."""
    runs = [
        Autograd(network, task, optimizer, clip).train(chunk, state)
        for network, optimizer, chunk, state in zip(
            networks, optimizers, chunks, states, strict=True
        )
    ]
    losses, after = zip(*runs, strict=True)
    return torch.stack(losses), list(after)


def parameters_of(networks):
    return [list(network.parameters()) for network in networks]


def kept_by(optimizers):
    return [
        [dict(optimizer.state[p]) for group in optimizer.param_groups for p in group["params"]]
        for optimizer in optimizers
    ]


def assert_close(left, right, rtol=1e-9, atol=1e-11) -> None:
    torch.testing.assert_close(left, right, rtol=rtol, atol=atol, equal_nan=True)


def assert_each_is_as_if_alone(networks, optimizers, task, carried, clip=None, **tolerance):
    twins, their_optimizers = copy.deepcopy((networks, optimizers))
    population = Stacked(networks, task, optimizers, clip)
    states = states_of(networks)
    for seed in range(2):  # the second chunk goes on from what the first left
        chunks = chunks_of(task, carried=carried, members=len(networks), seed=seed)
        expected, their_states = alone(twins, task, their_optimizers, chunks, states, clip)
        losses, after = population.train(stack_chunks(chunks), stack_states(states))
        states = unstack_state(after, len(networks))
        assert losses.shape == (len(networks), WINDOWS)
        assert not any(part.requires_grad for part in (losses, *after))
        assert_close(losses, expected, **tolerance)
        assert_close(states, their_states, **tolerance)
        assert_close(parameters_of(networks), parameters_of(twins), **tolerance)
        assert_close(kept_by(optimizers), kept_by(their_optimizers), **tolerance)
    assert losses.std(dim=1).min() > 1e-6  # something was learnt


def in_float64(task):
    task.encoding = task.encoding.double()
    return task


def echo() -> Echo:
    return in_float64(Echo({1: 0.5}))


# the other kinds are a matter of task and optimizer, below, and of each network in the slow tests
@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "kind", ["carried", "masked", *(pytest.param(k, marks=pytest.mark.slow) for k in OTHERS)]
)
def test_every_network_trains_among_members_as_if_alone(kind, model_yaml, built):
    task, carried = KINDS[kind]
    parts = built(*task, f"model={model_yaml}", "model.hidden_size=3", "engine=stacked")
    members = members_of(parts.network.recurrent, output_size=parts.task.output_size)
    assert_each_is_as_if_alone(*members, in_float64(parts.task), carried)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_optimizer_updates_each_member_as_if_alone(kind, optimizer, clip, built):
    task, carried = KINDS[kind]
    parts = built(*task, "model=rnn", "model.hidden_size=3", "engine=stacked")
    members = members_of(
        parts.network.recurrent, OPTIMIZERS[optimizer], output_size=parts.task.output_size
    )
    assert_each_is_as_if_alone(*members, in_float64(parts.task), carried, clip)


@pytest.mark.sampled(8)
def test_float32_agrees_to_four_digits(model_yaml, built):
    parts = built("task=echo", f"model={model_yaml}", "model.hidden_size=3", "engine=stacked")
    networks, _ = members_of(parts.network.recurrent)
    networks = [network.float() for network in networks]
    optimizers = [
        torch.optim.Adam(n.trained(), lr=lr) for n, lr in zip(networks, RATES, strict=True)
    ]
    assert_each_is_as_if_alone(networks, optimizers, parts.task, True, rtol=1e-4, atol=1e-5)


# --- a network of the user's own ------------------------------------------------------------


class Leaky(Cell):
    """Modules, a buffer and a frozen parameter: whatever a user may think of."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.inwards = nn.Linear(input_size, hidden_size)
        self.onwards = nn.Linear(hidden_size, hidden_size, bias=False)
        self.gain = nn.Parameter(torch.ones(hidden_size), requires_grad=False)
        self.register_buffer("leak", torch.linspace(0.1, 0.9, hidden_size))

    def initialise(self, generator=None) -> None:
        pass

    def step(self, x, state):
        (h,) = state
        proposal = torch.tanh(self.inwards(x) + self.gain * self.onwards(h))
        return (torch.lerp(h, proposal, self.leak),)


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_users_own_cell_trains_among_members_as_if_alone(optimizer, carried):
    networks, optimizers = members_of(Leaky(2, 3), OPTIMIZERS[optimizer])
    for number, network in enumerate(networks):
        network.recurrent.leak *= 1 - 0.1 * number  # even constants may differ
    assert_each_is_as_if_alone(networks, optimizers, echo(), carried, clip=1.0)
    assert not torch.equal(networks[0].recurrent.gain, networks[1].recurrent.gain)


class Started(Leaky):
    """Learns its initial state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.start = nn.Parameter(torch.zeros(hidden_size))

    def initial_state(self, batch_size):
        return (self.start.expand(batch_size, -1),)


def test_every_member_learns_its_own_initial_state():
    networks, optimizers = members_of(Started(2, 3), OPTIMIZERS["adam"])
    before = [network.recurrent.start.detach().clone() for network in networks]
    assert_each_is_as_if_alone(networks, optimizers, echo(), carried=False)
    for network, then in zip(networks, before, strict=True):
        assert not torch.isclose(network.recurrent.start, then).any()


def test_a_parameter_that_is_not_used_stays_as_it_is_and_hides_no_count_of_steps():
    """A carried state leaves the initial one unused: torch then keeps nothing for it."""
    networks, optimizers = members_of(Started(2, 3), OPTIMIZERS["adam"])
    twins, their_optimizers = copy.deepcopy((networks, optimizers))
    chunks, states = chunks_of(echo(), carried=True), states_of(networks)
    for _ in range(2):
        expected, _ = alone(twins, echo(), their_optimizers, chunks, states)
    alone(networks, echo(), optimizers, chunks, states)
    population = Stacked(networks, echo(), optimizers)
    losses, _ = population.train(stack_chunks(chunks), stack_states(states))
    assert_close(losses, expected)
    assert_close(parameters_of(networks), parameters_of(twins))


def test_frozen_parameters_and_buffers_stay_as_they_are():
    networks, optimizers = members_of(Leaky(2, 3))
    before = copy.deepcopy(networks)
    chunk = stack_chunks(chunks_of(echo(), carried=True))
    Stacked(networks, echo(), optimizers).train(chunk, stack_states(states_of(networks)))
    for now, then in zip(networks, before, strict=True):
        assert torch.equal(now.recurrent.gain, then.recurrent.gain)
        assert torch.equal(now.recurrent.leak, then.recurrent.leak)
        assert not torch.equal(now.recurrent.inwards.weight, then.recurrent.inwards.weight)


# --- members do not touch each other --------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_member_that_diverges_touches_no_other(optimizer):
    rates = 0.05, 0.1, 0.02
    healthy = members_of(Leaky(2, 3), OPTIMIZERS[optimizer], rates)
    sick = copy.deepcopy(healthy)
    with torch.no_grad():
        sick[0][1].readout.weight.fill_(torch.inf)
    chunk = stack_chunks(chunks_of(echo(), carried=True))
    runs = []
    for networks, optimizers in (healthy, sick):
        state = stack_states(states_of(networks))
        runs.append(Stacked(networks, echo(), optimizers, gradient_clip=0.5).train(chunk, state))
    (expected, _), (losses, _) = runs
    assert torch.equal(losses.isnan().all(dim=1), torch.tensor([False, True, False]))
    assert_close(losses[::2], expected[::2])
    assert_close(parameters_of(sick[0][::2]), parameters_of(healthy[0][::2]))


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_how_many_are_trained_at_once_changes_nothing(at_once):
    runs = []
    for some in (None, at_once):
        networks, optimizers = members_of(Leaky(2, 3), OPTIMIZERS["adam"])
        chunk = stack_chunks(chunks_of(echo(), carried=True))
        population = Stacked(networks, echo(), optimizers, at_once=some)
        losses, state = population.train(chunk, stack_states(states_of(networks)))
        runs.append((losses, state, parameters_of(networks), kept_by(optimizers)))
    assert_close(*runs)


# --- optimizers stay torch's own ------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_can_change_engines_after_any_chunk(optimizer):
    """Autograd, stacked, autograd again, against Autograd all the way."""
    networks, optimizers = members_of(Leaky(2, 3), OPTIMIZERS[optimizer])
    twins, their_optimizers = copy.deepcopy((networks, optimizers))
    states = their_states = states_of(networks)
    for seed in range(3):
        chunks = chunks_of(echo(), carried=True, seed=seed)
        expected, their_states = alone(twins, echo(), their_optimizers, chunks, their_states)
        if seed == 1:
            stacked = Stacked(networks, echo(), optimizers)
            losses, after = stacked.train(stack_chunks(chunks), stack_states(states))
            states = unstack_state(after, len(networks))
        else:
            losses, states = alone(networks, echo(), optimizers, chunks, states)
        assert_close(losses, expected)
    for ours, theirs in zip(optimizers, their_optimizers, strict=True):
        left, right = ours.state_dict(), theirs.state_dict()
        assert left["param_groups"] == right["param_groups"]
        assert_close(left["state"], right["state"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_read_from_torch_is_written_back_bit_by_bit(optimizer):
    networks, optimizers = members_of(Leaky(2, 3), OPTIMIZERS[optimizer])
    alone(networks, echo(), optimizers, chunks_of(echo(), carried=True), states_of(networks))
    before = copy.deepcopy((parameters_of(networks), kept_by(optimizers)))
    rows = read_rows(networks, optimizers)
    for network in networks:
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.data.fill_(7.0)
    for kept in kept_by(optimizers):
        for tensor in (t for tensors in kept for t in tensors.values() if t is not None):
            tensor.fill_(7.0)
    write_rows(rows, networks, optimizers)
    assert_close((parameters_of(networks), kept_by(optimizers)), before, rtol=0, atol=0)


# --- what does not fit is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "make"),
    [
        ("RMSprop", lambda p: torch.optim.RMSprop(p, lr=0.1)),
        ("decoupled", lambda p: torch.optim.Adam(p, lr=0.1, decoupled_weight_decay=True)),
        ("amsgrad=False", lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True)),
        ("nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
        ("dampening=0", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1)),
        ("lr_decay=0", lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.1)),
        ("maximize=False", lambda p: torch.optim.Adagrad(p, lr=0.1, maximize=True)),
        ("one group", lambda p: torch.optim.SGD([{"params": [q]} for q in p], lr=0.1)),
        ("all trained parameters", lambda p: torch.optim.SGD(p[1:], lr=0.1)),
    ],
)
def test_an_optimizer_it_does_not_know_is_refused_by_name(option, make):
    network = random_network(Leaky(2, 3), seed=0)
    optimizer = make([p for p in network.parameters() if p.requires_grad])
    assert option in StackedEngine.unsupported_reason(network, echo(), optimizer)
    with pytest.raises(ValueError, match=option):
        StackedEngine(network, echo(), optimizer)


class Opaque(Recurrent):
    """Two layers in a single operation of torch's."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = nn.GRU(input_size, hidden_size, num_layers=2, batch_first=True)

    def initialise(self, generator=None) -> None:
        pass

    def forward(self, inputs, state):
        hiddens, _ = self.layer(inputs)
        return hiddens, state


class Counting(Leaky):
    """Remembers something that is no part of its state."""

    def step(self, x, state):
        self.leak.add_(0.01)
        return super().step(x, state)


class Branching(Leaky):
    """Asks a number, which differs between members, what to do."""

    def step(self, x, state):
        return super().step(x, state) if x.sum() > 0 else state


@pytest.mark.parametrize(
    ("recurrent", "reason"),
    [(Opaque, "cannot map Opaque"), (Counting, "changes"), (Branching, "cannot map Branching")],
)
def test_a_network_that_is_no_function_is_refused_with_the_reason(recurrent, reason):
    (network,), (optimizer,) = members_of(recurrent(2, 3), rates=(0.1,))
    before = copy.deepcopy(network.state_dict())
    assert reason in StackedEngine.unsupported_reason(network, echo(), optimizer)
    with pytest.raises(ValueError, match=f"engine=stacked.*{reason}.*engine=autograd"):
        Stacked([network], echo(), [optimizer])
    assert_close(network.state_dict(), before, rtol=0, atol=0)  # it was only asked


def test_networks_that_fit_give_no_reason_not_to():
    (network,), (optimizer,) = members_of(Leaky(2, 3), rates=(0.1,))
    assert StackedEngine.unsupported_reason(network, echo(), optimizer) is None


class Tuned(Leaky):
    """Has a setting which is no tensor."""

    def __init__(self, input_size: int, hidden_size: int, sharpness: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.sharpness = sharpness


@pytest.mark.parametrize(
    ("other", "what"),
    [(Tuned(2, 4), "hidden_size"), (Tuned(2, 3, 2.0), "sharpness"), (Leaky(2, 3), "recurrent")],
)
def test_members_that_differ_in_more_than_numbers_are_refused(other, what):
    networks = [random_network(recurrent, seed=0) for recurrent in (Tuned(2, 3), other)]
    optimizers = [torch.optim.SGD(n.parameters(), lr=0.1) for n in networks]
    for network, optimizer in zip(networks, optimizers, strict=True):
        optimizer.param_groups[0]["params"] = [p for p in network.parameters() if p.requires_grad]
    with pytest.raises(ValueError, match=f"differ in.*{what}"):
        Stacked(networks, echo(), optimizers)


def test_members_may_start_in_ways_of_their_own():
    """Keys named as starts are read when parameters are drawn, and never again."""
    cells = [LSTMCell(2, 3, forget_bias=bias) for bias in (0.0, 1.0)]
    networks = [
        Network(cell, 2, readout_std=std, readout_bias=std)
        for cell, std in zip(cells, (0.1, 0.2), strict=True)
    ]
    optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in networks]
    alone = copy.deepcopy(networks)
    chunks = chunks_of(Echo(), carried=False, members=2)
    losses, _ = Stacked(networks, Echo(), optimizers).train(stack_chunks(chunks), None)
    for network, chunk, loss in zip(alone, chunks, losses, strict=True):
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        expected, _ = Autograd(network, Echo(), optimizer).train(chunk, None)
        assert torch.allclose(loss, expected, atol=1e-5)


def test_a_population_has_one_optimizer_a_network_and_all_of_one_kind():
    networks, optimizers = members_of(Leaky(2, 3))
    with pytest.raises(ValueError, match="one optimizer for each"):
        Stacked(networks, echo(), optimizers[:2])
    with pytest.raises(ValueError, match="at least one"):
        Stacked([], echo(), [])
    other = OPTIMIZERS["adam"](optimizers[2].param_groups[0]["params"], lr=0.1)
    with pytest.raises(ValueError, match="one kind, not Adagrad and Adam"):
        Stacked(networks, echo(), [*optimizers[:2], other])


def test_chunks_that_are_not_alike_cannot_be_stacked():
    chunks = chunks_of(echo(), carried=True)
    masked = chunks[1]._replace(scored=torch.ones_like(chunks[1].targets, dtype=torch.bool))
    for other in (chunks[1]._replace(carried=False), masked):
        with pytest.raises(ValueError, match="all"):
            stack_chunks([chunks[0], other])


def test_stacking_states_and_taking_them_apart_is_nothing():
    states = states_of(members_of(Leaky(2, 3))[0])
    again = unstack_state(stack_states(states), len(states))
    assert all(starmap(torch.equal, zip(sum(states, ()), sum(again, ()), strict=True)))
