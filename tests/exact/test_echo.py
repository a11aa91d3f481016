"""The echo task: published and derived numbers, and brute force over every history."""

from itertools import combinations, product
from math import log, prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossladder.tasks import Echo

# known: loss in nats, loss in bits, best accuracy
TABLE = {
    "none": (0.661563238158, 0.954434, 0.625),
    "lag 8": (0.627741162589, 0.905639, 0.625),
    "lag 3": (0.519166699707, 0.748999, 0.75),
    "lags 3 and 8": (0.454454367449, 0.655639, 0.75),
}
# floor of a stream's first C columns, or of windows of C steps without carried state
FINITE_CONTEXT = """
1 .661563 | 2 .661563 | 3 .661563 | 4 .625964 | 5 .604605 | 6 .590365 | 8 .572565 | 9 .559442
10 .548943 | 12 .533195 | 15 .517447 | 20 .501699 | 30 .485951 | 50 .473352 | 100 .463903
200 .459179 | 500 .456344 | 1000 .455399 | 5000 .454643
"""


def coin(chance: float) -> float:
    """Entropy of a coin, nats."""
    return -sum(p * log(p) for p in (chance, 1 - chance) if p > 0)


def every_string(length: int) -> torch.Tensor:
    return torch.tensor(list(product((0, 1), repeat=length)))


@pytest.mark.parametrize("name", TABLE)
def test_the_notebooks_rungs_have_their_published_losses(name):
    nats, bits, _ = TABLE[name]
    loss = Echo().ladder()[name].loss
    assert loss == pytest.approx(nats, abs=1e-12)
    assert loss / log(2) == pytest.approx(bits, abs=1e-6)


def test_the_notebooks_ladder_has_these_rungs_and_no_others():
    assert [rung.name for rung in Echo().ladder()] == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_over_all_strings_a_predictor_has_its_loss_and_its_accuracy_exactly(name):
    """Accuracy cannot tell none from lag 8, nor lag 3 from both."""
    task = Echo()
    inputs = task.features(every_string(9))  # all strings that the last step can see
    predicted = task.ladder()[name].predictor(inputs)[:, -1]
    exact = task.probabilities(inputs)[:, -1]
    assert float(-(exact * predicted.log()).nansum(-1).mean()) == pytest.approx(
        TABLE[name][0], abs=1e-12
    )
    accuracy = exact.gather(-1, predicted.argmax(-1)[:, None]).mean()
    assert float(accuracy) == TABLE[name][2]


def test_the_second_lag_is_worth_twice_as_much_once_the_first_is_known():
    loss = {rung.name: rung.loss for rung in Echo().ladder()}
    information = {
        "lag 3": loss["none"] - loss["lag 3"],
        "lag 8": loss["none"] - loss["lag 8"],
        "lag 8, lag 3 known": loss["lag 3"] - loss["lags 3 and 8"],
        "lag 3, lag 8 known": loss["lag 8"] - loss["lags 3 and 8"],
        "both": loss["none"] - loss["lags 3 and 8"],
    }
    expected = [0.142397, 0.033822, 0.064712, 0.173287, 0.207109]
    assert list(information.values()) == pytest.approx(expected, abs=1e-6)
    synergy = information["both"] - information["lag 3"] - information["lag 8"]
    assert synergy == pytest.approx(0.0309, abs=5e-5)


@pytest.mark.parametrize("seen", range(1, 16))
def test_the_memory_horizon_is_a_staircase(seen):
    """A predictor that sees k inputs stands where a stream's step k - 1 stands."""
    staircase = 0.661563 if seen <= 3 else 0.519167 if seen <= 8 else 0.454454
    floor = Echo().ladder(num_steps=20, carried=False).floor
    assert floor.by_step[seen - 1] == pytest.approx(staircase, abs=1e-6)


