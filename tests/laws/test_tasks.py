"""What every task must obey: its ladder is proved by sampling, and its laws are laws."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from lossladder.ladder import CrossEntropy
from lossladder.models import GRU, Network
from lossladder.tasks import Batch, Count, Echo, Parity, Task, Unfold, bits
from lossladder.tasks.task import mean_over_scored

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
    "parity, last step": Parity(20, every_step=False),
    "parity, biased": Parity(12, chance_of_one=0.3, every_step=False),
    "parity, biased, mixed lengths": Parity(9, 0.1, every_step=False, mixed_lengths=True),
    "parity, biased, every step, mixed": Parity(30, chance_of_one=0.2, mixed_lengths=True),
    "unfold, one step": Unfold(1),
    "unfold, many steps": Unfold(25),
}
MIXED = {name: task for name, task in SETTINGS.items() if "mixed" in name}
TINY = 1e-9  # rounding, where a loss has no spread


@pytest.fixture(scope="module", params=[*YAMLS, *SETTINGS])
def task(request, built) -> Task:
    return SETTINGS.get(request.param) or built(f"task={request.param}").task


@pytest.fixture(scope="module", params=YAMLS)
def stream(request, built) -> Task:
    task = built(f"task={request.param}").task
    if not task.streams:
        pytest.skip("independent sequences: nothing to continue")
    return task


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def steps_of(task: Task) -> int:
    return task.num_steps or (task.reach or 0) + 12


def sampled(task: Task, seed: int = 0) -> Batch:
    """As many sequences as a hundredth of a second of arithmetic allows."""
    steps = steps_of(task)
    return task.sample(generator(seed), 400_000 // (steps * task.output_size), steps)


def surprise(task: Task, law: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Loss of each step of a batch to a predictor with this law."""
    return task.losses(task.loss.logits_for(law), batch.targets)


def assert_mean(values, expected, errors: float = 4) -> None:
    """The mean of independent values is the expected one, within so many standard errors."""
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - expected) <= errors * error + TINY


# --- the ladder -----------------------------------------------------------------------------


def test_every_rung_is_attained_by_its_predictor(task):
    batch = sampled(task)
    scored_steps = batch.scored.sum(dim=1).double()
    for rung in task.ladder(steps_of(task), carried=False):
        losses = surprise(task, rung.predictor(batch.inputs), batch)
        of_row = torch.where(batch.scored, losses, 0.0).sum(dim=1)
        # mean over all scored steps; rows, not steps, are independent
        assert_mean((of_row - rung.loss * scored_steps) / scored_steps.mean(), 0.0)


def test_every_rung_is_attained_by_its_predictor_at_every_single_step(task):
    batch = sampled(task, seed=1)
    for rung in task.ladder(steps_of(task), carried=False):
        assert rung.by_step is not None
        assert len(rung.by_step) == steps_of(task)
        losses = surprise(task, rung.predictor(batch.inputs), batch)
        for step, loss in enumerate(rung.by_step):
            rows = batch.scored[:, step]
            if rows.sum() > 100:
                # some thousand comparisons are made here: five standard errors, not four
                assert_mean(losses[rows, step], loss, errors=5)


def test_with_carried_state_every_rung_is_attained_from_the_first_step(stream):
    batch = stream.sample(generator(2), 400, num_steps=stream.reach + 200)
    for rung in stream.ladder():
        losses = surprise(stream, rung.predictor(batch.inputs), batch)
        # later steps see as much of the past as a carried state would bring
        assert_mean(losses[:, stream.reach :].mean(dim=1), rung.loss)


def test_the_expected_loss_of_a_predictor_is_its_rung_without_label_noise(task):
    batch = sampled(task, seed=3)
    for rung in task.ladder(steps_of(task), carried=False):
        outputs = task.loss.logits_for(rung.predictor(batch.inputs))
        losses = task.expected_losses(outputs, batch.probabilities)
        of_row = torch.where(batch.scored, losses, 0.0).sum(dim=1)
        scored_steps = batch.scored.sum(dim=1).double()
        assert_mean((of_row - rung.loss * scored_steps) / scored_steps.mean(), 0.0)


