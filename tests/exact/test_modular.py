"""Modular: values by Python's own arithmetic, and brute force over every expression."""

from itertools import product
from math import log

import pytest
import torch
from torch import Generator

from lossladder.ladder import cross_entropy
from lossladder.tasks import Modular

BRUTE = {
    "modulo 2": Modular(2, 8, mixed_lengths=False),
    "modulo 4": Modular(4, 6, mixed_lengths=False),
    "modulo 5": Modular(5, 6, mixed_lengths=False),
    "modulo 6": Modular(6, 4, mixed_lengths=False),
}


def entropy(counts) -> float:
    total = sum(counts)
    return -sum(c / total * log(c / total) for c in counts if c)


@pytest.mark.parametrize("settings", [(4, 8), (5, 20), (7, 12, False), (12, 40)])
def test_the_target_is_what_python_makes_of_the_expression(settings):
    task = Modular(*settings)
    draw = task.draw(Generator().manual_seed(0), 200, task.num_steps)
    names = [*map(str, range(task.modulus)), "+", "-", "*", "="]
    for symbols, targets, scored in zip(draw.inputs, draw.targets, draw.scored, strict=True):
        (end,) = scored.nonzero()[:, 0].tolist()
        text = " ".join(names[symbol] for symbol in symbols[: end + 1])
        assert text.endswith("=")
        assert eval(text[:-1]) % task.modulus == int(targets[end]), text


@pytest.mark.parametrize("task", BRUTE.values(), ids=BRUTE)
def test_over_all_expressions_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    for rung in task.ladder():
        losses = cross_entropy(batch.probabilities, rung.predictor(batch.inputs).log())
        found = float(losses[batch.scored].mean())
        assert found == pytest.approx(rung.loss, abs=1e-12), rung.name


@pytest.mark.parametrize(("modulus", "count"), [(2, 4), (3, 3), (4, 3), (6, 2)])
def test_the_rungs_are_entropies_of_what_is_not_known(modulus, count):
    """By Python alone: expressions are sorted by what is known of them."""
    cells: dict[str, dict] = {}
    for numbers in product(range(modulus), repeat=count):
        for signs in product("+-*", repeat=count - 1):
            tokens = [*zip(("", *signs), numbers, strict=True)]
            value = eval("".join(f"{sign}{number}" for sign, number in tokens)) % modulus
            known = {f"last {k}": tuple(tokens[-k:]) for k in range(1, count)}
            known |= {f"mod {d}": value % d for d in range(2, modulus) if modulus % d == 0}
            known["none"] = ()
            for name, cell in known.items():
                seen = cells.setdefault(name, {}).setdefault(cell, [0] * modulus)
                seen[value] += 1
    by_hand = {}
    for name, of_name in cells.items():
        total = sum(map(sum, of_name.values()))
        by_hand[name] = sum(sum(seen) / total * entropy(seen) for seen in of_name.values())
    task = Modular(modulus, 2 * count, mixed_lengths=False)
    losses = {rung.name: rung.loss for rung in task.ladder()}
    assert losses.pop("all") == 0
    assert losses == pytest.approx({name: by_hand[name] for name in losses}, abs=1e-12)
    assert {"none", "last 1"} <= {*losses}


def test_mixed_lengths_are_the_mean_over_lengths():
    mixed = Modular(4, 8).ladder()
    single = {n: Modular(4, 2 * n, mixed_lengths=False).ladder() for n in (2, 3, 4)}
    # a single number is any, and the last one is all of it
    assert mixed["step"].loss == pytest.approx(
        (log(4) + sum(ladder["none"].loss for ladder in single.values())) / 4, abs=1e-12
    )
    assert mixed["mod 2"].loss == pytest.approx(
        (log(2) + sum(ladder["mod 2"].loss for ladder in single.values())) / 4, abs=1e-12
    )
    assert mixed["last 1"].loss == pytest.approx(
        sum(ladder["last 1"].loss for ladder in single.values()) / 4, abs=1e-12
    )


def test_remainders_and_last_numbers_are_no_part_of_one_another():
    ladder = Modular(12, 20).ladder()
    assert ladder.includes(ladder["mod 6"], ladder["mod 3"])
    assert not ladder.includes(ladder["mod 4"], ladder["mod 3"])
    assert ladder.includes(ladder["last 4"], ladder["last 2"])
    for one, other in (("mod 2", "last 2"), ("last 8", "mod 2"), ("mod 6", "last 1")):
        assert not ladder.includes(ladder[one], ladder[other])


@pytest.mark.parametrize("modulus", [2, 3, 4])
def test_sum_and_product_are_enough_and_none_of_them_too_many(modulus):
    """By Myhill and Nerode: prefixes that some ending tells apart need states of their own."""
    after = [*product(range(modulus), repeat=2)]  # a + b: the sum is a, the product is b
    endings = [
        tuple(eval(f"{a}+{b}{end}") % modulus for end in ("+0", "*0", "*1-1")) for a, b in after
    ]
    assert len({*endings}) == modulus**2
    marks = Modular(modulus, 6).memory()
    assert (marks[-1].states, marks[-1].loss) == (modulus**2, 0.0)
    assert all(mark.states < modulus**2 for mark in marks[:-1])
    assert marks[0].loss == pytest.approx(Modular(modulus, 6).ladder().ceiling.loss, abs=1e-12)
    # of two numbers nothing follows the second, so that less may be enough
    assert Modular(modulus, 4).memory()[-1].states < modulus**2


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"modulus": 1}, "modulus=1: must be a whole number from 2 to 64"),
        ({"num_steps": 2}, "num_steps=2: must be a whole number from 4 to 1024"),
        ({"num_steps": 9}, "num_steps=9: must be even; each number has a sign or the ="),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        Modular(**settings)


def test_expressions_too_many_or_of_several_lengths_are_no_finite_set():
    for task in (Modular(5, 12, mixed_lengths=False), Modular(2, 4)):
        with pytest.raises(ValueError, match="use data=fresh"):
            task.everything()


def test_an_odd_step_more_is_padding():
    task = Modular(3, 6, mixed_lengths=False)
    draw = task.draw(Generator().manual_seed(0), 10, 7)
    assert torch.equal(draw.scored.nonzero()[:, 1], torch.full((10,), 5))
    assert (draw.inputs[:, 5:] == 6).all()
