"""Markov in context: numbers derived elsewhere, and Beta integrals over every string there is."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import pairwise, product
from math import exp, lgamma, log

import numpy as np
import pytest
import torch

from lossladder.tasks import MarkovInContext

SMALL = [(2, 6, 1.0), (2, 7, 0.4), (3, 4, 1.0), (4, 3, 2.5)]
String = tuple[int, ...]


def chance_of(string: String, symbols: int, alpha: float) -> float:
    """Its chance, the mean over all chains: a quotient of Beta functions for each row."""
    counts = np.zeros((symbols, symbols))
    for before, after in pairwise(string):
        counts[before, after] += 1
    total = -log(symbols)
    for row in counts:
        total += lgamma(symbols * alpha) - lgamma(symbols * alpha + row.sum())
        total += sum(lgamma(alpha + count) - lgamma(alpha) for count in row)
    return exp(total)


def losses_given(
    knows: Callable[[String], Hashable], symbols: int, num_steps: int, alpha: float
) -> list[float]:
    """Entropy of the next symbol at each step, of who knows only this of the string so far."""
    losses = []
    for seen in range(1, num_steps + 1):
        joint: dict[Hashable, np.ndarray] = defaultdict(lambda: np.zeros(symbols))
        for string in product(range(symbols), repeat=seen + 1):
            joint[knows(string[:-1])][string[-1]] += chance_of(string, symbols, alpha)
        losses.append(-sum(float((p * np.log(p / p.sum())).sum()) for p in joint.values()))
    return losses


def test_the_rungs_and_marks_of_sixteen_steps_have_their_known_losses():
    task = MarkovInContext(symbols=2, num_steps=16)
    rungs = {rung.name: rung.loss for rung in task.ladder()}
    expected = {"none": log(2), "counts": 0.618324237, "all": 0.573871803}
    assert rungs == pytest.approx(expected, abs=1e-9)
    marks = {mark.name: mark.loss for mark in task.memory()}
    assert marks == pytest.approx({"add-one": 0.625577391, "told the chain": 0.4845345}, abs=1e-9)


@pytest.mark.parametrize(("symbols", "num_steps", "alpha"), SMALL)
def test_over_all_strings_each_step_has_the_loss_of_who_knows_so_much(symbols, num_steps, alpha):
    known: dict[str, Callable[[String], Hashable]] = {
        "none": lambda string: None,
        "counts": lambda string: tuple(sorted(string)),
        "all": lambda string: string,
    }
    ladder = MarkovInContext(symbols, num_steps, alpha).ladder()
    assert [rung.name for rung in ladder] == list(known)
    for rung in ladder:
        expected = losses_given(known[rung.name], symbols, num_steps, alpha)
        assert rung.by_step == pytest.approx(expected, abs=1e-12)
        assert rung.loss == pytest.approx(sum(expected) / num_steps, abs=1e-12)


def test_the_step_alone_is_worth_nothing():
    """What looks at no input but the step has the loss of the constant."""
    assert losses_given(len, 3, 4, 0.5) == pytest.approx([log(3)] * 4, abs=1e-12)


@pytest.mark.parametrize(("symbols", "num_steps", "alpha"), SMALL)
def test_over_all_strings_each_predictor_has_its_loss_exactly(symbols, num_steps, alpha):
    task = MarkovInContext(symbols, num_steps, alpha)
    strings = torch.tensor(list(product(range(symbols), repeat=num_steps + 1)))
    weights = [chance_of(tuple(string), symbols, alpha) for string in strings.tolist()]
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    for rung in task.ladder():
        law = rung.predictor(task.features(strings[:, :-1]))
        losses = -law.log().gather(-1, strings[:, 1:, None])[..., 0]
        by_step = torch.tensor(weights, dtype=torch.float64) @ losses
        assert tuple(by_step.tolist()) == pytest.approx(rung.by_step, abs=1e-12)


@pytest.mark.parametrize("num_steps", [1, 2, 16, 60])
def test_who_is_told_the_chain_loses_the_mean_entropy_of_the_rows_it_meets(num_steps):
    """By Gauss and Legendre over the chances of a one after a zero and after a one."""
    points, weights = np.polynomial.legendre.leggauss(300)
    ones, both = (points + 1) / 2, np.multiply.outer(weights, weights) / 4
    after_zero, after_one = np.meshgrid(ones, ones, indexing="ij")

    def coin(p: np.ndarray) -> np.ndarray:
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    at_one, total = np.full_like(both, 0.5), 0.0
    for _ in range(num_steps):
        total += float((both * ((1 - at_one) * coin(after_zero) + at_one * coin(after_one))).sum())
        at_one = (1 - at_one) * after_zero + at_one * after_one
    told = MarkovInContext(2, num_steps).memory()[1]
    assert told.loss == pytest.approx(total / num_steps, abs=1e-7)


@pytest.mark.parametrize(("symbols", "num_steps", "alpha"), SMALL)
def test_add_one_is_above_the_best_that_counts_allow(symbols, num_steps, alpha):
    task = MarkovInContext(symbols, num_steps, alpha)
    total = 0.0
    for string in product(range(symbols), repeat=num_steps + 1):
        for seen in range(1, num_steps + 1):
            guess = (string[:seen].count(string[seen]) + 1) / (seen + symbols)
            total -= chance_of(string, symbols, alpha) * log(guess) / num_steps
    add_one = task.memory()[0]
    assert add_one.loss == pytest.approx(total, abs=1e-12)
    assert add_one.loss >= task.ladder()["counts"].loss


def test_a_string_in_any_order_says_the_same_to_who_counts_symbols():
    task = MarkovInContext(3, 8)
    strings = torch.tensor([[0, 0, 1, 2, 1, 2, 2, 2], [2, 1, 0, 2, 2, 0, 1, 2]])
    one, other = task.ladder()["counts"].predictor(task.features(strings))
    assert torch.equal(one[-1], other[-1])
    assert not torch.equal(one[4], other[4])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: MarkovInContext(1), "symbols=1: must be a whole number from 2 to 4"),
        (lambda: MarkovInContext(5), "symbols=5: must be a whole number from 2 to 4"),
        (lambda: MarkovInContext(num_steps=0), "num_steps=0: must be a whole number of at least 1"),
        (lambda: MarkovInContext(2, 101), "num_steps=101: strings of 2 .* must be at most 100"),
        (lambda: MarkovInContext(3, 17), "num_steps=17: strings of 3 .* must be at most 16"),
        (
            lambda: MarkovInContext(concentration=0.0),
            "concentration=0: must be a number from 0.01 to 100",
        ),
        (lambda: MarkovInContext().everything(), "has no finite set"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