def test_the_ladder_goes_down_from_ceiling_to_floor(task):
    ladder = task.ladder(steps_of(task), carried=False)
    losses = [rung.loss for rung in ladder]
    assert losses == sorted(losses, reverse=True)
    assert len({rung.name for rung in ladder}) == len(ladder)
    assert ladder.floor.loss >= 0
    if isinstance(task.loss, CrossEntropy):  # nobody has to do worse than guess evenly
        assert ladder.ceiling.loss <= torch.tensor(float(task.output_size)).log() + TINY


def test_the_floor_predicts_with_the_law_that_travels_with_the_sample(task):
    batch = sampled(task, seed=4)
    floor = task.ladder(steps_of(task), carried=False).floor
    assert torch.equal(floor.predictor(batch.inputs), batch.probabilities)
    assert torch.equal(task.probabilities(batch.inputs), batch.probabilities)


def test_the_ceiling_looks_at_no_input(task):
    predicted = task.ladder(steps_of(task), carried=False).ceiling.predictor(sampled(task).inputs)
    assert torch.equal(predicted, predicted[:1].expand_as(predicted))


def test_a_rung_looks_no_further_back_than_it_says(task):
    symbols = task.draw(generator(5), 64, steps_of(task)).inputs.long()
    for rung in task.ladder(steps_of(task)):
        if rung.reach is None:
            continue
        past = torch.arange(steps_of(task)) < steps_of(task) - 1 - rung.reach
        changed = torch.where(past, (symbols + 1) % len(task.encoding), symbols)
        before, after = (rung.predictor(task.features(s))[:, -1] for s in (symbols, changed))
        assert torch.equal(before, after)


# --- the laws -------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), cut=st.floats(0, 1))
def test_predictors_are_causal_probability_laws(task, seed, cut):
    steps = steps_of(task)
    first = round(cut * (steps - 1))  # from here on, inputs change
    symbols = torch.randint(len(task.encoding), (4, steps), generator=generator(seed))
    changed = symbols.clone()
    changed[:, first:] = (symbols[:, first:] + 1) % len(task.encoding)
    for rung in task.ladder(steps, carried=False):
        law = rung.predictor(task.features(symbols))
        assert law.dtype == torch.float64
        assert law.shape == (4, steps, task.output_size)
        if isinstance(task.loss, CrossEntropy):  # the law of a real target is its values
            assert (law >= 0).all()
            assert torch.allclose(law.sum(dim=-1), torch.ones(4, steps, dtype=torch.float64))
        assert torch.equal(law[:, :first], rung.predictor(task.features(changed))[:, :first])


def assert_follow(targets, law, *, first: int = 0) -> None:
    """Targets (rows, time) occur as often as their law (rows, time, classes) says, at each step.

    Rows with the same law are counted together; what the law excludes or demands is exact, and so
    is what it says of real targets.
    """
    if targets.is_floating_point():
        assert torch.equal(targets[:, first:], law[:, first:])
        return
    for step in range(first, targets.shape[1]):
        laws, which = law[:, step].unique(dim=0, return_inverse=True)
        for number, chances in enumerate(laws):
            drawn = targets[which == number, step]
            for value, chance in enumerate(chances.tolist()):
                spread = (len(drawn) * chance * (1 - chance)) ** 0.5
                excess = int((drawn == value).sum()) - len(drawn) * chance
                # the one comes from counting: small numbers are no normal law
                assert abs(excess) <= (4.5 * spread + 1 if spread else TINY)


def past_and_future(task, seed=0):
    """A stream drawn in two parts, with the law of the second given the first."""
    rows = 20_000
    before = task.draw(generator(seed), rows, max(task.reach, 1))
    past = before.inputs[:, before.inputs.shape[1] - task.reach :]
    after = task.draw(generator(seed + 1), rows, 10, past=past)
    inputs = torch.cat([past, after.inputs], dim=1)
    return after, task.probabilities(task.features(inputs))[:, task.reach :]


STREAMS = {name: task for name, task in SETTINGS.items() if task.streams}


@pytest.mark.parametrize("settings", STREAMS.values(), ids=STREAMS)
def test_a_continued_stream_follows_the_law_given_its_past(settings):
    after, law = past_and_future(settings)
    assert_follow(after.targets, law)


