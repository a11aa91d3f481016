"""XOR of lags: derived numbers, and brute force over every string that a step can see."""

from itertools import product
from math import log

import pytest
import torch

from lossladder.tasks import XorLags

LN2 = log(2)


def coin(chance: float) -> float:
    """Entropy of a coin, nats."""
    return -sum(p * log(p) for p in (chance, 1 - chance) if p > 0)


def losses(task: XorLags) -> dict[str, float]:
    return {rung.name: rung.loss for rung in task.ladder()}


def test_the_rungs_of_biased_bits_have_their_derived_losses():
    expected = {
        "none": 0.684932663,
        "lag 1": 0.641035478,
        "lag 3": 0.641035478,
        "lags 1 and 3": 0.325082973,
    }
    assert losses(XorLags([1, 3], chance_of_one=0.3, noise=0.1)) == pytest.approx(
        expected, abs=1e-9
    )


def test_one_fair_bit_alone_is_worth_nothing_and_makes_no_rung():
    task = XorLags([2, 5], chance_of_one=0.5, noise=0.1)
    assert losses(task) == pytest.approx({"none": LN2, "lags 2 and 5": coin(0.1)}, abs=1e-12)
    assert task.loss_knowing((2,)) == task.loss_knowing((5,)) == pytest.approx(LN2, abs=1e-12)
    three = losses(XorLags([2, 5, 6], chance_of_one=0.5, noise=0.0))
    assert three == pytest.approx({"none": LN2, "lags 2, 5 and 6": 0.0}, abs=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_the_rungs_follow_their_formulas(q, noise):
    """An XOR with noise is that of one bit more: 1 - 2 P(odd) is the product of 1 - 2 P(one)."""
    task = XorLags([0, 4], chance_of_one=q, noise=noise)
    even = (1 - 2 * q, 1 - 2 * q, 1 - 2 * noise)
    for known in ((), (0,), (4,), (0, 4)):
        left = even[len(known) :]
        chance = (1 - torch.tensor(left, dtype=torch.float64).prod().item()) / 2
        assert task.loss_knowing(known) == pytest.approx(coin(chance), abs=1e-12)


def test_there_is_no_order_between_the_two_lags():
    ladder = XorLags().ladder()
    one, other, both = (ladder[name] for name in ("lag 1", "lag 3", "lags 1 and 3"))
    assert not ladder.includes(one, other)
    assert not ladder.includes(other, one)
    assert ladder.includes(both, one)
    assert ladder.includes(both, other)


@pytest.mark.parametrize("task", [XorLags(), XorLags([0, 1, 3], 0.2, 0.05), XorLags([1, 2], 0.5)])
def test_over_all_strings_every_predictor_has_the_loss_of_its_rung_exactly(task):
    strings = torch.tensor(list(product((0, 1), repeat=task.reach + 2)))
    q = task.chance_of_one
    weights = torch.tensor([1 - q, q], dtype=torch.float64)[strings].prod(dim=1)
    inputs = task.features(strings)
    steps = strings.shape[1]
    odd = torch.zeros(len(strings), steps, dtype=torch.long)
    for lag in task.lags:
        odd[:, lag:] += strings[:, : steps - lag]
    of_parity = torch.tensor([task.noise, 1 - task.noise], dtype=torch.float64)
    chance = of_parity[odd[:, -1] % 2]
    exact = torch.stack([1 - chance, chance], dim=-1)
    assert torch.allclose(task.probabilities(inputs)[:, -1], exact, atol=1e-12)
    for rung in task.ladder():
        predicted = rung.predictor(inputs)[:, -1]
        loss = -(weights[:, None] * exact * predicted.log()).nansum()
        assert float(loss) == pytest.approx(rung.loss, abs=1e-12)


def test_a_window_that_starts_bare_sees_a_lag_once_it_is_long_enough():
    task = XorLags([1, 3], chance_of_one=0.3, noise=0.1)
    both = task.ladder(6, carried=False)["lags 1 and 3"]
    none, one, all_of_it = 0.684932663, 0.641035478, 0.325082973
    assert both.by_step == pytest.approx([none, one, one, *[all_of_it] * 3], abs=1e-9)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: XorLags([1, -2]), "lags: lag=-2: must be a whole number of at least 0"),
        (lambda: XorLags([1, True]), "lags: lag=True: must be a whole number of at least 0"),
        (lambda: XorLags([4]), "lags=\\[4\\]: must be from 2 to 10 different lags"),
        (lambda: XorLags([4, 4]), "lags=\\[4, 4\\]: must be from 2 to 10 different lags"),
        (lambda: XorLags(list(range(11))), "must be from 2 to 10 different lags"),
        (lambda: XorLags(chance_of_one=1.5), "chance_of_one=1.5: must be a number from 0 to 1"),
        (lambda: XorLags(noise=0.7), "noise=0.7: must be a number from 0 to 0.5"),
        (lambda: XorLags().everything(), "xorlags: has no finite set"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
