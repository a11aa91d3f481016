"""Every schedule, on every engine, is the one that torch makes of its factors."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, StepLR

from lossladder.checks import RequestError
from lossladder.engines import (
    Autograd,
    Chunk,
    FusedPopulation,
    LearningRateSchedule,
    Stacked,
    stack_chunks,
)
from lossladder.engines.schedules import ConstantRate, Cosine, StepDecay, WarmupCosine
from lossladder.models import RNN, Network
from lossladder.tasks import Echo

WORDS = {"warmup_cosine": ("schedule.warmup_steps=7",), "step": ("schedule.every=5",)}
UPDATES, BATCH, STEPS = 24, 6, 4
OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "momentum": lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adagrad": lambda p: Adagrad(p, lr=0.1, initial_accumulator_value=0.1, weight_decay=0.02),
    "adam": lambda p: Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=0.3),
}
SCHEDULES = (
    ConstantRate(),
    Cosine(steps=20, lowest=0.1),
    WarmupCosine(steps=24, warmup_steps=3),
    WarmupCosine(steps=24, warmup_steps=9),
    StepDecay(every=4, by=0.7),
)


def echo() -> Echo:
    task = Echo({1: 0.5})
    task.encoding = task.encoding.double()
    return task


def network_of(seed: int = 0) -> Network:
    network = Network(RNN(2, 4), 2).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return network


def chunk_of(task, first: int, end: int, seed: int = 0) -> Chunk:
    """A chunk of the updates from `first` to `end`; however it is cut, the data are the same."""
    draw = task.draw(torch.Generator().manual_seed(seed), UPDATES * BATCH, STEPS)
    inputs, targets = (part.unflatten(0, (UPDATES, BATCH))[first:end] for part in draw[:2])
    return Chunk(inputs, targets, None, carried=True, first=first)


def torchs_own(network, optimizer, schedule, clip=None, seed=0) -> torch.Tensor:
    """Losses of a plain loop, with torch's LambdaLR."""
    scheduler, task, state, losses = LambdaLR(optimizer, schedule.factor), echo(), None, []
    chunk = chunk_of(task, 0, UPDATES, seed)
    for inputs, targets in zip(chunk.inputs, chunk.targets, strict=True):
        logits, state = network(task.features(inputs), state)
        state = tuple(part.detach() for part in state)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten().long())
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        scheduler.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def trained(engine, cuts=(0, 5, 6, UPDATES), seed=0) -> torch.Tensor:
    state, losses = None, []
    for first, end in pairwise(cuts):
        chunk = chunk_of(echo(), first, end, seed)
        loss, state = engine.train(chunk, state)
        losses.append(loss)
    return torch.cat(losses)


def assert_same(ours, theirs) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_engine_follows_a_schedule_as_torch_does(
    optimizer, clip, engine_yaml, schedule_yaml, built
):
    words = f"schedule={schedule_yaml}", *WORDS.get(schedule_yaml, ())
    parts = built(f"engine={engine_yaml}", *words, f"trainer.max_steps={UPDATES}")
    ours, theirs = network_of(), network_of()
    own, other = (OPTIMIZERS[optimizer](network.parameters()) for network in (ours, theirs))
    engine = parts.make_engine(ours, echo(), own, gradient_clip=clip)
    before = own.param_groups[0]["lr"]
    assert_same(trained(engine), torchs_own(theirs, other, parts.schedule, clip))
    assert_same(list(ours.parameters()), list(theirs.parameters()))
    assert own.param_groups[0]["lr"] == before  # what a checkpoint holds


@pytest.mark.sampled(5)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("population", [Stacked, FusedPopulation])
def test_members_with_schedules_of_their_own_train_as_if_alone(population, optimizer):
    networks = [network_of(seed) for seed in range(len(SCHEDULES))]
    twins = copy.deepcopy(networks)
    optimizers = [OPTIMIZERS[optimizer](network.parameters()) for network in networks]
    for number, own in enumerate(optimizers):
        own.param_groups[0]["weight_decay"] *= number  # the first has none
    their_own = [copy.deepcopy(own.state_dict()) for own in optimizers]
    together = population(networks, echo(), optimizers, schedules=SCHEDULES)
    state, losses = None, []
    for first, end in pairwise((0, 7, UPDATES)):
        chunks = [chunk_of(echo(), first, end, seed) for seed in range(len(networks))]
        loss, state = together.train(stack_chunks(chunks), state)
        losses.append(loss)
    for seed, (twin, schedule) in enumerate(zip(twins, SCHEDULES, strict=True)):
        own = OPTIMIZERS[optimizer](twin.parameters())
        own.load_state_dict(their_own[seed])
        assert_same(torch.cat(losses, dim=1)[seed], torchs_own(twin, own, schedule, seed=seed))
        assert_same(list(networks[seed].parameters()), list(twin.parameters()))


