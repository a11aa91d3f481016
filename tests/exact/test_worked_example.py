"""Back-propagation by hand: the notebook's numbers, the article's, and the ordinary learner's."""

import subprocess
import sys
from functools import cache

import pytest
import torch

from docs.notebooks import worked_example_by_hand as by_hand
from docs.notebooks.worked_example_by_hand import (
    BIASES,
    ORDERS,
    RATE,
    START,
    Weights,
    backward,
    forward,
    trained,
    updated,
)
from lossladder.diagnostics import score
from lossladder.ladder import HalfSquaredError
from lossladder.tasks import WorkedExample
from lossladder.tasks.worked_example import INPUTS, TARGETS

# as the notebook printed them, in float32
NOTEBOOK = {
    "net_h1": 0.3775,
    "out_h1": 0.59327,
    "net_h2": 0.39249998,
    "out_h2": 0.59688437,
    "net_o1": 1.105906,
    "out_o1": 0.75136507,
    "net_o2": 1.2249215,
    "out_o2": 0.7729285,
    "E_o1": 0.2748111,
    "E_o2": 0.02356002,
    "E": 0.2983711,
    "dE/dw5": 0.08216704,
    "dE/dw6": 0.08266763,
}
DERIVED = {
    "net_h1": 0.3775,
    "net_h2": 0.3925,
    "out_h1": 0.5932699921,
    "out_h2": 0.5968843783,
    "net_o1": 1.1059059671,
    "net_o2": 1.2249214041,
    "out_o1": 0.7513650696,
    "out_o2": 0.7729284653,
    "E_o1": 0.2748110832,
    "E_o2": 0.0235600256,
    "E": 0.2983711088,
    "dE/dw5": 0.0821670406,
    "dE/dw6": 0.0826676278,
    "dE/dw7": -0.0226025405,
    "dE/dw8": -0.0227402422,
    "dE/dw1": 0.0004385677,
    "dE/dw2": 0.0008771355,
    "dE/dw3": 0.0004977127,
    "dE/dw4": 0.0009954255,
}
WEIGHTS_AFTER = (
    *(0.1497807161, 0.1995614323, 0.2497511436, 0.2995022873),
    *(0.3589164797, 0.4086661861, 0.5113012702, 0.5613701211),
)
AFTER_ONE = {"simultaneous": 0.2910277737, "sequential": 0.2910279239}
AFTER_TEN_THOUSAND = {
    ("simultaneous", "none"): 3.510188e-5,
    ("sequential", "none"): 3.508479e-5,
    ("simultaneous", "shared"): 4.355321e-6,
    ("simultaneous", "unit"): 2.447562e-6,
}


@cache
def after(updates: int, order: str = "simultaneous", biases: str = "none") -> Weights:
    return trained(updates, order, biases)


def error(weights) -> float:
    return sum(forward(weights).errors)


def values(lines) -> dict[str, float]:
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("name", NOTEBOOK)
def test_every_number_of_the_notebook_comes_out_to_float32(name):
    found = values([*by_hand.going_up(), *by_hand.going_down("simultaneous")])
    assert found[name] == pytest.approx(NOTEBOOK[name], abs=1e-7)


@pytest.mark.parametrize("name", DERIVED)
def test_every_number_up_and_down_comes_out_to_ten_digits(name):
    found = values([*by_hand.going_up(), *by_hand.going_down("simultaneous")])
    assert found[name] == pytest.approx(DERIVED[name], abs=1e-9)


def test_the_error_signals_of_the_outputs():
    deltas = backward(forward(START), START.output).output_biases
    assert deltas == pytest.approx((0.1384985616, -0.0380982365), abs=1e-9)


def test_the_weights_after_one_update():
    found = values(by_hand.afterwards("simultaneous"))
    assert [found[f"w{n}+"] for n in range(1, 9)] == pytest.approx(WEIGHTS_AFTER, abs=1e-9)
    assert found["w6+"] == pytest.approx(0.40866619, abs=1e-8)  # the notebook never printed it
    sequential = values(by_hand.afterwards("sequential"))
    assert sequential["w1+"] == pytest.approx(0.1498176386, abs=1e-9)
    assert sequential["w5+"] == found["w5+"]


@pytest.mark.parametrize("order", ORDERS)
def test_autograd_finds_every_number_of_the_page(order):
    up, down, weights = by_hand.autograds(order)
    ours = by_hand.going_up, by_hand.going_down, by_hand.afterwards
    assert values(ours[0]()) == pytest.approx(up, abs=1e-15)
    assert values(ours[1](order)) == pytest.approx(down, abs=1e-15)
    assert values(ours[2](order)) == pytest.approx(weights, abs=1e-15)


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_the_update_explains_the_published_error_after_one(order):
    assert error(updated(START, order)) == pytest.approx(AFTER_ONE[order], abs=1e-9)


