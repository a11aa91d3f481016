"""Associative recall: derived numbers, and a Bayesian who lists all sequences."""

from collections import Counter
from dataclasses import asdict
from itertools import permutations, product
from math import comb, log

import pytest
import torch

from lossladder.ladder import cross_entropy
from lossladder.runs.result import Result, read_result
from lossladder.runs.verdict import kept_states
from lossladder.tasks import Recall


def losses(**settings) -> dict[str, float]:
    return {rung.name: rung.loss for rung in Recall(**settings).ladder()}


@pytest.mark.parametrize("queries", ["one", "all"])
def test_four_pairs_of_sixteen_values_have_the_known_ladder(queries):
    found = losses(pairs=4, values=16, queries=queries, gap=3)
    assert found["none"] == pytest.approx(2.772588722, abs=1e-9)
    assert found["bag"] == pytest.approx(1.386294361, abs=1e-9)
    assert found["bag, last 2"] == pytest.approx(0.346573590, abs=1e-9)  # half of the bindings
    assert found["all"] == 0


@pytest.mark.parametrize(("n", "values"), [(2, 3), (4, 16), (7, 9)])
def test_what_is_left_of_the_bindings_follows_its_formula(n, values):
    found = losses(pairs=n, values=values)
    for j in range(n - 1):
        name = f"bag, last {j}" if j else "bag"
        assert found[name] == pytest.approx((1 - j / n) * log(n - j), abs=1e-12)
    for j in range(1, n):
        assert found[f"last {j}"] == pytest.approx((1 - j / n) * log(values - j), abs=1e-12)


def test_independent_values_are_worth_more_in_a_bag():
    found = losses(pairs=4, values=16, distinct=False)
    assert found["bag"] == pytest.approx(1.259659060, abs=1e-9)
    assert found["none"] == pytest.approx(log(16), abs=1e-12)
    assert found["last 3"] == pytest.approx(log(16) / 4, abs=1e-12)


@pytest.mark.parametrize(("n", "values"), [(2, 2), (3, 4), (5, 3)])
def test_the_bag_of_independent_values_has_the_mean_entropy_of_all_bags(n, values):
    total = 0.0
    for written in product(range(values), repeat=n):
        counts = Counter(written).values()
        total -= sum(c / n * log(c / n) for c in counts)
    found = losses(pairs=n, values=values, distinct=False)
    assert found["bag"] == pytest.approx(total / values**n, abs=1e-12)


SMALL = {
    "one": Recall(3, 4, "one", gap=1),
    "all": Recall(3, 4, "all"),
    "independent": Recall(3, 3, "all", distinct=False),
    "more keys": Recall(2, 3, "one", keys=4),
    "all values": Recall(3, 3, "one"),
}


@pytest.mark.parametrize("task", SMALL.values(), ids=SMALL)
def test_over_all_sequences_every_predictor_has_the_loss_of_its_rung_exactly(task):
    batch = task.batch(task.everything())
    for rung in task.ladder():
        for predictor in (rung.predictor, *rung.twins):
            each = cross_entropy(batch.probabilities, predictor(batch.inputs).log())
            assert float(each[batch.scored].mean()) == pytest.approx(rung.loss, abs=1e-12)


@pytest.mark.parametrize("task", SMALL.values(), ids=SMALL)
def test_every_predictor_is_the_mean_over_all_that_look_the_same_to_it(task):
    """A Bayesian who lists all sequences, and shares nothing with the code but the rule."""
    every = task.everything()
    n, first = task.pairs, 2 * task.pairs + task.gap
    rows = every.inputs.tolist()
    for rung in task.ladder():
        bag = rung.name.startswith(("bag", "all"))
        last = rung.name.split()[-1]
        known = n if last == "all" else int(last) if last.isdigit() else 0

        def seen(row: list[int], bag=bag, known=known) -> tuple[object, ...]:
            pairs = [*zip(row[0 : 2 * n : 2], row[1 : 2 * n : 2], strict=True)]
            kept = dict(pairs[n - known :])
            # of other keys no more is known than that they are others
            which = row[first] if row[first] in kept else None
            values = tuple(sorted(v for _, v in pairs)) if bag else None
            return tuple(sorted(kept.items())), which, values

        counts: dict[tuple[object, ...], Counter[int]] = {}
        for row, target in zip(rows, every.targets[:, first].tolist(), strict=True):
            counts.setdefault(seen(row), Counter())[target] += 1
        due = torch.tensor(
            [
                [counts[seen(row)][v] / counts[seen(row)].total() for v in range(task.values)]
                for row in rows
            ],
            dtype=torch.float64,
        )
        found = rung.predictor(task.features(every.inputs))[:, first]
        assert torch.allclose(found, due, atol=1e-12), rung.name


