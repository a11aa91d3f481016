"""Copy: derived numbers, and a Bayesian who lists all sequences."""

from collections import Counter
from itertools import product
from math import factorial, log, prod

import pytest
import torch

from lossladder.ladder import cross_entropy
from lossladder.tasks import Copy

PAPER = Copy(length=10, symbols=8, delay=100)


def losses(task: Copy) -> dict[str, float]:
    return {rung.name: rung.loss for rung in task.ladder()}


def test_the_papers_setting_has_the_known_ladder():
    found = losses(PAPER)
    assert PAPER.num_steps == 120
    assert found["step"] == pytest.approx(0.173286795, abs=1e-9)
    assert found["bag"] == pytest.approx(0.097348561, abs=1e-9)
    for j in range(1, 10):
        assert found[f"{j} known"] == pytest.approx((10 - j) * log(8) / 120, abs=1e-12)
    assert found["all"] == 0
    # the best constant says blank with 110/120, and knows no step
    share = 10 / 120
    constant = -(1 - share) * log(1 - share) - share * log(share / 8)
    assert found["none"] == pytest.approx(constant, abs=1e-12)


@pytest.mark.parametrize(("delay", "loss"), [(300, 0.064983), (500, 0.039989)])
def test_longer_delays_cost_less_a_step(delay, loss):
    assert losses(Copy(10, 8, delay))["step"] == pytest.approx(loss, abs=1e-6)


def test_fixed_places_know_little_of_a_selective_string():
    task = Copy(length=10, symbols=8, delay=16, kind="selective")
    share = task.num_steps / 10  # a symbol that is said, in place of a step
    found = losses(task)
    assert found["fixed places"] * share == pytest.approx(1.569915457, abs=1e-9)
    assert found["step"] * share == pytest.approx(2.079441542, abs=1e-9)


@pytest.mark.parametrize(("length", "symbols"), [(2, 2), (3, 3), (4, 2)])
def test_the_bag_costs_the_logarithm_of_the_orders_there_are(length, symbols):
    strings = [*product(range(symbols), repeat=length)]
    orders = sum(
        log(factorial(length) / prod(factorial(c) for c in Counter(s).values())) for s in strings
    )
    task = Copy(length, symbols, delay=2)
    expected = orders / len(strings) / task.num_steps
    assert losses(task)["bag"] == pytest.approx(expected, abs=1e-12)


SMALL = {
    "plain": Copy(3, 3, 2),
    "reversed": Copy(4, 2, 1, "reversed"),
    "selective": Copy(2, 3, 5, "selective"),
    "selective, one place": Copy(1, 2, 1, "selective"),
    "one symbol": Copy(1, 2, 3),
}


@pytest.mark.parametrize("task", SMALL.values(), ids=SMALL)
def test_over_all_sequences_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    for rung in task.ladder():
        for predictor in (rung.predictor, *rung.twins):
            each = cross_entropy(batch.probabilities, predictor(batch.inputs).log())
            assert float(each.mean()) == pytest.approx(rung.loss, abs=1e-12)
        each = cross_entropy(batch.probabilities, rung.predictor(batch.inputs).log())
        assert each.mean(dim=0).tolist() == pytest.approx(list(rung.by_step), abs=1e-12)


def test_every_predictor_is_the_mean_over_all_that_look_the_same_to_it():
    """A Bayesian who lists all sequences, and shares nothing with the code but the rule."""
    task = Copy(2, 3, 5, "selective")
    every = task.everything()
    read, said = every.inputs[:, :5].tolist(), every.targets[:, 6:].tolist()
    # what is known of each symbol that is said; the first is likeliest at place 0, the second at 4
    knows = {
        "step": lambda row, string, i: (),
        "1 known": lambda row, string, i: string[1:][i - 1 :] if i else (),
        "histogram": lambda row, string, i: sorted(string),
        "bag": lambda row, string, i: sorted(string[i:]),
        "fixed places": lambda row, string, i: (row[(0, 4)[i]],),
        "all": lambda row, string, i: string,
    }
    assert {*knows, "none"} == {*losses(task)}
    for name, seen in knows.items():
        found = task.ladder()[name].predictor(task.features(every.inputs))[:, 6:, :3]
        for i in range(2):
            keys = [tuple(seen(row, string, i)) for row, string in zip(read, said, strict=True)]
            counts: dict[tuple[int, ...], Counter[int]] = {}
            for key, string in zip(keys, said, strict=True):
                counts.setdefault(key, Counter())[string[i]] += 1
            due = [[counts[key][v] / counts[key].total() for v in range(3)] for key in keys]
            assert torch.allclose(found[:, i], torch.tensor(due).double(), atol=1e-6), name


