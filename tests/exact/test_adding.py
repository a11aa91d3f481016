"""Adding: its numbers, derived anew and drawn; who its predictors are; what it refuses."""

from itertools import product

import pytest
import torch
from torch import Generator

from lossladder.diagnostics import uses
from lossladder.models import RNN, Network
from lossladder.tasks import Adding


def drawn(task, rows, seed=0):
    return task.draw(Generator().manual_seed(seed), rows, task.num_steps)


def losses(task, **known):
    return {rung.name: rung.loss for rung in task.ladder(**known)}


@pytest.mark.parametrize("marks", [1, 2, 3, 6])
@pytest.mark.parametrize("num_steps", [6, 30, 102])
def test_each_marked_value_not_known_costs_a_twelfth(marks, num_steps):
    found = losses(Adding(num_steps, marks))
    assert found["none"] == pytest.approx(marks / 12, abs=1e-12)
    for known in range(1, marks):
        assert found[f"{known} of {marks}"] == pytest.approx((marks - known) / 12, abs=1e-12)
    assert found["all"] == 0.0


def test_values_without_marks_are_worth_their_regression():
    """The sum of m random ones of T values, about the best linear function of them all.

    Its covariance with each value is m / T of a variance, so that the regression is m / T times
    their sum, and what is left m / 12 less T (m / T)^2 / 12.
    """
    assert losses(Adding(100))["values"] == pytest.approx(0.163333333, abs=1e-9)
    for steps, marks in ((100, 2), (20, 2), (30, 3), (12, 6)):
        left = marks / 12 - steps * (marks / steps) ** 2 / 12
        assert losses(Adding(steps, marks))["values"] == pytest.approx(left, abs=1e-12)
    assert "values" not in losses(Adding(3, marks=3))  # all of them are marked


@pytest.mark.parametrize(("num_steps", "marks", "parts"), [(4, 2, (2, 2)), (5, 2, (2, 3))])
def test_every_place_of_the_marks_gives_the_ladder(num_steps, marks, parts):
    """Two points of a value, where a uniform one has its mean and its variance."""
    task = Adding(num_steps, marks)
    apart = 12**-0.5
    signs = torch.tensor([*product((-1, 1), repeat=num_steps)])
    values = 0.5 + apart * signs.double()
    rows, targets = [], []
    for first, second in product(range(parts[0]), range(parts[0], sum(parts))):
        mark = torch.zeros(len(values), num_steps).double()
        mark[:, [first, second]] = 1.0
        rows.append(torch.stack([values, mark], dim=-1))
        targets.append(values[:, first] + values[:, second])
    inputs, target = torch.cat(rows), torch.cat(targets)
    for rung in task.ladder():
        for predict in (rung.predictor, *rung.twins):
            wrong = predict(inputs)[:, -1, 0] - target
            assert float((wrong**2).mean()) == pytest.approx(rung.loss, abs=1e-9)


def test_whoever_knows_one_of_two_may_know_either():
    task = Adding(6)
    inputs = torch.tensor([[0.5, 1], [0.7, 0], [0.1, 0], [0.2, 0], [0.3, 1], [0.6, 0]])[None]
    rung = task.ladder()["1 of 2"]
    (twin,) = rung.twins
    assert float(rung.predictor(inputs)[0, -1]) == pytest.approx(0.3 + 0.5)
    assert float(twin(inputs)[0, -1]) == pytest.approx(0.5 + 0.5)
    assert float(task.probabilities(inputs)[0, -1]) == pytest.approx(0.5 + 0.3)
    assert len(Adding(20, marks=4).ladder()["2 of 4"].twins) == 5


def test_values_are_uniform_and_each_part_has_one_mark_anywhere():
    draw = drawn(Adding(7, marks=3), 40_000)
    values, marks = draw.inputs.unbind(-1)
    assert 0 <= float(values.min()) < 0.001
    assert 0.999 < float(values.max()) <= 1
    for power, moment in ((1, 1 / 2), (2, 1 / 3), (3, 1 / 4)):
        assert float((values**power).mean()) == pytest.approx(moment, abs=0.004)
    for steps in (slice(0, 2), slice(2, 4), slice(4, 7)):
        part = marks[:, steps]
        assert torch.equal(part.sum(dim=1), torch.ones(len(part)))
        assert torch.allclose(
            part.mean(dim=0), torch.full(part.shape[1:], 1 / part.shape[1]), atol=0.02
        )
    assert torch.equal(draw.scored.sum(dim=0), torch.tensor([0] * 6 + [40_000]))
    assert torch.allclose(draw.targets[:, -1, 0], (values * marks).sum(dim=1))


def test_sequences_of_another_length_have_a_ladder_of_theirs():
    task = Adding(20)
    assert losses(task, num_steps=100, carried=False) == losses(Adding(100))
    assert [rung.loss for rung in task.ladder(1, carried=False)] == pytest.approx([1 / 12, 0])


def test_a_changed_value_keeps_its_mark():
    """With a third mark the truth would be that of sequences that never come."""
    task = Adding(10)
    network = Network(RNN(2, 4), 1)
    found = uses(network, task, Generator().manual_seed(0))
    # one value in five is marked, and two values are a third apart in the mean
    truth = [use.true_variation for use in found]
    assert sum(truth) / len(truth) == pytest.approx(1 / 15, abs=0.015)
    assert all(use.effect is None for use in found)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"num_steps": 0}, "num_steps=0: must be a whole number of at least 2"),
        ({"num_steps": 2, "marks": 3}, "num_steps=2: must be a whole number of at least 3"),
        ({"marks": 0}, "marks=0: must be a whole number from 1 to 6"),
        ({"marks": 7}, "marks=7: must be a whole number from 1 to 6"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(words, complaint):
    with pytest.raises(ValueError, match=complaint):
        Adding(**words)
