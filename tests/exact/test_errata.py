"""What docs/errata.md says of the five notebooks: small things, and that all it cites is there."""

import ast
import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Generator, nn

from docs.notebooks import worked_example_by_hand as by_hand
from docs.notebooks.execute import HERE, read
from lossladder.models import RNN, Network
from lossladder.tasks import Echo

ROOT = HERE.parents[1]
ERRATA = (ROOT / "docs" / "errata.md").read_text()
ROWS = [
    line.strip("|").split("|")
    for line in ERRATA.splitlines()
    if line.startswith("|") and not line.startswith(("| the notebook says", "|---"))
]
TEST = re.compile(r"`(tests/\S+\.py)::(\w+)`")
CHAPTER = re.compile(r"\[[^\]]+\]\(notebooks/([^)#]+\.ipynb)\), \*([^*]+)\*")


# --- the page -------------------------------------------------------------------------------


@cache
def functions_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@cache
def headings_in(chapter: str) -> set[str]:
    cells = [cell.source for cell in read(HERE / chapter).cells if cell.cell_type == "markdown"]
    return set(re.findall(r"^#+ (.*)$", "\n".join(cells), re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_every_row_names_what_shows_it(row):
    said, right, shown = row
    assert said.strip()
    assert right.strip()
    tests, chapters = TEST.findall(shown), CHAPTER.findall(shown)
    assert tests or chapters
    assert len(tests) == shown.count("::")
    assert len(chapters) == shown.count(".ipynb")
    for file, name in tests:
        assert name in functions_in(file)
    for chapter, heading in chapters:
        assert heading in headings_in(chapter)


def test_all_five_notebooks_have_their_section():
    sections = re.findall(r"^## (\d{3}(?: and \d{3})?):", ERRATA, re.MULTILINE)
    assert sections == ["000 and 001", "002", "003", "004"]
    assert len(ROWS) > 40


# --- 000 and 001, echo ----------------------------------------------------------------------


def test_the_terms_of_the_first_rung_add_up_to_three_quarters():
    """The column of accuracies was summed where that of chances was meant."""
    chances = Echo().chances
    assert sorted(chances.tolist()) == [0.25, 0.5, 0.75, 1.0]
    assert float(chances.mean()) == 0.625
    assert float(np.maximum(chances, 1 - chances).mean()) == 0.75


def test_who_knows_lag_three_gives_a_one_seven_eighths_or_three_eighths():
    inputs = Echo().features(torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0]]))
    chances = Echo().ladder()["lag 3"].predictor(inputs)[:, -1, 1]
    assert chances.tolist() == [0.375, 0.875]


def test_a_line_that_says_250_is_a_mean_of_100_and_the_first_of_101():
    """The notebook's loop: sum, print at every hundredth step but the first, start again."""
    for updates, lines in ((1000, 9), (500, 4)):  # an epoch of windows of 5, of 10
        summed, terms = [], 0
        for step in range(updates):
            terms += 1
            if step % 100 == 0 and step > 0:
                summed.append(terms)
                terms = 0
        assert summed == [101, *[100] * (lines - 1)]
        assert terms == 99  # which are never printed


def test_eight_labels_look_at_the_end_of_the_array():
    """X[i - 8] at i < 8 is X[-8 + i]: an input still to come."""
    x = np.arange(1000)
    for lag in (3, 8):
        seen = np.array([x[i - lag] for i in range(len(x))])
        assert (seen > x).sum() == lag


# --- 002 and 003, recurrence ----------------------------------------------------------------


def test_what_is_passed_on_is_the_state_and_not_the_output():
    network = Network(RNN(input_size=1, hidden_size=4), output_size=2)
    inputs = torch.rand(3, 6, 1, generator=Generator().manual_seed(0))
    outputs, state = network(inputs)
    with torch.no_grad():
        network.readout.weight.mul_(-3)
    others, same = network(inputs)
    assert not torch.allclose(outputs, others)
    assert torch.equal(state[0], same[0])


def test_a_bias_put_in_as_an_input_would_have_its_weight_trained():
    """dE/db is the error signal; the weight of 1 beside an input of 0.35 gets 0.35 of it."""
    gradient = by_hand.backward(by_hand.forward(by_hand.START), by_hand.START.output)
    weights = torch.tensor([*by_hand.START.hidden[0], 1.0], dtype=torch.float64, requires_grad=True)
    inputs = torch.tensor([*by_hand.INPUTS, 0.35], dtype=torch.float64)
    out = torch.sigmoid(weights @ inputs)
    above = torch.tensor(by_hand.START.output, dtype=torch.float64)
    others = torch.tensor([0.0, by_hand.forward(by_hand.START).out_h[1]], dtype=torch.float64)
    hidden = torch.stack([out, torch.zeros_like(out)]) + others
    outs = torch.sigmoid(above @ hidden + 0.6)
    error = ((torch.tensor(by_hand.TARGETS, dtype=torch.float64) - outs) ** 2).sum() / 2
    (slope,) = torch.autograd.grad(error, weights)
    assert slope.tolist() == pytest.approx(
        [*gradient.hidden[0], 0.35 * gradient.hidden_biases[0]], rel=1e-9
    )


def test_products_of_values_between_zero_and_one_may_grow_without_end():
    """What counts is the norm of the product of Jacobians, not the size of their entries."""
    jacobian = torch.full((25, 25), 0.5, dtype=torch.float64)
    assert torch.linalg.matrix_norm(torch.linalg.matrix_power(jacobian, 10), 2) > 1e10
    turning, _ = torch.linalg.qr(torch.randn(25, 25, dtype=torch.float64, generator=seeded()))
    assert turning.abs().max() < 1
    product = torch.linalg.matrix_power(turning, 1000)  # neither vanishes nor explodes
    assert torch.linalg.matrix_norm(product, 2) == pytest.approx(1, abs=1e-9)


def seeded() -> Generator:
    return Generator().manual_seed(0)


def test_an_exploding_gradient_does_not_train_slowly_it_throws_away():
    """A linear state of 50 steps, weight 1.5: one update at an ordinary rate leaves the problem."""
    weight = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
    before = (weight**50 - 1).square()
    before.backward()
    after = (weight - 0.07 * weight.grad).pow(50).sub(1).square()
    assert after.item() > 1e100 * before.item()


def test_a_map_can_be_read_once():
    """Python 2 made a list of it; the notebook reads each of its maps once."""
    bits = map(int, "0101")
    assert list(bits) == [0, 1, 0, 1]
    assert list(bits) == []
