"""The questions a run asks of a ladder, on ladders made by hand and on those of the yamls."""

import json
from collections.abc import Iterable
from dataclasses import replace
from math import inf, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossladder import tasks
from lossladder.diagnostics import Behaviour, score_outputs
from lossladder.ladder import Ladder, Rung, binary_entropy, cross_entropy, divergence, entropy
from lossladder.tasks import XOR, Count, Echo, Parity
from lossladder.training.curve import Passed


def ladder(**losses: float) -> Ladder:
    return Ladder([Rung(name, loss, name, predictor=lambda x: x) for name, loss in losses.items()])


def name_of(rung: Rung | None) -> str | None:
    return None if rung is None else rung.name


HOUSE = ladder(roof=1.0, attic=0.6, hall=0.5, cellar=0.495)


def test_rungs_are_kept_highest_loss_first():
    shuffled = ladder(hall=0.5, roof=1.0, cellar=0.495, attic=0.6)
    assert [rung.name for rung in shuffled] == ["roof", "attic", "hall", "cellar"]
    assert (shuffled.ceiling.name, shuffled.floor.name, len(shuffled)) == ("roof", "cellar", 4)


def test_a_rung_is_found_by_its_name():
    assert HOUSE["attic"].loss == 0.6
    with pytest.raises(ValueError, match="rung 'loft': must be one of roof, attic, hall, cellar"):
        HOUSE["loft"]


def test_a_ladder_has_a_rung():
    with pytest.raises(ValueError, match="a ladder has at least one rung"):
        Ladder([])


@pytest.mark.parametrize(
    ("rung", "tolerance"),
    [
        ("roof", 0.01),  # nothing above
        ("attic", 0.04),  # a tenth of the way to the roof
        ("hall", 0.01),  # a tenth of the way to the attic, which is a hundredth
        ("cellar", 0.0025),  # half of the way to the hall, and no more
    ],
)
def test_a_loss_stands_on_a_rung_from_a_little_above_it(rung, tolerance):
    assert HOUSE.tolerance(HOUSE[rung]) == pytest.approx(tolerance)


@pytest.mark.parametrize(
    ("loss", "reached"),
    [
        (inf, None),
        (nan, None),
        (1.02, None),
        (1.009, "roof"),
        (0.65, "roof"),
        (0.639, "attic"),
        (0.511, "attic"),
        (0.509, "hall"),
        (0.498, "hall"),
        (0.497, "cellar"),
        (0.0, "cellar"),
    ],
)
def test_a_loss_has_a_lowest_rung_that_it_has_passed(loss, reached):
    assert name_of(HOUSE.reached(loss)) == reached


def test_a_ladder_is_climbed_step_by_step_unless_its_rungs_say_otherwise():
    def steps(of: Ladder) -> list[tuple[str, str]]:
        return [(low.name, high.name) for low, high in of.steps]

    chain = [("attic", "roof"), ("hall", "attic"), ("cellar", "hall")]
    assert steps(HOUSE) == chain
    sides = [replace(rung, includes=("roof",)) if rung.name == "hall" else rung for rung in HOUSE]
    assert steps(Ladder(sides)) == [
        ("attic", "roof"),
        ("hall", "roof"),
        ("cellar", "attic"),
        ("cellar", "hall"),
    ]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("stairs", "includes 'stairs', which is none of"), ("cellar", "'cellar', which costs less")],
)
def test_a_rung_includes_what_is_there_and_costs_more(name, complaint):
    wrong = [replace(rung, includes=(name,)) if rung.name == "hall" else rung for rung in HOUSE]
    with pytest.raises(ValueError, match=complaint):
        Ladder(wrong)


def test_a_loss_has_a_distance_from_the_floor():
    assert HOUSE.above_floor(0.6) == pytest.approx(0.105)
    assert HOUSE.above_floor(0.4) < 0


def test_rungs_of_one_loss_are_reached_together():
    twins = ladder(none=0.7, left=0.5, right=0.5, both=0.3)
    assert twins.tolerance(twins["left"]) == twins.tolerance(twins["right"])
    assert passed(twins, (0.9, 0.5, 0.5)) == {"none": 2, "left": 2, "right": 2}


