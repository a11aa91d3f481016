"""One to many and one to one: derived numbers, and brute force over every sequence."""

from math import log

import pytest
import torch

from lossladder.ladder import cross_entropy
from lossladder.tasks import XOR, Unfold

LN2 = log(2)


def coin(chance: float) -> float:
    """Entropy of a coin, nats."""
    return -sum(p * log(p) for p in (chance, 1 - chance) if p > 0)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 40])
def test_the_rungs_of_unfold_follow_their_formulas(n):
    losses = {rung.name: rung.loss for rung in Unfold(n).ladder()}
    expected = {
        "none": LN2,  # a one is as likely as a zero
        "step": sum(coin((n - t) / (n + 1)) for t in range(n)) / n,
        "number": sum(coin(k / n) for k in range(n + 1)) / (n + 1),
        "both": 0.0,
    }
    assert losses == pytest.approx(expected, abs=1e-12)


FINITE = {"unfold": Unfold(10), "xor": XOR()}


@pytest.mark.parametrize("task", FINITE.values(), ids=FINITE)
def test_over_all_sequences_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    for rung in task.ladder():
        losses = cross_entropy(batch.probabilities, rung.predictor(batch.inputs).log())
        assert float(losses.mean()) == pytest.approx(rung.loss, abs=1e-12)
        assert losses.mean(dim=0).tolist() == pytest.approx(list(rung.by_step), abs=1e-12)


@pytest.mark.parametrize("num_steps", [1, 4, 10])
def test_a_sequence_of_unfold_that_is_cut_has_a_ladder_of_its_own(num_steps):
    task = Unfold(10)
    every = task.everything()
    batch = task.batch(every._replace(inputs=every.inputs[:, :num_steps],
                                      targets=every.targets[:, :num_steps]))  # fmt: skip
    for rung in task.ladder(num_steps, carried=False):
        losses = cross_entropy(batch.probabilities, rung.predictor(batch.inputs).log())
        assert float(losses.mean()) == pytest.approx(rung.loss, abs=1e-12)


def test_the_number_comes_first_and_as_many_ones_follow():
    every = Unfold(6).everything()
    assert every.inputs[:, 0].tolist() == every.targets.sum(dim=1).tolist() == list(range(7))
    assert (every.inputs[:, 1:] == 7).all()  # nothing
    assert (every.targets.diff(dim=1) <= 0).all()  # the ones come before the zeros


def test_one_bit_of_xor_is_worth_nothing():
    every = XOR().batch(XOR().everything())
    assert every.targets[:, 0].tolist() == [0, 1, 1, 0]
    for bit in range(2):
        for value in (0, 1):
            rows = every.inputs[:, 0, bit] == value
            assert float(every.targets[rows].double().mean()) == 0.5
    assert torch.equal(every.targets[:, 0], every.inputs[:, 0].sum(dim=-1).long() % 2)