@pytest.mark.parametrize("kind", ["plain", "reversed", "selective"])
def test_the_string_is_said_after_the_cue(kind):
    task = Copy(4, 5, 6, kind)
    draw = task.draw(torch.Generator().manual_seed(0), 300, task.num_steps)
    for row, target in zip(draw.inputs.tolist(), draw.targets.tolist(), strict=True):
        string = [symbol for symbol in row if symbol < 5]
        assert len(string) == 4
        assert row.index(6) == len(row) - 5  # the cue, and then the four are said
        assert target[:-4] == [5] * (len(row) - 4)
        assert target[-4:] == (string[::-1] if kind == "reversed" else string)
    if kind != "selective":
        assert (draw.inputs[:, :4] < 5).all()


def test_a_selective_string_stands_at_every_set_of_places_equally_often():
    task = Copy(2, 2, 4, "selective")
    draw = task.draw(torch.Generator().manual_seed(0), 60_000, task.num_steps)
    places = (draw.inputs[:, :4] < 2).long() @ torch.tensor([8, 4, 2, 1])
    counts = places.bincount(minlength=16)
    assert sorted(counts.nonzero()[:, 0].tolist()) == [3, 5, 6, 9, 10, 12]
    assert (counts[counts > 0] - 10_000).abs().max() < 4 * (10_000 * 5 / 6) ** 0.5


def test_nobody_who_keeps_few_bits_does_better_than_its_mark():
    """All that two states can say of a string of two bits, and the best answers to it."""
    strings = [*product((0, 1), repeat=2)]
    task, best = Copy(2, 2, 1), float("inf")
    for states in product((0, 1), repeat=len(strings)):
        total = 0.0
        for state in (0, 1):
            for place in (0, 1):
                says = Counter(s[place] for s, q in zip(strings, states, strict=True) if q == state)
                total -= sum(c * log(c / says.total()) for c in says.values())
        best = min(best, total / len(strings) / task.num_steps)
    assert best == pytest.approx({m.states: m.loss for m in task.memory()}[2], abs=1e-12)


def test_marks_go_down_to_the_bits_that_keep_everything():
    marks = PAPER.memory()
    assert [mark.name for mark in marks] == ["8 bits", "15 bits", "23 bits", "30 bits"]
    expected = [(10 * log(8) - b * log(2)) / 120 for b in (8, 15, 23, 30)]
    assert [mark.loss for mark in marks] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Copy(length=0), "length=0: must be a whole number of at least 1"),
        (lambda: Copy(symbols=1), "symbols=1: must be a whole number of at least 2"),
        (lambda: Copy(delay=0), "delay=0: must be a whole number of at least 1"),
        (lambda: Copy(kind="sorted"), "kind='sorted': must be one of plain, reversed, selective"),
        (
            lambda: Copy(length=5, delay=4, kind="selective"),
            "length=5: a selective string has at most a symbol a place, .* delay=4 places",
        ),
        (lambda: Copy(10, 8).everything(), "1073741824 sequences; at most 65536 .* data=fresh"),
        (lambda: Copy().draw(torch.Generator(), 1, 3), "num_steps=3: must be 16"),
        (lambda: Copy().ladder(17), "num_steps=17: must be 16"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_places_are_counted_however_many_ways_there_are():
    """16 of 256 places: in more ways than 64 bits count. At a place stands 1/16 of a symbol."""
    task = Copy(length=16, symbols=4, delay=256, kind="selective")
    where, right, taken = task._likely_places
    assert (where[0], where[-1], taken) == (0, 255, 1 / 16)
    # the first symbol stands at the first place whenever any does
    assert (float(right[0]), float(right[-1])) == (1.0, 1.0)
    assert losses(task)["all"] == 0