def passed(rungs: Ladder, losses: Iterable[float]) -> dict[str, int]:
    """Return what a curve of one point an update passes."""
    curve = Passed(rungs)
    for update, loss in enumerate(losses, start=1):
        curve.add(update, loss)
    return curve.at


def test_a_rung_is_passed_with_the_first_of_two_points_and_stays_so():
    curve = (1.3, 0.99, 0.505, 0.5, 0.7, 0.495, 0.9)
    assert passed(HOUSE, curve) == {"roof": 2, "attic": 3, "hall": 3}
    assert passed(HOUSE, (*curve, 0.4, 0.4))["cellar"] == 8
    assert passed(HOUSE, ()) == passed(HOUSE, (0.4,)) == {}


def test_one_low_point_passes_nothing():
    """The first crossing of a noisy curve says how noisy it is."""
    noisy = torch.full((200,), 0.62) + 0.03 * torch.randn(
        200, generator=torch.Generator().manual_seed(0)
    )
    noisy[50] = 0.0
    assert "cellar" not in passed(HOUSE, noisy.tolist())


def test_what_was_passed_goes_on_where_it_was_left():
    curve = (1.3, 0.99, 0.505, 0.5, 0.7, 0.495, 0.495)
    for cut in range(len(curve)):
        first, second = Passed(HOUSE), Passed(HOUSE)
        for update, loss in enumerate(curve, start=1):
            if update == cut:
                second.restore(json.loads(json.dumps(first.state())))
            (first if update < cut else second).add(update, loss)
        assert (second.at if cut else first.at | second.at) == passed(HOUSE, curve)


@given(
    losses=st.lists(st.floats(0, 3), min_size=1, max_size=8),
    loss=st.floats(0, 4),
    worse=st.floats(0, 1),
)
def test_a_lower_loss_never_stands_on_a_higher_rung(losses, loss, worse):
    rungs = ladder(**{f"rung {i}": value for i, value in enumerate(losses)})
    better, other = rungs.reached(loss), rungs.reached(loss + worse)
    assert other is None or (better is not None and better.loss <= other.loss)
    for rung in rungs:
        assert rungs.reached(rung.loss).loss <= rung.loss
        # and where a loss stands on a rung, no higher one is nearer
        edge = rung.loss + rungs.tolerance(rung)
        higher = [o.loss for o in rungs if o.loss > rung.loss + 1e-9]
        assert all(abs(edge - value) >= edge - rung.loss - 1e-12 for value in higher)


# --- behaviour ------------------------------------------------------------------------------


@pytest.mark.sampled(8)
def test_predictions_behave_like_the_rung_they_come_from(task_yaml, built):
    task = built(f"task={task_yaml}").task
    steps = task.num_steps or (task.reach or 0) + 20
    batch = task.sample(torch.Generator().manual_seed(0), 200, steps)
    rungs = task.ladder(steps, carried=False)
    for rung in rungs:
        predicted = task.loss.logits_for(rung.predictor(batch.inputs))
        behaviour = Behaviour(score_outputs(predicted, task, batch), batch, rungs)
        assert behaviour.nearest(rungs.rungs)[0].name == rung.name
        assert behaviour.divergences[rung.name] == pytest.approx(0.0, abs=1e-9)


def test_behaviour_tells_apart_what_a_loss_cannot():
    """A predictor of lag 8 that doubts itself has the ceiling's loss, but not its behaviour."""
    task, rungs = Echo(), Echo().ladder()
    batch = task.sample(torch.Generator().manual_seed(0), 400, 100)
    exact = rungs["lag 8"].predictor(batch.inputs)
    predicted = torch.stack([exact[..., 0] + 0.11, exact[..., 1] - 0.11], dim=-1).log()
    loss = float(task.expected_losses(predicted, batch.probabilities).mean())
    assert name_of(rungs.reached(loss)) == "none"
    behaviour = Behaviour(score_outputs(predicted, task, batch), batch, rungs)
    assert [rung.name for rung in behaviour.nearest(rungs.rungs)] == ["lag 8"]


