"""Flip-flop: derived numbers, and a Bayesian who lists all strings."""

from itertools import product
from math import log

import pytest
import torch

from lossladder.tasks import FlipFlop

LN2 = log(2)
WRITE, IGNORE, READ = 2, 3, 4


def losses(task: FlipFlop) -> dict[str, float]:
    return {rung.name: rung.loss for rung in task.ladder()}


def test_the_last_read_of_a_long_string_has_the_known_ladder():
    found = losses(FlipFlop(instructions=100, ignore=0.8, every_read=False))
    assert found["last bit"] == pytest.approx(0.673011667, abs=1e-9)
    known = {1: 0.554517744, 4: 0.283913085, 8: 0.116290800, 16: 0.019510359}
    for window, loss in known.items():
        assert found[f"last {window}"] == pytest.approx(loss, abs=1e-9)
        assert found[f"last {window}"] == pytest.approx(LN2 * 0.8**window, abs=1e-12)
    assert found["none"] == pytest.approx(LN2, abs=1e-12)
    assert found["all"] == 0


def test_windows_and_writes_only_know_nothing_of_each_other():
    ladder = FlipFlop(24, every_read=False).ladder()
    assert ladder["last 2"].loss > ladder["writes"].loss > ladder["last 4"].loss
    for window in ("last 2", "last 4", "last 8"):
        assert not ladder.includes(ladder[window], ladder["writes"])
        assert not ladder.includes(ladder["writes"], ladder[window])
    assert ladder.includes(ladder["last 4"], ladder["last bit"])


def strings(task: FlipFlop) -> list[tuple[float, list[int], list[int]]]:
    """All there are: the chance of each, its symbols, and the bit it holds at each instruction."""
    chances = {
        WRITE: (1 - task.ignore) / 2,
        IGNORE: task.ignore,
        READ: (1 - task.ignore) / 2,
    }
    found = []
    middle = task.instructions - 2
    for does in product(chances, repeat=middle):
        for bits in product((0, 1), repeat=middle + 1):
            chance = 0.5 ** len(bits)
            held, symbols, holds = bits[0], [WRITE, bits[0]], [bits[0]]
            for what, bit in zip(does, bits[1:], strict=True):
                chance *= chances[what]
                if what == WRITE:
                    held = bit
                symbols += [what, held if what == READ else bit]
                holds.append(held)
            found.append((chance, [*symbols, READ], [*holds, held]))
    return found


SMALL = {
    "every read": FlipFlop(5, 0.8),
    "last read": FlipFlop(5, 0.5, every_read=False),
    "one instruction between": FlipFlop(3, 0.3),
    "nothing ignored": FlipFlop(4, 0.0),
    "all ignored": FlipFlop(4, 1.0),
    "two instructions": FlipFlop(2),
}


@pytest.mark.parametrize("task", SMALL.values(), ids=SMALL)
def test_every_rung_is_exact_over_all_strings(task):
    """A Bayesian who lists them, and shares nothing with the code but the rule."""
    every = strings(task)
    chances = torch.tensor([chance for chance, _, _ in every]).double()
    inputs = task.features(torch.tensor([symbols for _, symbols, _ in every]))
    for rung in task.ladder():
        window = None if rung.name in ("writes", "last bit") else 0
        if rung.name.startswith("last ") and rung.name != "last bit":
            window = int(rung.name[5:])
        if rung.name == "all":
            window = task.instructions
        total = weight = 0.0
        predicted = rung.predictor(inputs)
        for at in range(1, task.instructions):
            # what is seen of each string before a read, and how often a one follows on it
            seen = {}
            keys = []
            asked = torch.tensor(
                [
                    symbols[2 * at] == READ and (task.every_read or at == task.instructions - 1)
                    for _, symbols, _ in every
                ]
            )
            for (chance, symbols, holds), is_asked in zip(every, asked.tolist(), strict=True):
                before = symbols[: 2 * at]
                if rung.name == "last bit":
                    key = (before[-1],)
                elif rung.name == "writes":
                    pairs = zip(before[::2], before[1::2], strict=True)
                    key = tuple(sorted(bit for what, bit in pairs if what == WRITE))
                else:
                    key = tuple(before[-2 * window :]) if window else ()
                keys.append(key)
                ones, of_all = seen.get(key, (0.0, 0.0))
                chance *= is_asked
                seen[key] = ones + chance * holds[at], of_all + chance
            due = torch.tensor([seen[key][0] / max(seen[key][1], 1e-300) for key in keys]).double()
            scored = asked & (chances > 0)
            found = predicted[:, 2 * at]
            assert torch.allclose(found[scored, 1], due[scored], atol=1e-6), (rung.name, at)
            held = torch.tensor([holds[at] for _, _, holds in every])
            costs = -found.gather(1, held[:, None])[:, 0].log()
            total += float((chances * costs)[scored].sum())
            weight += float(chances[scored].sum())
            if scored.any():
                cost = float((chances * costs)[scored].sum() / chances[scored].sum())
                assert rung.by_step[2 * at] == pytest.approx(cost, abs=1e-6)
        assert rung.loss == pytest.approx(total / weight, abs=1e-6)


def test_a_string_is_drawn_by_the_rule():
    task = FlipFlop(12, 0.6)
    draw = task.draw(torch.Generator().manual_seed(0), 4000, task.num_steps)
    does, bits = draw.inputs[:, ::2], draw.inputs[:, 1::2]
    assert (does[:, 0] == WRITE).all()
    assert (does[:, -1] == READ).all()
    middle = does[:, 1:-1]
    for what, chance in ((WRITE, 0.2), (IGNORE, 0.6), (READ, 0.2)):
        share = float((middle == what).double().mean())
        assert abs(share - chance) < 4 * (chance * (1 - chance) / middle.numel()) ** 0.5
    for row in range(500):
        held = -1
        for at in range(12):
            what = int(does[row, at])
            assert bool(draw.scored[row, 2 * at]) == (what == READ)
            if what == READ:
                assert int(draw.targets[row, 2 * at]) == held
                assert at == 11 or int(bits[row, at]) == held
            elif what == WRITE:
                held = int(bits[row, at])
    assert not draw.scored[:, 1::2].any()


def test_the_last_read_only_is_scored_where_that_is_asked_for():
    task = FlipFlop(8, every_read=False)
    scored = task.draw(torch.Generator().manual_seed(0), 50, task.num_steps).scored
    assert scored.sum(dim=1).eq(1).all()
    assert scored[:, -1].all()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: FlipFlop(1), "instructions=1: must be a whole number of at least 2"),
        (lambda: FlipFlop(ignore=1.2), "ignore=1.2: must be a number from 0 to 1"),
        (lambda: FlipFlop(4).draw(torch.Generator(), 1, 6), "num_steps=6: must be 7"),
        (lambda: FlipFlop(4).ladder(9), "num_steps=9: must be 7"),
        (lambda: FlipFlop().everything(), "flipflop: has no finite set"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