@pytest.mark.parametrize(("order", "biases"), AFTER_TEN_THOUSAND)
def test_the_error_after_ten_thousand_updates(order, biases):
    expected = AFTER_TEN_THOUSAND[order, biases]
    assert error(after(10_000, order, biases)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_the_outputs_after_ten_thousand_updates(order):
    published = {
        "simultaneous": (0.0159136204, 0.9840642735),
        "sequential": (0.0159121963, 0.9840657345),
    }
    outputs = forward(after(10_000, order)).out_o
    assert outputs == pytest.approx(published[order], abs=1e-9)


@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("order", ORDERS)
def test_autograd_stays_beside_the_hand_for_a_hundred_updates(order, biases):
    network = by_hand.Autograd(order, biases)
    for _ in range(100):
        network.update()
    assert network.error() == pytest.approx(error(after(100, order, biases)), rel=1e-12)


# --- the same through the ordinary learner --------------------------------------------------


def in_float64(built, *choices):
    """The run's network and task, with all digits of the given numbers."""
    parts = built("experiment=worked_example", *choices)
    parts.task.encoding = torch.tensor([INPUTS], dtype=torch.float64)
    parts.network.double().initialise()  # the numbers themselves, not what float32 kept of them
    return parts


def test_the_given_weights_are_the_articles(built):
    network = in_float64(built).network
    assert network.recurrent.layer.weight.tolist() == [list(row) for row in START.hidden]
    assert network.recurrent.layer.bias.tolist() == list(START.hidden_biases)
    assert network.readout.weight.tolist() == [list(row) for row in START.output]
    assert network.readout.bias.tolist() == list(START.output_biases)
    assert len(network.trained()) == 2


@pytest.mark.parametrize("engine", ["autograd", "stacked"])
@pytest.mark.parametrize("biases", BIASES)
def test_an_engine_makes_the_updates_that_are_made_by_hand(biases, engine, built):
    parts = in_float64(built, f"model.train_biases={biases}", f"engine={engine}")
    optimizer = parts.make_optimizer(parts.network.trained())
    assert optimizer.param_groups[0]["lr"] == RATE
    chunk = parts.data.chunk(range(120))
    state = parts.network.initial_state(1)
    losses, _ = parts.make_engine(parts.network, parts.task, optimizer).train(chunk, state)
    for updates in (0, 1, 119):
        expected = error(after(updates, biases=biases))
        assert float(losses[updates]) == pytest.approx(expected, rel=1e-11)


@pytest.mark.slow
def test_ten_thousand_updates_of_the_ordinary_engine(built):
    parts = in_float64(built, "engine=autograd")
    optimizer = parts.make_optimizer(parts.network.trained())
    engine = parts.make_engine(parts.network, parts.task, optimizer)
    state = parts.network.initial_state(1)
    for first in range(0, 10_000, 500):
        engine.train(parts.data.chunk(range(first, first + 500)), state)
    measured = score(parts.network, parts.task, parts.task.batch(parts.task.everything()))
    assert measured.loss == pytest.approx(3.510188e-5, rel=1e-5)
    assert measured.mistakes is measured.error is None  # real targets: near, not right or wrong
    assert not measured.leaks


# --- its ladder -----------------------------------------------------------------------------


def test_the_ladder_goes_from_one_number_for_both_outputs_to_the_example():
    ladder = WorkedExample().ladder()
    assert [rung.loss for rung in ladder] == pytest.approx([0.49**2, 0.0], abs=1e-15)
    said = [sum((t - c / 1000) ** 2 / 2 for t in TARGETS) for c in range(1001)]
    assert ladder.ceiling.loss == pytest.approx(min(said), abs=1e-12)  # no other does better
    assert error(START) > ladder.ceiling.loss  # the article starts above it


def test_half_the_squared_error_is_held_against_values_as_against_targets():
    loss = HalfSquaredError()
    values = torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs = loss.logits_for(values.flip(0))
    by_definition = ((values.flip(0) - values) ** 2).sum(dim=-1) / 2
    for measure in (loss.of_targets(outputs, values), loss.expected(outputs, values)):
        assert torch.allclose(measure, by_definition, rtol=1e-12)
    assert torch.allclose(
        loss.divergence(values, loss.prediction(loss.logits_for(values))),
        torch.zeros(5, 3).double(),
    )


@pytest.mark.slow
def test_the_page_is_printed_and_by_hand_and_autograd_agree_on_every_line():
    command = [sys.executable, "-W", "error", by_hand.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(rows) == 11 + 2 * (8 + 9) + 2 * 6
    assert all(row[-1] == row[-2] for row in rows)