def test_a_continued_stream_of_a_yaml_follows_the_law_given_its_past(stream):
    after, law = past_and_future(stream)
    assert_follow(after.targets, law)


def test_targets_follow_the_law_that_travels_with_them(task):
    steps = steps_of(task)
    draw = task.draw(generator(6), 4000, steps)
    batch = task.batch(draw)
    # before a stream reaches back far enough its hidden past is mixed in, as the law says
    assert_follow(batch.targets, batch.probabilities)


def test_inputs_come_as_often_as_they_should(task):
    if task.num_steps is not None and getattr(task, "mixed_lengths", False):
        pytest.skip("padding is no input")
    symbols = task.draw(generator(7), 20_000, steps_of(task)).inputs
    if hasattr(task, "chance_of_one"):
        assert_mean(symbols.double().flatten(), task.chance_of_one)
        return
    if task.num_steps is None:
        pytest.skip("an endless task that promises nothing about how often its inputs come")
    sequences = task.everything().inputs  # all equally likely
    for sequence in sequences:
        drawn = (symbols == sequence).all(dim=1).double()
        assert_mean(drawn, 1 / len(sequences))


# --- sampling -------------------------------------------------------------------------------


def test_sampling_depends_on_its_generator_and_on_nothing_else(task):
    def draw(seed):
        return [part for part in task.draw(generator(seed), 50, 30) if part is not None]

    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = draw(seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)  # the global one was not touched
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, draw(seed=0), strict=True))
    if len(first[0].unique(dim=0)) > 1:  # a task may have a single sequence
        assert not torch.equal(first[0], draw(seed=1)[0])


@pytest.mark.parametrize("batch_size", [1, 7, 8, 9])
@pytest.mark.parametrize("num_steps", [1, 5])
def test_a_draw_has_the_size_asked_for(task, batch_size, num_steps):
    draw = task.draw(generator(), batch_size, num_steps)
    shapes = {tuple(part.shape[:2]) for part in draw if part is not None}
    assert shapes == {(batch_size, num_steps)}
    if draw.targets.is_floating_point():
        assert draw.targets.shape[2:] == (task.output_size,)
    else:
        assert draw.targets.dim() == 2
        assert int(draw.targets.max()) < task.output_size


def test_the_shape_says_which_steps_carry_input_and_which_are_scored(task):
    """A step carries input if its symbol differs between sequences."""
    draw = task.draw(generator(13), 500, steps_of(task))
    scored = task.batch(draw).scored
    differs = (draw.inputs != draw.inputs[:1]).any(dim=0)
    inputs = "many" if differs[1:].any() else "one"
    outputs = "many" if (scored.sum(dim=1) > 1).any() else "one"
    if steps_of(task) > 1 or task.shape == "one_to_one":  # a single step looks like one to one
        assert task.shape == f"{inputs}_to_{outputs}"


DYADIC = {n: task for n, task in STREAMS.items() if task._target_bits and task._input_bits}


@pytest.mark.parametrize("settings", DYADIC.values(), ids=DYADIC)
def test_packed_and_general_sampling_follow_the_same_law(settings, monkeypatch):
    packed, law = past_and_future(settings, seed=8)
    assert_follow(packed.targets, law)
    monkeypatch.setattr(settings, "_target_bits", None)
    general, law = past_and_future(settings, seed=8)
    assert_follow(general.targets, law)
    assert not torch.equal(packed.targets, general.targets)  # it did take another way


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
    batch = task.sample(generator(12), 3, 15)
    lines = task.describe(batch, row=2).splitlines()
    assert len({len(line) for line in lines}) == 1
    rows = {line[:11].strip(): line[11:].split() for line in lines}
    scored = batch.scored[2].tolist()
    assert rows["step"] == [str(step) for step in range(15)]
    if batch.targets.is_floating_point():  # real: values, and no chance, for they are certain
        for row, tensor in (("input", batch.inputs), ("target", batch.targets)):
            shown = [[float(number) for number in cell.split(",")] for cell in rows[row]]
            assert torch.allclose(torch.tensor(shown), tensor[2].float())
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
