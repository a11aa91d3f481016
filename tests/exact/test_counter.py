"""Counter: published numbers, the task count inside it, and brute force over every string."""

from itertools import product
from math import comb, log

import pytest
import torch
from torch import Generator

from lossladder.ladder import cross_entropy
from lossladder.tasks import Count, Counter

MAJORITY = {
    "none": 0.693147181,
    "last 1": 0.662552813,
    "last 5": 0.515089593,
    "last 9": 0.276774329,
    "last 10": 0.170579189,
}


def entropy(chances) -> float:
    return -sum(p * log(p) for p in chances if p > 0)


def losses_of(task: Counter) -> dict[str, float]:
    return {rung.name: rung.loss for rung in task.ladder()}


def test_the_majority_of_eleven_has_the_losses_that_binomials_give():
    losses = losses_of(Counter("majority", 11))
    assert {name: losses[name] for name in MAJORITY} == pytest.approx(MAJORITY, abs=2e-9)
    for known in range(1, 11):
        others = 11 - known
        by_hand = 0.0
        for ones in range(known + 1):
            more = sum(comb(others, k) for k in range(others + 1) if 2 * (ones + k) > 11)
            chance = more / 2**others
            by_hand += comb(known, ones) / 2**known * entropy((chance, 1 - chance))
        assert losses[f"last {known}"] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("chance", [0.5, 0.3])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("num_steps", [1, 10, 30])
def test_to_count_ones_is_the_task_count(num_steps, every_step, chance):
    """Rung by rung, and what the predictors say of the same strings."""
    count = Count(num_steps, chance, every_step)
    counter = Counter("ones", num_steps, chance, every_step, moduli=[], clips=[])
    one, other = count.ladder(), counter.ladder()
    assert [rung.name for rung in one] == [rung.name for rung in other]
    batch = count.sample(Generator().manual_seed(0), 50)
    for left, right in zip(one, other, strict=True):
        assert left.loss == pytest.approx(right.loss, abs=1e-12)
        law, same = (rung.predictor(batch.inputs)[batch.scored] for rung in (left, right))
        assert torch.allclose(law, same, atol=1e-12)


def test_what_else_ones_may_be_known_by_comes_beside_the_rungs_of_count():
    ladder = Counter("ones", 10).ladder()
    assert {rung.name for rung in Count(10).ladder()} < {rung.name for rung in ladder}
    # two remainders of ten fair bits are equally likely: one bit is known of the count
    ones = [comb(10, k) / 2**10 for k in range(11)]
    assert ladder["mod 2"].loss == pytest.approx(entropy(ones) - log(2), abs=1e-12)
    # up to c ones and c zeros: all is known but which of c ... n - c it is
    inside = ones[2:9]
    left = sum(inside) * entropy([p / sum(inside) for p in inside])
    assert ladder["clip 2"].loss == pytest.approx(left, abs=1e-12)


def test_ups_less_downs_have_the_ladder_of_ones_where_the_step_is_known():
    """But that of a remainder: ups less downs modulo 3 tell ones modulo 3, and modulo 4 only 2."""
    ones, ups = losses_of(Counter("ones", 9)), losses_of(Counter("up_down", 9))
    for name in ("none", "last 4", "clip 2", "mod 3"):
        assert ups[name] == pytest.approx(ones[name], abs=1e-12)
    assert ups["mod 4"] == pytest.approx(ones["mod 2"], abs=1e-12)
    assert "mod 2" not in ups


BRUTE = {
    "anbn": Counter("anbn", 10),
    "up_down": Counter("up_down", 6, every_step=True),
    "majority": Counter("majority", 7),
    "majority, every step": Counter("majority", 6, every_step=True, moduli=[3, 5], clips=[1]),
    "ones": Counter("ones", 7),
}


@pytest.mark.parametrize("task", BRUTE.values(), ids=BRUTE)
def test_over_all_strings_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    assert bool(batch.probabilities.gather(-1, batch.targets[..., None])[batch.scored].min() > 0)
    for rung in task.ladder():
        losses = cross_entropy(batch.probabilities, rung.predictor(batch.inputs).log())
        found = float(losses[batch.scored].mean())
        assert found == pytest.approx(rung.loss, abs=1e-12), rung.name


