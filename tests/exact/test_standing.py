"""Where a network stands: predictors made by hand, whose standing is known, and what is said."""

from collections import defaultdict
from collections.abc import Callable
from math import comb, log

import pytest
import torch
from torch import Generator, Tensor

from lossladder.diagnostics import Behaviour, score_outputs
from lossladder.ladder import Ladder, Standing, either
from lossladder.tasks import Batch, Count, Echo, Parity, Task
from lossladder.training.conclude import measure


def standing(
    task: Task, predict: Callable[[Tensor], Tensor], exhaustive: bool = False, rows: int = 400
) -> tuple[Standing, Behaviour, float]:
    """Return where somebody stands who predicts so, how they behave, and their loss."""
    batch = task.batch(task.everything()) if exhaustive else sample(task, rows)
    measured = score_outputs(predict(batch.inputs).log(), task, batch, exhaustive)
    ladder = ladder_of(task, batch)
    behaviour = Behaviour(measured, batch, ladder)
    stands = ladder.standing(
        measured.loss, measured.standard_error, behaviour.divergences, behaviour.nearest
    )
    return stands, behaviour, measured.loss


def sample(task: Task, rows: int) -> Batch:
    """Return sequences; of streams, those of which every step sees the whole past."""
    batch = task.sample(Generator().manual_seed(0), rows, task.num_steps or 200)
    return batch._replace(
        scored=batch.scored & (torch.arange(batch.inputs.shape[1]) >= reach(task))
    )


CLOSE = defaultdict[str, float](float)  # a behaviour that is any rung's own


def reach(task: Task) -> int:
    return (task.reach or 0) if task.streams else 0


def ladder_of(task: Task, batch: Batch) -> Ladder:
    return task.ladder(batch.inputs.shape[1])


def halved(task: Echo) -> Callable[[Tensor], Tensor]:
    """Both effects are known, and believed to be half of what they are."""
    return lambda inputs: (task.probabilities(inputs) + torch.tensor([0.375, 0.625])) / 2


# --- on a rung, or between ------------------------------------------------------------------


@pytest.mark.parametrize("rung", ["none", "lag 8", "lag 3", "lags 3 and 8"])
def test_whoever_predicts_like_a_rung_stands_on_it(rung):
    stands, _, loss = standing(Echo(), Echo().ladder()[rung].predictor)
    assert (stands.where, either(stands.on), either(stands.passed)) == ("on", rung, rung)
    assert stands.knows
    assert stands.share == pytest.approx((0.661563 - loss) / 0.207109, abs=1e-5)


def test_halved_effects_pass_a_rung_and_stand_on_none():
    """A loss within the tolerance of lag 3, and a behaviour that is nearest to lag 8."""
    stands, behaviour, loss = standing(Echo(), halved(Echo()), rows=4000)
    assert loss == pytest.approx(0.5297, abs=0.001)
    expected = {"lag 8": 0.0428, "none": 0.0459, "lag 3": 0.0474, "lags 3 and 8": 0.0752}
    assert behaviour.divergences == pytest.approx(expected, abs=0.0005)
    assert [*behaviour.divergences] == [*expected]
    assert (stands.where, stands.on, either(stands.passed)) == ("between", (), "lag 3")
    assert stands.nearest[0].name == "lag 8"
    assert stands.share == pytest.approx(0.637, abs=0.01)


def test_an_overconfident_network_knows_what_it_knows_and_pays_for_it():
    """Logits doubled: the loss has merely passed lag 8, and the behaviour is that of lag 3."""

    def overconfident(inputs: Tensor) -> Tensor:
        return torch.softmax(2 * Echo().ladder()["lag 3"].predictor(inputs).log(), dim=-1)

    stands, _, _ = standing(Echo(), overconfident)
    assert (stands.where, either(stands.passed)) == ("between", "lag 8")
    assert stands.nearest[0].name == "lag 3"


def test_a_loss_that_was_come_by_in_another_way_is_no_knowledge():
    """The loss of lag 3, by half of what lag 3 tells and all of what lag 8 does, and too sure."""
    task = Echo()

    def otherwise(inputs: Tensor) -> Tensor:
        three, eight = (inputs[..., 1].double().roll(lag, dims=1) for lag in (3, 8))
        chance = 0.625 + 0.26 * (three - 0.5) - 0.25 * (eight - 0.5)
        return torch.stack([1 - chance, chance], dim=-1)

    stands, behaviour, loss = standing(task, otherwise)
    ladder = task.ladder()
    lag_3 = ladder["lag 3"]
    assert abs(loss - lag_3.loss) < ladder.tolerance(lag_3)
    assert behaviour.divergences["lag 3"] > 0.02
    nearest = stands.nearest[0].name
    assert (stands.where, nearest, stands.knows) == ("between", "lag 8", False)
    # were it the nearest one, it would still be far
    stands = ladder.standing(loss, 0.0006, behaviour.divergences, lambda rungs: [lag_3])
    assert (stands.where, either(stands.on), stands.knows) == ("on", "lag 3", False)


@pytest.mark.parametrize(("chance", "where"), [(0.625, "on"), (0.4, "above_ceiling")])
def test_a_constant_stands_on_the_ceiling_or_above_it(chance, where):
    constant = torch.tensor([1 - chance, chance], dtype=torch.float64)
    stands, _, _ = standing(Echo(), lambda inputs: constant.expand_as(inputs).clone())
    assert stands.where == where
    assert bool(stands.passed) == (where == "on")


