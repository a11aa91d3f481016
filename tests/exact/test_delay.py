"""Delay: its numbers, the bound of linear networks held against many of them, what it refuses."""

import pytest
import torch
from torch import Generator

from lossladder.tasks import Delay


def generator(seed=0):
    return Generator().manual_seed(seed)


def test_each_input_that_is_forgotten_costs_one():
    assert [rung.loss for rung in Delay(5).ladder()] == [5, 4, 3, 2, 1, 0]
    assert [rung.loss for rung in Delay(5, every_lag=False).ladder()] == [1, 0]
    assert [rung.loss for rung in Delay(40).ladder()] == [40, 39, 38, 36, 32, 24, 8, 1, 0]


def test_before_the_start_there_is_nothing_to_recall():
    ladder = Delay(3).ladder(num_steps=5, carried=False)
    assert ladder["none"].by_step == (1, 2, 3, 3, 3)
    assert ladder["last 2"].by_step == (0, 0, 1, 1, 1)
    assert ladder["last 2"].loss == pytest.approx(3 / 5, abs=1e-12)
    short = Delay(5).ladder(num_steps=2, carried=False)
    assert [(rung.name, rung.loss) for rung in short] == [
        ("none", 1.5),
        ("last 1", 0.5),
        ("all", 0),
    ]


def test_inputs_are_uniform_of_variance_one_and_come_back_later():
    draw = Delay(3).draw(generator(), 500, 400)
    inputs = draw.inputs[..., 0]
    assert 1.72 < float(inputs.max()) <= 3**0.5
    for power, moment in ((1, 0), (2, 1), (4, 9 / 5)):
        assert float((inputs**power).mean()) == pytest.approx(moment, abs=0.02)
    for lag in range(3):
        assert torch.equal(draw.targets[:, lag:, lag], inputs[:, : 400 - lag])
        assert (draw.targets[:, :lag, lag] == 0).all()
    assert torch.equal(draw.after, inputs[:, -2:])


def test_a_stream_goes_on_where_it_was_left():
    task = Delay(4)
    first = task.draw(generator(0), 3, 2)  # shorter than what is to be recalled
    second = task.draw(generator(1), 3, 5, past=first.after)
    both = torch.cat([first.inputs, second.inputs], dim=1)
    assert torch.allclose(task.probabilities(both)[:, 2:].float(), second.targets)


# --- memory ---------------------------------------------------------------------------------


def marks(task, *args):
    return {mark.name: mark.loss for mark in task.memory(*args)}


def test_a_unit_more_is_an_input_more():
    names = ["1 linear unit", "2 linear units", "3 linear units", "4 linear units"]
    assert marks(Delay(4)) == dict(zip(names, [3, 2, 1, 0], strict=True))
    assert marks(Delay(4), 2, False) == {"1 linear unit": 0.5, "2 linear units": 0}
    assert Delay(4, every_lag=False).memory() == ()  # nothing is proved of one lag alone
    assert Delay(4).memory()[0].says == "the best network of 1 linear unit"


def loss_of(moves, reads, steps):
    """Loss of the best linear readouts of h' = A h + b x: what its directions leave of each lag."""
    columns, column = [], reads
    for _ in range(400):
        columns.append(column)
        column = moves @ column
    state = torch.stack(columns, dim=1)  # (units, lags): what each lag adds to the state
    explained = torch.linalg.pinv(state, rtol=1e-10) @ state
    return steps - float(explained.diagonal()[:steps].sum())


@pytest.mark.parametrize("units", [1, 2, 4])
def test_no_linear_network_goes_below_the_bound_and_a_delay_line_attains_it(units):
    task, g = Delay(6), generator()
    (bound,) = (m.loss for m in task.memory() if m.name.startswith(f"{units} linear"))
    assert bound == 6 - units
    line = torch.diag(torch.ones(units - 1), -1).double()
    first = torch.eye(units)[0].double()
    assert loss_of(line, first, 6) == pytest.approx(bound, abs=1e-9)
    for _ in range(50):
        moves = torch.randn(units, units, generator=g).double()
        moves *= 0.95 * float(torch.rand(1, generator=g)) / torch.linalg.eigvals(moves).abs().max()
        assert loss_of(moves, torch.randn(units, generator=g).double(), 6) > bound - 1e-9


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"steps": 0}, "steps=0: must be a whole number of at least 1"),
        ({"steps": -3}, "steps=-3: must be a whole number of at least 1"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(words, complaint):
    with pytest.raises(ValueError, match=complaint):
        Delay(**words)