@pytest.mark.parametrize("task", BRUTE.values(), ids=BRUTE)
def test_no_predictor_of_the_same_knowledge_does_better(task):
    """Strings that a predictor cannot tell apart are sorted by what it says of them."""
    batch = task.batch(task.everything())
    for rung in task.ladder():
        said = rung.predictor(batch.inputs)[batch.scored]
        cells = said.mul(1e9).round().unique(dim=0, return_inverse=True)[1]
        exact = batch.probabilities[batch.scored]
        sums = torch.zeros(int(cells.max()) + 1, exact.shape[1], dtype=torch.float64)
        sums.index_add_(0, cells, exact)
        best = (sums / sums.sum(dim=1, keepdim=True))[cells]
        assert torch.allclose(said, best, atol=1e-9), rung.name


def test_the_losses_of_anbn_follow_from_their_words():
    """n uniform on 1 ... 4: 20 symbols to predict, in strings of 2, 4, 6 and 8."""
    losses = losses_of(Counter("anbn", 8))
    # a after a: (n - 1) times, b: n times, $: once
    counts = {"a": 6, "b": 10, "$": 4}
    assert losses["none"] == pytest.approx(entropy([c / 20 for c in counts.values()]), abs=1e-12)
    # only whether there is another a is not known, once at each a: n has 4, 3, 2 values left
    unsure = sum(left / 4 * entropy((1 / left, 1 - 1 / left)) for left in (4, 3, 2)) / 5
    assert losses["all"] == pytest.approx(unsure, abs=1e-12)
    # after a: 6 of 10 times another, after b: 6 of 10 times another
    assert losses["last 1"] == pytest.approx(entropy((0.6, 0.4)), abs=1e-12)


def test_strings_of_anbn_are_what_they_should_be():
    task = Counter("anbn", 6)
    draw = task.everything()
    assert draw.inputs.tolist() == [[0, 1, 2, 2, 2, 2], [0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]]
    assert draw.targets.tolist() == [[1, 2, 2, 2, 2, 2], [0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 2]]
    assert draw.scored.sum(dim=1).tolist() == [2, 4, 6]
    longer = task.draw(Generator().manual_seed(0), 500, 9)
    assert int(longer.scored.sum(dim=1).max()) == 6


def test_what_is_known_is_no_ladder_but_a_partial_order():
    ladder = Counter("anbn", 8).ladder()
    for one, other in product(("last 3", "mod 2", "mod 3", "step"), repeat=2):
        assert ladder.includes(ladder[one], ladder[other]) == (one == other)
    # who has the first two of each symbol knows the last two
    assert ladder.includes(ladder["clip 2"], ladder["last 2"])
    assert not ladder.includes(ladder["clip 2"], ladder["last 3"])
    ladder = Counter("majority", 11, moduli=[3, 9]).ladder()
    assert ladder.includes(ladder["mod 9"], ladder["mod 3"])
    assert not ladder.includes(ladder["last 9"], ladder["mod 3"])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kind": "abc"}, "kind='abc': must be one of anbn, up_down, majority, ones"),
        ({"num_steps": 7}, "num_steps=7: must be even and at least 4 for kind=anbn"),
        ({"num_steps": 514}, "num_steps=514: must be a whole number from 1 to 512"),
        ({"kind": "ones", "num_steps": 0}, "num_steps=0: must be a whole number from 1 to 200"),
        ({"chance_of_one": 2}, "chance_of_one=2: must be a number from 0 to 1"),
        ({"moduli": [1]}, "moduli: m=1: must be a whole number of at least 2"),
        ({"clips": [0]}, "clips: c=0: must be a whole number of at least 1"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        Counter(**settings)


def test_strings_too_many_or_not_equally_likely_are_no_finite_set():
    for task in (Counter("majority", 17), Counter("ones", 5, chance_of_one=0.3)):
        with pytest.raises(ValueError, match="use data=fresh"):
            task.everything()
