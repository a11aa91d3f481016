"""Our own tasks keep the laws of all tasks, and some of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from lossladder.models import GRU, Network
from lossladder.tasks import (
    Adding,
    Copy,
    Count,
    Counter,
    Delay,
    Dyck,
    Echo,
    EvenPairs,
    FlipFlop,
    MarkovInContext,
    Modular,
    Parity,
    Recall,
    Source,
    Task,
    Unfold,
    Words,
    XorLags,
    bits,
)
from lossladder.tasks.task import mean_over_scored
from lossladder.testing import check_task

YAMLS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf/task").glob("*.yaml"))
# settings that no yaml has; each takes another way through sampling or theory
SETTINGS = {
    "echo, lag 0": Echo({0: 0.25}),
    "echo, no lags": Echo({}, base=0.25),
    "echo, clipped": Echo({1: 0.75, 2: -1.0, 5: 0.5}),
    "echo, clipped, odd chances": Echo({1: 0.8, 2: -0.9, 5: 0.3}, base=0.4),
    "echo, biased input": Echo(chance_of_one=0.3),
    "echo, everything biased": Echo({0: 0.1, 2: 0.3}, base=0.1, chance_of_one=0.7),
    "echo, long lag": Echo({40: 0.5}),
    "count, every step": Count(every_step=True),
    "count, biased": Count(6, chance_of_one=0.3),
    "count, mixed lengths": Count(7, mixed_lengths=True),
    "count, biased, every step, mixed": Count(7, 0.25, every_step=True, mixed_lengths=True),
    "even pairs, every step": EvenPairs(20, every_step=True),
    "even pairs, one length": EvenPairs(9),
    "parity, last step": Parity(20, every_step=False),
    "parity, biased": Parity(12, chance_of_one=0.3, every_step=False),
    "parity, biased, mixed lengths": Parity(9, 0.1, every_step=False, mixed_lengths=True),
    "parity, biased, every step, mixed": Parity(30, chance_of_one=0.2, mixed_lengths=True),
    "source, which does not tell its state": Source("mess3"),
    "source, one's own": Source(transitions=[[[0.5, 0.0], [1.0, 0.0]], [[0.0, 0.5], [0.0, 0.0]]]),
    "source, a chain of words": Source("markov", symbols=3, states=2),
    "counter, anbn of few": Counter("anbn", 6),
    "counter, up and down, every step": Counter("up_down", 9, 0.3, every_step=True),
    "counter, majority": Counter("majority", 11),
    "counter, majority, every step": Counter("majority", 8, every_step=True, moduli=[3], clips=[2]),
    "dyck, one kind": Dyck(kinds=1, depth=3, open_chance=0.3),
    "dyck, odd depth, biased": Dyck(kinds=3, depth=3, open_chance=0.7),
    "dyck, flat": Dyck(kinds=2, depth=1),
    "modular, one length": Modular(4, 6, mixed_lengths=False),
    "modular, two divisors": Modular(6, 4, mixed_lengths=False),
    "modular, a prime": Modular(5, 10),
    "adding, unequal parts": Adding(7, marks=3),
    "adding, one mark": Adding(5, marks=1),
    "adding, every value": Adding(3, marks=3),
    "delay, now only": Delay(1),
    "delay, the oldest only": Delay(4, every_lag=False),
    "delay, many steps": Delay(20),
    "unfold, one step": Unfold(1),
    "unfold, many steps": Unfold(25),
    "words, a cyclic group": Words("Z6"),
    "words, transpositions": Words("S3", letters="generators"),
    "words, often none": Words("D4", letters="lazy"),
    "markov_in_context, one step": MarkovInContext(num_steps=1),
    "markov_in_context, three symbols": MarkovInContext(3, 7, concentration=0.3),
    "markov_in_context, long": MarkovInContext(num_steps=40, concentration=2.0),
    "xor_lags, fair": XorLags([0, 2], chance_of_one=0.5, noise=0.25),
    "xor_lags, three lags": XorLags([1, 2, 5], chance_of_one=0.25, noise=0.125),
    "xor_lags, nothing but noise": XorLags(noise=0.5),
    "recall, all keys, a gap": Recall(2, 3, "all", gap=2, keys=3),
    "recall, independent values": Recall(3, 3, distinct=False),
    "recall, all values written": Recall(2, 2),
    "copy, reversed": Copy(3, 2, 2, "reversed"),
    "copy, selective": Copy(2, 3, 4, "selective"),
    "copy, one symbol": Copy(1, 2, 1),
    "flipflop, last read": FlipFlop(7, 0.6, every_read=False),
    "flipflop, nothing ignored": FlipFlop(5, 0.0),
    "flipflop, all ignored": FlipFlop(3, 1.0),
}
MIXED = {name: task for name, task in SETTINGS.items() if "mixed" in name}
TINY = 1e-9  # rounding, where a loss has no spread


@pytest.fixture(scope="module", params=[*YAMLS, *SETTINGS])
def task(request, built) -> Task:
    return SETTINGS.get(request.param) or built(f"task={request.param}").task


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def steps_of(task: Task) -> int:
    return task.num_steps or (task.reach or 0) + 12


def assert_mean(values, expected, errors: float = 4) -> None:
    """The mean of independent values is the expected one, within so many standard errors."""
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - expected) <= errors * error + TINY


def test_a_task_keeps_the_laws_of_all_tasks(task_yaml, built):
    check_task(built(f"task={task_yaml}").task)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_tasks_with_other_settings_keep_them(settings):
    check_task(settings)


@pytest.mark.sampled(25)
def test_every_rung_says_its_loss_at_every_step(task):
    for rung in task.ladder(steps_of(task), carried=False):
        assert rung.by_step is not None


ECHOES = {name: task for name, task in SETTINGS.items() if isinstance(task, Echo)}


def test_inputs_come_as_often_as_they_should(task):
    if task.num_steps is not None and getattr(task, "mixed_lengths", False):
        pytest.skip("padding is no input")
    symbols = task.draw(generator(7), 20_000, steps_of(task)).inputs
    if hasattr(task, "chance_of_one"):
        assert_mean(symbols.double().flatten(), task.chance_of_one)
        return
    if task.has_real_inputs:
        pytest.skip("real inputs, whose own tests say how they are spread")
    if task.num_steps is None:
        pytest.skip("an endless task that promises nothing about how often its inputs come")
    try:
        sequences = task.everything().inputs  # all equally likely
    except ValueError:
        pytest.skip("more sequences than can be listed, or not equally likely ones")
    if len(sequences) > 100:
        pytest.skip("so many that one comes too often by chance; check_task allows for it")
    for sequence in sequences:
        drawn = (symbols == sequence).all(dim=1).double()
        assert_mean(drawn, 1 / len(sequences))


# --- sampling -------------------------------------------------------------------------------


DYADIC = {n: task for n, task in ECHOES.items() if task._target_bits and task._input_bits}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("settings", DYADIC.values(), ids=DYADIC)
def test_general_sampling_follows_the_same_law_as_packed(settings, monkeypatch):
    packed = settings.draw(generator(8), 50, 10)
    monkeypatch.setattr(settings, "_target_bits", None)
    assert not torch.equal(settings.draw(generator(8), 50, 10).targets, packed.targets)
    check_task(settings)


@pytest.mark.parametrize("resolution", range(1, 9))
def test_a_packed_coin_is_the_comparison_with_a_number(resolution):
    numbers = torch.arange(2**resolution)
    planes = torch.stack([numbers >> place & 1 for place in reversed(range(resolution))])
    packed = torch.stack([plane[None].expand(3, -1) for plane in planes]).to(torch.uint8)
    packed = np.packbits(packed.numpy(), axis=-1)  # (bits, 3 steps, lanes)
    for numerator in range(2**resolution + 1):
        coins = bits.unpack(bits.below(packed, numerator), len(numbers))
        assert torch.equal(coins, (numbers < numerator).to(torch.uint8)[:, None].expand(-1, 3))


@given(seed=st.integers(0, 2**32), batch_size=st.integers(1, 40), num_steps=st.integers(0, 5))
def test_unpacking_is_the_inverse_of_packing(seed, batch_size, num_steps):
    symbols = torch.randint(2, (batch_size, num_steps), generator=generator(seed)).to(torch.uint8)
    assert torch.equal(bits.unpack(bits.pack(symbols), batch_size), symbols)


def test_random_planes_are_fair_and_know_nothing_of_each_other():
    planes = bits.random_planes(generator(9), 3, 1000, 800)
    ones = np.unpackbits(planes, axis=-1).astype(float) - 0.5
    size = ones[0].size
    assert abs(ones.sum()) < 4 * 0.5 * (3 * size) ** 0.5
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs((ones[one] * ones[other]).sum()) < 4 * 0.25 * size**0.5


# --- padding --------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", MIXED.values(), ids=MIXED)
def test_padding_cannot_change_the_output(settings):
    draw = settings.draw(generator(10), 200, settings.num_steps)
    last = torch.where(draw.scored, torch.arange(settings.num_steps), -1).amax(dim=1)
    padding = torch.arange(settings.num_steps) > last[:, None]
    assert padding.any()
    batches = [
        settings.batch(draw._replace(inputs=torch.where(padding, filler, draw.inputs)))
        for filler in (0, 1)
    ]
    torch.manual_seed(0)
    network = Network(GRU(settings.input_size, hidden_size=4), settings.output_size)
    zeros, ones = (network(batch.inputs)[0] for batch in batches)
    assert not torch.equal(zeros, ones)  # the network does see it
    assert torch.equal(zeros[draw.scored], ones[draw.scored])
    means = [mean_over_scored(settings.losses(z, draw.targets), draw.scored) for z in (zeros, ones)]
    assert torch.allclose(*means, rtol=1e-6)
    laws = [batch.probabilities[draw.scored] for batch in batches]
    assert torch.equal(*laws)


@pytest.mark.parametrize("settings", MIXED.values(), ids=MIXED)
def test_mixed_lengths_are_uniform(settings):
    scored = settings.draw(generator(11), 20_000, settings.num_steps).scored
    last = torch.where(scored, torch.arange(settings.num_steps), -1).amax(dim=1)
    for step in range(settings.num_steps):
        assert_mean((last == step).double(), 1 / settings.num_steps)
    expected = last + 1 if settings.every_step else torch.ones_like(last)
    assert torch.equal(scored.sum(dim=1), expected)


# --- words ----------------------------------------------------------------------------------


def test_a_description_stands_in_columns_and_says_what_the_batch_says(task):
    steps = task.num_steps or 15
    batch = task.sample(generator(12), 3, steps)
    lines = task.describe(batch, row=2).splitlines()
    assert len({len(line) for line in lines}) == 1
    rows = {line[:11].strip(): line[11:].split() for line in lines}
    scored = batch.scored[2].tolist()
    assert rows["step"] == [str(step) for step in range(steps)]
    if batch.targets.is_floating_point():  # real: values, and no chance, for they are certain
        for row, values in (("input", batch.inputs[2]), ("target", batch.targets[2])):
            for cell, value, s in zip(rows[row], values, scored, strict=True):
                if row == "input" or s:
                    shown = torch.tensor([float(number) for number in cell.split(",")])
                    assert torch.allclose(shown, value.float(), rtol=5e-3)
                else:
                    assert cell == "."
        assert "its chance" not in rows
        return
    assert torch.equal(task.features(torch.tensor([*map(int, rows["input"])])), batch.inputs[2])
    targets = zip(batch.targets[2].tolist(), scored, strict=True)
    assert rows["target"] == [str(target) if s else "." for target, s in targets]
    for shown, chances, target, s in zip(
        rows["its chance"], batch.probabilities[2], batch.targets[2], scored, strict=True
    ):
        assert shown == (f"{float(chances[target]):.2f}" if s else ".")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Echo({-1: 0.5}), "effects: lag=-1: must be a whole number of at least 0"),
        (lambda: Echo({3: float("nan")}), "effects: effect at lag 3=nan: must be a finite number"),
        (lambda: Echo(dict.fromkeys(range(11), 0.1)), "11 lags make 2\\*\\*11 rungs; at most 10"),
        (lambda: Echo(base=1.5), "base=1.5: must be a number from 0 to 1"),
        (lambda: Echo(chance_of_one=-0.1), "chance_of_one=-0.1: must be a number from 0 to 1"),
        (lambda: Count(0), "num_steps=0: must be a whole number of at least 1"),
        (lambda: Parity(-5), "num_steps=-5: must be a whole number of at least 1"),
        (lambda: Parity(chance_of_one=2), "chance_of_one=2: must be a number from 0 to 1"),
        (lambda: Unfold(0), "num_steps=0: must be a whole number of at least 1"),
        (lambda: Parity(20).everything(), "num_steps=20: .* use data=fresh"),
        (
            lambda: Count(chance_of_one=0.3).everything(),
            "chance_of_one=0.3, .* use data=fresh",
        ),
        (lambda: Echo().everything(), "echo: has no finite set"),
        (lambda: Echo().sample(generator(), 2), "num_steps=None: .* give one"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
