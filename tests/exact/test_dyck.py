"""Dyck: known numbers, formulas, and brute force over every stream of a few brackets."""

from math import log

import numpy as np
import pytest
import torch
from torch import Generator

from lossladder.ladder import cross_entropy
from lossladder.tasks import Dyck

KNOWN = {
    "none": 1.386294361,
    "depth": 1.213007566,
    "last bracket": 1.138101925,
    "all": 0.866433976,
}


def coin(chance: float) -> float:
    return -sum(p * log(p) for p in (chance, 1 - chance) if p > 0)


def test_two_kinds_four_deep_have_the_known_losses():
    losses = {rung.name: rung.loss for rung in Dyck(kinds=2, depth=4, open_chance=0.5).ladder()}
    assert {name: losses[name] for name in KNOWN} == pytest.approx(KNOWN, abs=1e-9)


@pytest.mark.parametrize(
    ("kinds", "depth", "chance"), [(2, 3, 0.5), (3, 4, 0.3), (5, 2, 0.8), (2, 8, 0.6)]
)
def test_the_rungs_follow_their_formulas(kinds, depth, chance):
    opens = [1.0, *[chance] * (depth - 1), 0.0]
    # in balance: as often up as down between two depths
    weights = [1.0]
    for d in range(depth):
        weights.append(weights[d] * opens[d] / (1 - opens[d + 1]))
    pi = [weight / sum(weights) for weight in weights]
    losses = {rung.name: rung.loss for rung in Dyck(kinds, depth, chance).ladder()}
    each = log(kinds)
    floor = sum(p * (coin(up) + up * each) for p, up in zip(pi, opens, strict=True))
    known_depth = sum(p * coin(up) for p, up in zip(pi, opens, strict=True)) + each
    assert losses["none"] == pytest.approx(log(2) + each, abs=1e-9)  # as many open as close
    assert losses["depth"] == pytest.approx(known_depth, abs=1e-9)
    assert losses["all"] == pytest.approx(floor, abs=1e-9)


@pytest.mark.parametrize("settings", [(2, 2, 0.4), (1, 3, 0.5), (2, 3, 0.7), (3, 1, 0.5)])
def test_over_all_streams_of_six_brackets_every_predictor_has_the_loss_of_its_rung(settings):
    task = Dyck(*settings)
    words, chances = [[]], [1.0]
    for _ in range(7):
        longer, weights = [], []
        for word, weight in zip(words, chances, strict=True):
            stack = []
            for symbol in word:
                stack = [*stack, symbol] if symbol < task.kinds else stack[:-1]
            up = 1.0 if not stack else 0.0 if len(stack) == task.depth else task.open_chance
            outcomes = dict.fromkeys(range(task.kinds), up / task.kinds)
            if stack:
                outcomes[task.kinds + stack[-1]] = 1 - up
            for symbol, chance in outcomes.items():
                if chance:
                    longer.append([*word, symbol])
                    weights.append(weight * chance)
        words, chances = longer, weights
    brackets, weight = torch.tensor(words), torch.tensor(chances, dtype=torch.float64)
    inputs = task.features(brackets[:, :-1])
    exact = task.probabilities(inputs)
    # what comes next comes as often as the law says
    came = exact.gather(-1, brackets[:, 1:, None])[..., 0].prod(dim=1) / task.kinds
    assert torch.allclose(came, weight)
    for rung in task.ladder(6, carried=False):
        losses = cross_entropy(exact, rung.predictor(inputs).log())
        by_step = weight @ losses
        assert by_step.tolist() == pytest.approx(list(rung.by_step), abs=1e-12), rung.name
        assert float(by_step.mean()) == pytest.approx(rung.loss, abs=1e-12), rung.name


def test_depth_and_the_last_bracket_are_no_part_of_one_another():
    ladder = Dyck(2, 3, 0.4).ladder()
    depth, last = ladder["depth"], ladder["last bracket"]
    assert not ladder.includes(depth, last)
    assert not ladder.includes(last, depth)
    assert ladder.includes(ladder["depth + last"], depth)
    assert ladder.includes(ladder["depth + last"], last)
    # the depth is even at every other step
    assert ladder.includes(depth, ladder["step"])


def test_of_one_kind_to_count_is_everything():
    assert [rung.name for rung in Dyck(1, 4).ladder()] == ["none", "last bracket", "all"]


def test_a_stream_goes_on_with_what_is_open():
    task = Dyck(3, 5)
    whole = task.draw(Generator().manual_seed(0), 100, 60)
    first = task.draw(Generator().manual_seed(1), 100, 30)
    second = task.draw(Generator().manual_seed(2), 100, 30, first.after)
    assert torch.equal(second.inputs[:, 0], first.targets[:, -1])
    inputs = torch.cat([first.inputs, second.inputs], dim=1)
    targets = torch.cat([first.targets, second.targets], dim=1).long()
    for symbols, following in ((inputs, targets), (whole.inputs, whole.targets.long())):
        law = task.probabilities(task.features(symbols))
        assert float(law.gather(-1, following[..., None]).min()) > 0


@pytest.mark.parametrize(("kinds", "depth", "stacks"), [(1, 3, 4), (2, 2, 7), (2, 4, 31)])
def test_the_floor_takes_a_state_for_each_stack(kinds, depth, stacks):
    task = Dyck(kinds, depth)
    marks, ladder = task.memory(), task.ladder()
    assert (marks[0].states, marks[0].loss) == (1, pytest.approx(ladder.ceiling.loss))
    assert (marks[-1].states, marks[-1].loss) == (stacks, pytest.approx(ladder.floor.loss))
    assert [mark.loss for mark in marks] == sorted((mark.loss for mark in marks), reverse=True)


def test_a_machine_may_use_that_the_start_is_known():
    """The depth is even at every other step: three states make more of that than of chance."""
    task = Dyck(1, 4)
    source, empty = task._source()
    later, known = (source.machine_losses(3, start=start)[2] for start in (None, empty))
    assert known < later - 0.01
    (three,) = (mark for mark in task.memory() if mark.states == 3)
    assert three.loss == pytest.approx(known, abs=1e-12)
    # the source is the stream itself
    assert source.entropy_rate[0] == pytest.approx(task.ladder().floor.loss)
    assert np.allclose(source.transitions.sum(axis=(0, 2)), 1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kinds": 0}, "kinds=0: must be a whole number from 1 to 64"),
        ({"depth": 33}, "depth=33: must be a whole number from 1 to 32"),
        ({"open_chance": 0}, "open_chance=0: must be a number from 0.01 to 0.99"),
        ({"kinds": 1, "depth": 1}, "kinds=1, depth=1: there is one stream only"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        Dyck(**settings)