@pytest.mark.parametrize("row", FINITE_CONTEXT.strip().replace("|", "\n").splitlines())
def test_without_carried_state_the_floor_depends_on_the_length(row):
    columns, loss = row.split()
    floor = Echo().ladder(int(columns), carried=False).floor
    assert floor.loss == pytest.approx(float(loss), abs=1e-6)


@pytest.mark.parametrize("columns", [8, 9, 37, 5000])
def test_the_cost_of_a_start_from_nothing_is_spread_over_the_length(columns):
    floor = Echo().ladder(columns, carried=False).floor.loss
    assert floor == pytest.approx(0.454454 + 0.944888 / columns, abs=1e-6)


def test_with_carried_state_the_length_does_not_matter():
    for rung in Echo().ladder(num_steps=2, carried=True):
        assert rung.loss == Echo().ladder()[rung.name].loss
        assert rung.by_step is None


TENTHS = st.integers(-10, 10).map(lambda tenth: tenth / 10)
CHANCES = st.integers(0, 20).map(lambda twentieth: twentieth / 20)
# any echo with up to four lags; effects often push the chance out of [0, 1]
EFFECTS = st.dictionaries(st.integers(0, 6), TENTHS, max_size=4)


def loss_by_brute_force(task: Echo, known: tuple[int, ...]) -> float:
    """sum over what is seen of P(seen) h(E[clipped chance | seen]), spelled out."""
    total = 0.0
    hidden = [lag for lag in task.effects if lag not in known]

    def weight(values) -> float:
        return prod(task.chance_of_one if value else 1 - task.chance_of_one for value in values)

    for seen in product((0, 1), repeat=len(known)):
        mean = 0.0
        for unseen in product((0, 1), repeat=len(hidden)):
            ones = dict(zip((*known, *hidden), (*seen, *unseen), strict=True))
            chance = task.base + sum(task.effects[lag] for lag, one in ones.items() if one)
            mean += weight(unseen) * min(1.0, max(0.0, chance))
        total += weight(seen) * coin(min(1.0, mean))
    return total


@given(effects=EFFECTS, base=CHANCES, chance_of_one=CHANCES)
def test_every_rung_of_every_echo_is_what_brute_force_says(effects, base, chance_of_one):
    task = Echo(effects, base, chance_of_one)
    ladder = task.ladder()
    assert len(ladder) == 2 ** len(task.effects)
    by_name = {rung.name: rung for rung in ladder}
    for size in range(len(task.lags) + 1):
        for known in combinations(task.lags, size):
            expected = loss_by_brute_force(task, known)
            assert task.loss_knowing(known) == pytest.approx(expected, abs=1e-12)
            assert by_name[name_of(known)].loss == pytest.approx(expected, abs=1e-12)


def name_of(known: tuple[int, ...]) -> str:
    if len(known) < 2:
        return f"lag {known[0]}" if known else "none"
    return f"lags {', '.join(map(str, known[:-1]))} and {known[-1]}"


@given(effects=EFFECTS, base=CHANCES, num_steps=st.integers(1, 9))
def test_each_step_without_carried_state_is_what_brute_force_says(effects, base, num_steps):
    task = Echo(effects, base, chance_of_one=0.3)
    ladder = task.ladder(num_steps, carried=False)
    for step in range(num_steps):
        visible = tuple(lag for lag in task.lags if lag <= step)
        expected = loss_by_brute_force(task, visible)
        floor = ladder[name_of(task.lags)]
        assert floor.by_step[step] == pytest.approx(expected, abs=1e-12)


def test_clipping_comes_before_averaging():
    task = Echo({1: 1.0, 2: 1.0}, base=0.5)  # chances .5 1.5 1.5 2.5, as compared with a uniform
    assert task.chances.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert task.ladder()["none"].loss == pytest.approx(coin(0.875), abs=1e-12)


def test_a_clip_never_binds_in_the_notebook():
    assert sorted(Echo().chances.tolist()) == [0.25, 0.5, 0.75, 1.0]