def test_only_scored_steps_count_for_behaviour():
    task, rungs = Echo(), Echo().ladder()
    batch = task.sample(torch.Generator().manual_seed(0), 50, 40)
    late = (torch.arange(40) >= 20).expand(50, 40)
    early, rest = (rungs[name].predictor(batch.inputs) for name in ("none", "lag 3"))
    mixed = torch.where(late[..., None], rest, early).log()
    for scored, name in ((late, "lag 3"), (~late, "none")):
        some = batch._replace(scored=scored)
        behaviour = Behaviour(score_outputs(mixed, task, some), some, rungs)
        assert next(iter(behaviour.divergences)) == name


# --- how they show themselves ---------------------------------------------------------------


def test_a_ladder_shows_its_rungs_and_their_unit():
    assert repr(Echo().ladder()) == (
        "<Ladder in nats: none 0.6616 > lag 8 0.6277 > lag 3 0.5192 > lags 3 and 8 0.4545>"
    )
    assert repr(tasks.WorkedExample().ladder()) == (
        "<Ladder in half squared error: none 0.2401 > example 0.0000>"
    )


def test_a_long_ladder_shows_its_first_rungs_and_its_floor():
    assert repr(Count(10).ladder()) == (
        "<Ladder in nats: "
        "none 1.8760 > last 1 1.8229 > last 2 1.7635 > last 3 1.6959 > … > all 0.0000>"
    )
    assert repr(Count(5).ladder()).count(">") == 6  # six rungs, with none left out
    ten = Echo(dict.fromkeys(range(10), 0.01)).ladder()
    assert len(ten) == 1024
    assert len(repr(ten)) < 150


def test_a_rung_shows_neither_its_function_nor_its_steps():
    assert repr(Parity(50).ladder().floor) == (
        "Rung(name='all', loss=0.0, knows='every bit so far', reach=49)"
    )


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (Echo(), "Echo(effects={3: 0.5, 8: -0.25}, base=0.5, chance_of_one=0.5)"),
        (Echo({10: 0.1, 2: 0.2}), "Echo(effects={2: 0.2, 10: 0.1}, base=0.5, chance_of_one=0.5)"),
        (Count(4), "Count(num_steps=4, chance_of_one=0.5, every_step=False, mixed_lengths=False)"),
        (XOR(), "XOR()"),
    ],
)
def test_a_task_shows_its_arguments(task, shown):
    assert repr(task) == shown


def test_what_every_task_shows_makes_it_again(task_yaml, built):
    task = built(f"task={task_yaml}").task
    again = eval(repr(task), vars(tasks))
    assert type(again) is type(task)
    steps = task.num_steps or 20
    assert repr(again.ladder(steps)) == repr(task.ladder(steps))


def test_a_task_of_ones_own_shows_the_arguments_it_keeps():
    class Mine(XOR):
        def __init__(self, size: int, names: str = "all") -> None:
            self.size, self.called = size, names

    assert repr(Mine(3)) == "Mine(size=3)"


# --- entropies ------------------------------------------------------------------------------


@given(weights=st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda w: sum(w) > 0.1))
def test_divergence_is_cross_entropy_above_entropy_and_never_negative(weights):
    exact = torch.tensor(weights, dtype=torch.float64)
    exact = exact / exact.sum()
    flat = torch.full_like(exact, 1 / len(exact)).log()
    assert float(divergence(exact, flat)) == pytest.approx(
        float(cross_entropy(exact, flat) - entropy(exact)), abs=1e-12
    )
    assert float(divergence(exact, flat)) >= -1e-12
    assert float(divergence(exact, exact.log())) == pytest.approx(0.0, abs=1e-12)
    assert 0 <= float(entropy(exact)) <= torch.tensor(float(len(exact))).log() + 1e-6


def test_what_never_happens_costs_nothing_and_what_was_excluded_costs_everything():
    never, always = torch.tensor([0.0, 1.0]).double(), torch.tensor([1.0, 0.0]).double()
    assert float(cross_entropy(never, never.log())) == 0.0
    assert float(cross_entropy(always, never.log())) == inf
    assert float(entropy(never)) == float(binary_entropy(never[0])) == 0.0


@pytest.mark.parametrize("chance", [0.0, 1e-12, 0.25, 0.625, 1.0])
def test_a_coin_has_the_entropy_of_its_two_sides(chance):
    coin = torch.tensor([1 - chance, chance], dtype=torch.float64)
    assert float(binary_entropy(coin[1])) == pytest.approx(float(entropy(coin)), abs=1e-15)