@pytest.mark.parametrize("other", ["schedule", "age"])
def test_members_that_differ_in_one_thing_have_rates_of_their_own(other):
    """Compiled code gives members with the same rates one array of them."""
    networks = [network_of(), network_of()]
    optimizers = [Adam(network.parameters(), lr=0.01) for network in networks]
    schedules = [ConstantRate(), StepDecay(every=4) if other == "schedule" else ConstantRate()]
    if other == "age":
        trained(Autograd(networks[1], echo(), optimizers[1], schedule=schedules[1]))
    plain = copy.deepcopy(list(zip(networks, optimizers, strict=True)))
    chunk = chunk_of(echo(), 0, UPDATES)
    together = FusedPopulation(networks, echo(), optimizers, schedules=schedules)
    losses, _ = together.train(stack_chunks([chunk, chunk]), None)
    for found, network, (twin, optimizer), schedule in zip(
        losses, networks, plain, schedules, strict=True
    ):
        assert_same(
            found, Autograd(twin, echo(), optimizer, schedule=schedule).train(chunk, None)[0]
        )
        assert_same(list(network.parameters()), list(twin.parameters()))


def test_where_a_chunk_is_cut_changes_no_rate():
    for schedule in SCHEDULES:
        whole = schedule.factors(0, 100)
        assert whole.dtype == np.float64
        for first, end in ((0, 1), (3, 10), (17, 64), (99, 100)):
            assert (schedule.factors(first, end - first) == whole[first:end]).all()
            assert [schedule.factor(step) for step in range(first, end)] == [*whole[first:end]]


def test_ours_are_torchs_under_their_names():
    parameter = torch.zeros(1, requires_grad=True)
    pairs = (
        (Cosine(steps=30, lowest=0.2), lambda o: CosineAnnealingLR(o, 30, eta_min=0.2)),
        (StepDecay(every=7, by=0.3), lambda o: StepLR(o, 7, 0.3)),
    )
    for ours, make in pairs:
        optimizer = SGD([parameter], lr=1.0)
        scheduler = make(optimizer)
        for step in range(30):
            assert ours.factor(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
            optimizer.step()
            scheduler.step()


class InverseRoot(LearningRateSchedule):
    """One of a person's own."""

    def at(self, steps):
        return 1 / np.sqrt(1 + steps)


class Halved(LearningRateSchedule):
    """One number for all updates."""

    def at(self, steps):
        return 0.5


@pytest.mark.parametrize("schedule", [InverseRoot(), Halved()])
def test_a_schedule_of_ones_own_is_a_formula(schedule):
    ours, theirs = network_of(), network_of()
    engine = Autograd(ours, echo(), SGD(ours.parameters(), 0.1), schedule=schedule)
    assert_same(trained(engine), torchs_own(theirs, SGD(theirs.parameters(), 0.1), schedule))


def test_an_error_leaves_the_optimizers_own_rate(monkeypatch):
    network = network_of()
    optimizer = SGD(network.parameters(), 0.1)
    engine = Autograd(network, echo(), optimizer, schedule=Halved())
    monkeypatch.setattr(optimizer, "step", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trained(engine)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_the_length_of_a_schedule_is_that_of_the_run(built):
    assert built("schedule=cosine", "trainer.max_steps=70").schedule.steps == 70
    whole = built("schedule=cosine", "trainer.max_epochs=2")
    assert whole.schedule.steps == 2 * whole.data.updates_per_epoch
    own = built("schedule=cosine", "trainer.max_steps=70", "schedule.steps=50").schedule
    assert own.steps == 50
    assert own.factor(60) == own.lowest
    with pytest.raises(ValueError, match="steps=null: the run has no length of its own; give one"):
        Cosine()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("schedule.warmup_steps=70", "schedule.warmup_steps=70: must be below the 70 updates"),
        ("schedule.lowest=2", "schedule.lowest=2: must be a number from 0 to 1"),
        ("schedule.steps=0", "schedule.steps=0: must be a whole number of at least 1"),
    ],
)
def test_what_no_schedule_can_be_is_refused(words, complaint, built):
    with pytest.raises(RequestError, match=complaint):
        built("schedule=warmup_cosine", "trainer.max_steps=70", words)


def test_a_population_has_one_schedule_a_network():
    networks = [network_of(), network_of(1)]
    optimizers = [SGD(network.parameters(), 0.1) for network in networks]
    with pytest.raises(ValueError, match="one schedule for each network"):
        Stacked(networks, echo(), optimizers, schedules=[ConstantRate()])
    chunks = [chunk_of(echo(), 0, 4), chunk_of(echo(), 4, 8)]
    with pytest.raises(ValueError, match="after 0 and 4 updates"):
        stack_chunks(chunks)
