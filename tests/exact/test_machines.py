"""What few states can have: machines tried one by one, and sources against brute force."""

from itertools import product
from math import log

import numpy as np
import pytest

from lossladder.ladder.machines import HiddenMarkov, copy_bound, recall_bound
from lossladder.tasks import Count, Counter, EvenPairs, Modular, Parity
from lossladder.tasks.source import _PROCESSES


def source(process: str, symbols: int = 2, states: int = 3, seed: int = 0) -> HiddenMarkov:
    return HiddenMarkov(_PROCESSES[process](symbols, states, seed))


def chance_of(word, of: HiddenMarkov) -> float:
    """Return the chance of a word, by the product of its matrices."""
    belief = of.stationary
    for symbol in word:
        belief = belief @ of.transitions[symbol]
    return float(belief.sum())


def entropy(law) -> float:
    return -sum(p * log(p) for p in law if p > 0)


GIVEN = {
    "golden_mean": [0.636514168, 0.462098120],
    "even": [0.636514168, 0.605939157, 0.549306144, 0.534018638],
    "z1r": [0.693147181, 0.636514168, 0.462098120, 0.231049060],
    "mess3": [1.098612289, 0.857718984, 0.813355685, 0.798117613],
}
RATES = {
    "golden_mean": 0.462098120,
    "even": 0.462098120,
    "rrxor": 0.462098120,
    "mess3": 0.79345758,
}


@pytest.mark.parametrize("process", GIVEN)
def test_windows_have_the_losses_that_are_known(process):
    assert source(process).window_losses[: len(GIVEN[process])] == pytest.approx(
        GIVEN[process], abs=1e-9
    )


def test_rrxor_is_known_at_four_windows():
    losses = source("rrxor").window_losses
    known = [losses[k - 1] for k in (3, 4, 8, 16)]
    assert known == pytest.approx([0.636514168, 0.628487207, 0.539847255, 0.476286109], abs=1e-9)


@pytest.mark.parametrize("process", RATES)
def test_the_entropy_rate_is_the_one_that_is_known(process):
    rate, error = source(process).entropy_rate
    assert rate == pytest.approx(RATES[process], abs=1e-7)
    assert abs(rate - RATES[process]) <= error + 1e-8


def test_a_markov_chain_of_order_two_has_its_losses():
    # after 00, 01, 10, 11 a one comes with these chances
    ones = (0.1, 0.8, 0.6, 0.3)
    transitions = np.zeros((2, 4, 4))
    for word, one in enumerate(ones):
        for symbol, chance in enumerate((1 - one, one)):
            transitions[symbol, word, (2 * word + symbol) % 4] = chance
    found = HiddenMarkov(transitions)
    expected = [0.610864302, 0.557558689, 0.444062726]
    assert found.window_losses[:3] == pytest.approx(expected, abs=1e-9)
    assert found.entropy_rate == (pytest.approx(expected[-1], abs=1e-9), 0.0)


@pytest.mark.parametrize("process", ["even", "rrxor", "mess3", "ring", "random"])
def test_windows_are_what_brute_force_over_all_words_makes_of_them(process):
    of = source(process)
    for known in range(5):
        loss = 0.0
        for word in product(range(of.symbols), repeat=known):
            chance = chance_of(word, of)
            if chance > 0:
                law = [chance_of((*word, x), of) / chance for x in range(of.symbols)]
                loss += chance * entropy(law)
        assert of.window_losses[known] == pytest.approx(loss, abs=1e-12)


