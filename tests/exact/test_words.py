"""Words of a group: subgroups, rungs, and what machines of few states can have of them."""

from itertools import product
from math import isclose, log
from time import process_time

import numpy as np
import pytest
import torch
from torch import Generator

from lossladder.tasks import Parity, Words
from lossladder.tasks.groups import FiniteGroup, group

# elements, classes of subgroups, subgroups: from the literature
KNOWN = {
    "Z6": (6, 4, 4),
    "Z2xZ2": (4, 5, 5),
    "S3": (6, 4, 6),
    "D4": (8, 8, 10),
    "A4": (12, 5, 10),
    "S4": (24, 11, 30),
    "A5": (60, 9, 59),
    "S5": (120, 19, 156),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_group_has_its_subgroups(name):
    found = group(name)
    classes = found.subgroups
    number = sum(1 + len(subgroup.conjugates) for subgroup in classes)
    assert (len(found), len(classes), number) == KNOWN[name]
    assert found.generated(found.generators) == frozenset(range(len(found)))
    for subgroup in classes:
        assert found.generated(subgroup.elements) == subgroup.elements
        sizes = np.bincount(found.cosets(subgroup.elements))
        assert set(sizes) == {subgroup.order}


@pytest.mark.parametrize("name", ["Z6", "D3", "D4", "A4", "S4", "S3xZ2"])
def test_a_table_is_that_of_a_group(name):
    table = group(name).table
    size = range(len(table))
    assert (table[0] == size).all()
    assert (table[:, 0] == size).all()
    for a, b in product(size, repeat=2):
        assert (table[table[a, b]] == table[a, table[b]]).all()  # (ab)c = a(bc)
    assert all(sorted(row) == list(size) for row in table)


NAMED = {
    "S3": {"none": 1.791759469, "sign": 1.098612289, "one point": 0.693147181, "all": 0.0},
    "A5": {"none": 4.094344562, "one point": 2.484906650, "2 points": 1.098612289, "all": 0.0},
    "Z6": {"none": log(6), "mod 2": log(3), "mod 3": log(2), "all": 0.0},
}


@pytest.mark.parametrize("name", NAMED)
def test_rungs_are_logarithms_of_orders(name):
    ladder = Words(name).ladder()
    for rung, loss in NAMED[name].items():
        assert ladder[rung].loss == pytest.approx(loss, abs=1e-9)


def test_sign_and_point_include_neither_one_nor_the_other():
    ladder = Words("S3").ladder()
    sign, point, everything = ladder["sign"], ladder["one point"], ladder["all"]
    assert not ladder.includes(point, sign)
    assert not ladder.includes(sign, point)
    assert ladder.includes(everything, sign)
    assert ladder.includes(everything, point)
    assert {(low.name, high.name) for low, high in ladder.steps} == {
        ("sign", "none"),
        ("one point", "none"),
        ("all", "sign"),
        ("all", "one point"),
    }


def test_who_tracks_another_point_stands_on_the_same_rung():
    task = Words("S3")
    batch = task.sample(Generator().manual_seed(0), 20, 16)
    ladder = task.ladder()
    for predictor in ladder["one point"].twins:
        outputs = predictor(batch.inputs).log()
        found = ladder.divergences(batch.inputs, outputs, batch.scored).sum(dim=1)
        by_name = dict(zip((rung.name for rung in ladder), found.tolist(), strict=True))
        assert by_name["one point"] == pytest.approx(0.0, abs=1e-9)
        assert by_name["sign"] > 1


def test_of_transpositions_the_step_tells_the_sign():
    ladder = Words("S3", letters="generators").ladder()
    assert [rung.name for rung in ladder] == ["none", "step", "one point"]
    assert ladder["step"].loss == pytest.approx(log(3))
    assert ladder.floor.loss == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("letters", ["all", "generators", "lazy"])
def test_laws_are_what_brute_force_over_all_words_makes_of_them(letters):
    task = Words("S3", letters=letters)
    table, letter = task._group.table, task._letters
    weights = task._chances[letter]
    laws = task._laws(3)
    for steps in (1, 2, 3):
        law = np.zeros(6)
        for word in product(range(len(letter)), repeat=steps):
            now = 0
            for x in word:
                now = table[now, letter[x]]
            law[now] += np.prod(weights[list(word)])
        assert laws[steps - 1].tolist() == pytest.approx(law.tolist())


def long_run(of: FiniteGroup, moves) -> float:
    """Return the loss for ever of a machine that reads letters, from a recurrent start."""
    count, states = len(of), len(moves)
    chain = np.zeros((states * count, states * count))
    for state, product_ in product(range(states), range(count)):
        for letter in range(count):
            after = moves[state][letter] * count + of.table[product_, letter]
            chain[state * count + product_, after] += 1 / count
    reach = np.linalg.matrix_power((chain > 0) + np.eye(len(chain)), len(chain)) > 0
    # whoever is reached from here comes back
    start = next(i for i in range(len(chain)) if reach[reach[i], i].all())
    joint = np.linalg.matrix_power((np.eye(len(chain)) + chain) / 2, 4096)[start]
    joint = joint.reshape(states, count)
    return -sum(p * log(p / row.sum()) for row in joint for p in row if p > 1e-12)


@pytest.mark.parametrize("name", ["Z4", "Z2xZ2", "S3", "D4"])
def test_in_the_long_run_machines_stand_on_rungs_and_none_beats_its_number_of_states(name):
    of = group(name)
    orders = sorted({len(of) // (len(of) // h.order) for h in of.subgroups})
    memory = {mark.states: mark.loss for mark in Words(name).memory()}
    draws = np.random.default_rng(0)
    for states in (1, 2, 3):
        best = min(loss for count, loss in memory.items() if count <= states)
        for _ in range(60):
            loss = long_run(of, draws.integers(states, size=(states, len(of))))
            assert any(isclose(loss, log(order), abs_tol=1e-6) for order in orders)
            assert loss > best - 1e-6
    # and the machine whose states are cosets has what it is said to have
    for subgroup in of.subgroups:
        cosets = of.cosets(subgroup.elements)
        moves = np.zeros((cosets.max() + 1, len(of)), dtype=int)
        for element, letter in product(range(len(of)), repeat=2):
            moves[cosets[element], letter] = cosets[of.table[element, letter]]
        assert long_run(of, moves) == pytest.approx(log(subgroup.order), abs=1e-6)
        assert memory.get(len(moves), 0.0) <= log(subgroup.order) + 1e-9


def test_parity_is_the_words_of_two_letters():
    words, parity = Words("Z2"), Parity(20)
    bits = torch.randint(2, (50, 20, 1), generator=Generator().manual_seed(0)).float()
    letters = torch.cat([1 - bits, bits], dim=-1)
    assert torch.equal(words.probabilities(letters), parity.probabilities(bits))
    own, general = parity.ladder(), words.ladder(20, carried=False)
    assert own.ceiling.loss == pytest.approx(general.ceiling.loss)
    assert own.floor.loss == pytest.approx(general.floor.loss)


def test_a_stream_goes_on_from_the_product_it_ended_in():
    task = Words("S4")
    whole = task.draw(Generator().manual_seed(1), 30, 40)
    assert torch.equal(whole.after[:, 0], whole.targets[:, -1].long())
    more = task.draw(Generator().manual_seed(2), 30, 10, past=whole.after)
    both = task.features(torch.cat([whole.inputs, more.inputs], dim=1))
    assert torch.equal(task._read(both)[:, 40:], more.targets.long())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Words("Q8"), "group='Q8': must be Z, D, S or A with a number"),
        (lambda: Words("S6"), "group='S6': has 720 elements; must have from 2 to 120"),
        (lambda: Words("Z1"), "group='Z1': has 1 elements"),
        (lambda: Words("Z2", letters="generators"), "letters='generators': group Z2 has a single"),
        (lambda: Words(letters="some"), "letters='some': must be one of all, generators, lazy"),
    ],
)
def test_what_is_no_group_is_told(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


@pytest.mark.parametrize(
    ("name", "letters"), [("S3", "all"), ("S4", "generators"), ("A4", "lazy"), ("Z2xZ2", "all")]
)
def test_distances_from_who_knows_a_coset_are_those_of_its_predictions(name, letters):
    """They are found without predicting; here they are held against the predictions."""
    task = Words(name, letters)
    generator = Generator().manual_seed(0)
    batch = task.sample(generator, 6, 30)
    scored = torch.rand(6, 30, generator=generator) < 0.5
    outputs = torch.randn(6, 30, task.output_size, generator=generator).double()
    prediction = task.loss.prediction(outputs)
    ladder = task.ladder()
    assert sum(rung.divergences is not None for rung in ladder) == len(ladder) - 1
    for rung in ladder:
        asked = [
            task.loss.divergence(way(batch.inputs), prediction)[scored]
            for way in (rung.predictor, *rung.twins)
        ]
        if rung.divergences is not None:
            found = rung.divergences(batch.inputs, prediction, scored)
            torch.testing.assert_close(found, torch.stack(asked))
    # the nearest of the ways to know as much, summed over the steps of each sequence that count
    whole = ladder.divergences(batch.inputs, outputs, scored)
    for row, rung in zip(whole, ladder, strict=True):
        ways = [
            torch.where(scored, task.loss.divergence(way(batch.inputs), prediction), 0.0).sum(1)
            for way in (rung.predictor, *rung.twins)
        ]
        nearest = min(ways, key=lambda way: float(way.sum()))
        torch.testing.assert_close(row, nearest)


@pytest.mark.slow
def test_the_largest_groups_are_judged_in_seconds():
    """Of A5 there are 59 ways to know a coset, of S5 156; to ask them all took a minute."""
    task = Words("S5")
    batch = task.sample(Generator().manual_seed(0), 54, 1524)
    scored = batch.scored & (torch.arange(1524) >= 1024)
    outputs = torch.randn(54, 1524, task.output_size, generator=Generator().manual_seed(1))
    ladder, began = task.ladder(), process_time()
    ladder.divergences(batch.inputs, outputs, scored)
    assert process_time() - began < 10