def test_keys_and_values_come_in_pairs_and_what_is_asked_was_written():
    task = Recall(4, 16, "all", gap=2, keys=9)
    draw = task.draw(torch.Generator().manual_seed(0), 500, task.num_steps)
    keys, values = draw.inputs[:, 0:8:2].long(), draw.inputs[:, 1:8:2].long() - 9
    assert keys.max() < 9
    assert values.min() >= 0
    assert values.max() < 16
    assert (draw.inputs[:, 8:10] == 25).all()  # nothing
    for row in range(500):
        written = dict(zip(keys[row].tolist(), values[row].tolist(), strict=True))
        assert len(written) == len({*written.values()}) == 4
        asked = draw.inputs[row, 10:].tolist()
        assert sorted(asked) == sorted(written)
        assert [written[key] for key in asked] == draw.targets[row, 10:].tolist()
    assert draw.scored.sum(dim=1).eq(4).all()
    assert draw.scored[:, 10:].all()


@pytest.mark.parametrize("bits", [1, 2])
def test_nobody_who_keeps_few_bits_does_better_than_its_mark(bits):
    """All that two or four states can say of two bits, and the best answers to it."""
    writings = [*product((0, 1), repeat=2)]
    best = float("inf")
    for states in product(range(2**bits), repeat=len(writings)):
        total = 0.0
        for state, key in product(range(2**bits), (0, 1)):
            says = Counter(w[key] for w, s in zip(writings, states, strict=True) if s == state)
            total -= sum(c * log(c / says.total()) for c in says.values())
        best = min(best, total / (2 * len(writings)))
    mark = {m.states: m.loss for m in Recall(2, 2, distinct=False).memory()}[2**bits]
    assert best == pytest.approx(mark, abs=1e-12)


def test_marks_go_down_to_the_bits_that_keep_everything():
    marks = Recall(4, 16, distinct=False).memory()
    assert [mark.states for mark in marks] == [2**4, 2**8, 2**12, 2**16]
    expected = [log(16) - b * log(2) / 4 for b in (4, 8, 12, 16)]
    assert [mark.loss for mark in marks] == pytest.approx(expected, abs=1e-12)
    assert Recall(4, 16, distinct=True).memory() == ()  # nothing is proved of it


def test_all_sequences_are_listed_once():
    draw = Recall(2, 3, "one", keys=3).everything()
    assert len(draw.inputs.unique(dim=0)) == len(draw.inputs) == 6 * 6 * 2
    assert len([*permutations(range(3), 2)]) == comb(3, 2) * 2


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Recall(pairs=1), "pairs=1: must be a whole number of at least 2"),
        (lambda: Recall(values=1), "values=1: must be a whole number of at least 2"),
        (lambda: Recall(4, 3), "values=3: must be at least pairs=4, unless distinct=false"),
        (lambda: Recall(queries="two"), "queries='two': must be one of one, all"),
        (lambda: Recall(gap=-1), "gap=-1: must be a whole number of at least 0"),
        (lambda: Recall(3, 8, keys=2), "keys=2: must be a whole number of at least 3"),
        (lambda: Recall(8, 16).everything(), "more than 65536 sequences; use data=fresh"),
        (lambda: Recall(2, 4).draw(torch.Generator(), 1, 3), "num_steps=3: must be 5"),
        (lambda: Recall(2, 4).ladder(6), "num_steps=6: must be 5"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_a_result_with_more_states_than_64_bits_can_count_can_be_read(tmp_path):
    marks = Recall(20, 16, distinct=False).memory()
    assert marks[-1].states == 2**80
    known = {"task": "recall", "model": "rnn", "engine": "fused", "seed": 0, "status": "done"}
    Result(**known, loss=1.0, memory=[asdict(mark) for mark in marks]).write(tmp_path)
    found = read_result(tmp_path)
    assert isinstance(found, Result)
    assert found.memory == [asdict(mark) for mark in marks]
    assert kept_states(1.0, 0.0, found.memory) == (
        "more than 40 bits, with which nobody has less than 1.3863; with 60 it could have 0.6931"
    )