def by_simulation(of: HiddenMarkov, moves, steps: int = 400) -> float:
    """Return the long-run loss of one machine, by following machine and source for long."""
    joint = np.zeros((len(moves), of.states))
    joint[0] = of.stationary
    mean = np.zeros_like(joint)
    for step in range(steps):
        after = np.zeros_like(joint)
        for state, row in enumerate(moves):
            for symbol, target in enumerate(row):
                after[target] += joint[state] @ of.transitions[symbol]
        joint = after
        if step >= steps // 2:  # a mean over any period
            mean += joint / (steps - steps // 2)
    loss = 0.0
    for belief in mean:
        if belief.sum() > 1e-9:
            loss += belief.sum() * entropy(belief / belief.sum() @ of.emissions)
    return loss


@pytest.mark.parametrize("process", ["golden_mean", "even", "z1r", "random"])
def test_the_best_machine_is_the_best_of_all_that_there_are(process):
    of = source(process)
    rows = list(product(range(2), repeat=of.symbols))
    every = [by_simulation(of, moves) for moves in product(rows, repeat=2)]
    assert of.machine_losses(2) == pytest.approx([of.window_losses[0], min(every)], abs=1e-6)


def test_rrxor_needs_more_states_than_can_be_tried():
    expected = [0.693147181, 0.684009997, 0.600170701]
    found = source("rrxor").machine_losses(4)
    assert found[:3] == pytest.approx(expected, abs=1e-9)
    assert found[3] < found[2]
    assert found[3] > source("rrxor").entropy_rate[0]


def test_more_states_never_cost_more_and_never_beat_the_whole_past():
    for process in _PROCESSES:
        of = source(process)
        losses = of.machine_losses(3)
        assert losses == sorted(losses, reverse=True)
        assert losses[0] == pytest.approx(of.window_losses[0], abs=1e-9)
        assert losses[-1] > of.entropy_rate[0] - 1e-9


@pytest.mark.parametrize("states", [2, 3])
@pytest.mark.parametrize(
    "task",
    [
        Counter("anbn", 8),
        Counter("majority", 5),
        Counter("ones", 4, every_step=True),
        Counter("up_down", 4),
        Modular(2, 6, mixed_lengths=False),
        Count(4),
        Parity(5),
        EvenPairs(5),
        EvenPairs(4, every_step=True),
    ],
)
def test_machines_that_read_strings_are_the_best_of_all_that_there_are(task, states):
    every = task.everything()
    symbols = int(every.inputs.max()) + 1
    if states ** (symbols * states) > 10_000:
        states = 2
    tables = np.array([*product(range(states), repeat=symbols * states)])
    tables = tables.reshape(-1, states, symbols)
    every_table = np.arange(len(tables))
    said = np.zeros((len(tables), states, task.output_size))
    for word, targets, scored in zip(
        every.inputs.numpy(), every.targets.numpy(), scored_of(every), strict=True
    ):
        at = np.zeros(len(tables), dtype=int)
        for symbol, target, is_scored in zip(word, targets, scored, strict=True):
            at = tables[every_table, at, symbol]
            said[every_table, at, target] += is_scored
    total = said[0].sum()
    best = min(sum(row.sum() / total * entropy(row / row.sum()) for row in one if row.sum())
               for one in said)  # fmt: skip
    have = [mark.loss for mark in task.memory() if mark.states <= states]
    assert have[-1] == pytest.approx(best, abs=1e-12)


def scored_of(draw):
    if draw.scored is None:
        return np.ones(draw.inputs.shape, dtype=bool)
    return np.broadcast_to(draw.scored.numpy(), draw.inputs.shape)


def test_bits_bound_what_can_be_recalled():
    # ten of eight letters, of which so many bits are kept
    assert [copy_bound(10, 8, bits) for bits in (0, 12, 24, 30)] == pytest.approx(
        [2.0794, 1.2477, 0.4159, 0.0], abs=1e-4
    )
    # who keeps one of four values whole loses nothing on it, and all on the others
    assert recall_bound(4, 16, 4) == pytest.approx(log(16) * 3 / 4)
    assert recall_bound(4, 16, 17) == 0.0


@pytest.mark.parametrize(
    ("transitions", "complaint"),
    [
        ([[[0.5, 0.5]], [[0.0, 0.0]]], "have shape"),
        ([[[-0.5]], [[1.5]]], "must be chances"),
        ([[[0.5]], [[0.4]]], "the rows of state 0 sum to 0.9 over all symbols; must sum to 1"),
        ([[[0.5, 0.5], [0, 1]], [[0, 0], [0, 0]]], "some states never reach some others"),
    ],
)
def test_what_is_no_source_is_told(transitions, complaint):
    with pytest.raises(ValueError, match=complaint):
        HiddenMarkov(transitions)


def test_too_many_machines_are_refused():
    with pytest.raises(ValueError, match=r"states=5: .* at most 4"):
        source("even").machine_losses(5)