def test_a_loss_under_the_floor_stands_on_nothing():
    """No honest predictor gets there: the sequences or the ladder are not what they are said."""
    ladder = Echo().ladder()
    for loss, where in ((0.4527, "on"), (0.4526, "below_floor")):
        stands = ladder.standing(loss, 0.0006, CLOSE, lambda rungs: [ladder.floor])
        assert (stands.where, bool(stands.on)) == (where, where == "on")


def test_where_there_is_nothing_to_know_nobody_has_a_share_of_it():
    stands, _, _ = standing(Echo({}), Echo({}).probabilities)
    assert (stands.where, stands.share) == ("on", None)


# --- what a measurement cannot tell apart ---------------------------------------------------

EQUAL = Echo({2: 0.4, 5: 0.4}, base=0.1)


@pytest.mark.parametrize("rung", ["lag 2", "lag 5"])
def test_rungs_of_one_loss_are_told_apart_by_behaviour(rung):
    stands, _, _ = standing(EQUAL, EQUAL.ladder()[rung].predictor)
    assert (either(stands.on), either(stands.passed)) == (rung, rung)


def test_one_lag_and_half_of_another_is_between():
    """Whatever the order of rungs: lag 2 fully, lag 5 by half."""

    def predict(inputs: Tensor) -> Tensor:
        ones = inputs[..., 1].double()
        two, five = ones.roll(2, dims=1), ones.roll(5, dims=1)
        chance = 0.1 + 0.4 * two + 0.2 * five + 0.1
        return torch.stack([1 - chance, chance], dim=-1)

    stands, _, _ = standing(EQUAL, predict)
    assert stands.where == "between"
    assert either(stands.passed) == "lag 2"


def test_rungs_that_nothing_tells_apart_are_named_together():
    """A constant behaves like neither of two lags more than like the other."""
    ladder = EQUAL.ladder()
    constant = ladder.ceiling.predictor(torch.zeros(1, 1, 2))[0, 0]
    _, behaviour, _ = standing(EQUAL, lambda inputs: constant.expand_as(inputs).clone())
    assert either(behaviour.nearest([ladder["lag 2"], ladder["lag 5"]])) in (
        "lag 2 or lag 5",
        "lag 5 or lag 2",
    )


def test_a_tolerance_is_no_less_than_three_standard_errors():
    """Of six lags many rungs lie closer together than a measurement is sure of."""
    lags = {lag: 0.5 / 2**place for place, lag in enumerate((1, 2, 4, 6, 9, 12))}
    ladder = Echo(lags, base=0.005).ladder()
    error = 0.0006
    tight = [rung for rung in ladder if ladder.tolerance(rung) < error]
    assert len(tight) > 10
    for rung in tight:
        alike = [r for r in ladder if abs(r.loss - rung.loss) < error]
        for off in (-2.9, 2.9):
            loss = rung.loss + off * error
            stands = ladder.standing(loss, error, CLOSE, lambda some, rung=rung: [rung])
            assert rung in stands.on or stands.where == "below_floor"
        stands = ladder.standing(rung.loss, error, CLOSE, lambda some, alike=alike: alike)
        assert {r.name for r in stands.on} == {r.name for r in alike}


# --- what was all there is ------------------------------------------------------------------


def test_on_all_strings_nothing_is_left_to_chance():
    """Two mistakes in 1024 are no ignorance of a bit, and no chance either."""
    task = Count(10)

    def nearly(inputs: Tensor) -> Tensor:
        law = 0.9999 * task.probabilities(inputs) + 0.0001 / 11
        law[:2] = law[:2].roll(1, dims=-1)
        return law

    stands, behaviour, _ = standing(task, nearly, exhaustive=True)
    assert (stands.where, either(stands.on)) == ("on", "all")
    assert behaviour.from_floor[1] == 0.0


# --- the ceiling, and the step --------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "ceiling", "step"),
    [
        (Count(10, every_step=True), 1.973029, 1.469518),
        (Count(10, mixed_lengths=True), 1.973029, 1.469518),
        (Parity(10, chance_of_one=0.3, every_step=True), 0.690924, 0.683389),
    ],
    ids=str,
)
def test_the_ceiling_is_the_best_constant_and_the_step_a_rung_of_its_own(task, ceiling, step):
    ladder = task.ladder()
    assert [rung.name for rung in ladder][:2] == ["none", "step"]
    assert [rung.loss for rung in ladder][:2] == pytest.approx([ceiling, step], abs=1e-6)


@pytest.mark.parametrize("task", [Count(10), Parity(10, every_step=True)], ids=str)
def test_where_the_step_is_worth_nothing_it_is_no_rung(task):
    assert "step" not in [rung.name for rung in task.ladder()]
    assert task.ladder().ceiling.loss <= log(task.output_size)


def test_what_a_split_hid_decides_neither_the_standing_nor_the_rung_that_is_passed(built):
    """A constant that bets everything against a class it was never shown: loss without bound."""
    parts = built("task=count")
    missing = parts.data.validated.targets[parts.data.hidden(), -1].unique()
    assert len(missing) == 1
    network = parts.network
    with torch.no_grad():
        network.readout.weight.zero_()
        network.readout.bias.copy_(torch.tensor([log(comb(10, ones)) for ones in range(11)]))
        network.readout.bias[missing] = -10_000.0
    measured = measure(network, parts.data)
    assert measured["loss"] > parts.data.ladder().ceiling.loss + 1
    assert measured["loss_of_shown"] < parts.data.ladder().ceiling.loss
    assert measured["standing"] == "between"
    assert measured["rung"] == "none"
