"""What theorems say of networks: the numbers, the group theory, and every machine that is small."""

from dataclasses import replace
from itertools import product
from math import exp, isclose, log

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from lossladder.ladder.machines import copy_bound
from lossladder.models import Network
from lossladder.models.recurrent import Cell, Dynamics
from lossladder.tasks import (
    Copy,
    Count,
    Counter,
    Delay,
    Echo,
    FlipFlop,
    Parity,
    Recall,
    Source,
    Task,
    Words,
    XorLags,
)
from lossladder.tasks.groups import FiniteGroup, group
from lossladder.theory import TheoryMark, marks


class StandIn(Cell):
    """A cell that says how its state moves, and does nothing."""

    def __init__(self, dynamics: Dynamics | None, hidden_size: int = 8, square: bool = False):
        super().__init__(1, hidden_size)
        self.dynamics, self.square = dynamics, square
        self.weight = nn.Parameter(torch.zeros(1))

    @property
    def state_shapes(self):
        size = self.hidden_size
        return ((size, size),) if self.square else ((size,),)

    def initialise(self, generator=None):
        pass

    def step(self, x, state):
        return state


class Deep(StandIn):
    """The same with a reader of two layers."""

    def readout(self, output_size):
        return nn.Sequential(nn.Linear(self.hidden_size, 4), nn.Linear(4, output_size))


def said(dynamics: Dynamics | None, task: Task, kind=StandIn, **sizes) -> tuple[TheoryMark, ...]:
    return marks(Network(kind(dynamics, **sizes), task.output_size), task, task.ladder())


def lower(dynamics: Dynamics, task: Task, **sizes) -> float | None:
    """Highest bound, if there is any."""
    found = [m.loss or 0.0 for m in said(dynamics, task, **sizes) if m.bound == "lower"]
    return max(found, default=None)


UNIT, SIGNED, TURNING = (Dynamics("diagonal", kind) for kind in ("unit", "signed", "complex"))


def layers(dynamics: Dynamics, count: int) -> Dynamics:
    return Dynamics(dynamics.transition, dynamics.eigenvalues, layers=count)


# --- numbers ------------------------------------------------------------------------------------

# [0, 1]; one layer of signs; any number of them; one, two, three layers of rotations
FLOORS = {
    "Z2": (log(2), 0, 0, 0, 0, 0),
    "Z3": (log(3), log(3), log(3), 0, 0, 0),
    "Z4": (log(4), log(2), 0, 0, 0, 0),
    "Z6": (log(6), log(3), log(3), 0, 0, 0),
    "S3": (log(6), log(3), log(3), 1.098612289, 0, 0),
    "D4": (log(8), log(2), 0, log(2), 0, 0),
    "A4": (log(12), 2.484906650, 2.484906650, 1.386294361, 0, 0),
    "S4": (log(24), 2.484906650, 2.484906650, 2.484906650, 1.386294361, 0),
    "A5": (log(60),) * 6,
}


@pytest.mark.parametrize("name", FLOORS)
def test_classes_of_networks_have_their_floors_on_groups(name):
    task = Words(name)
    classes = (UNIT, SIGNED, layers(SIGNED, 9), *(layers(TURNING, k) for k in (1, 2, 3)))
    for dynamics, floor in zip(classes, FLOORS[name], strict=True):
        found = said(dynamics, task)
        bound = "lower" if floor else "suffices"
        (mark,) = (mark for mark in found if mark.bound == bound)
        assert mark.loss == pytest.approx(floor, abs=1e-8)
        assert mark.rung in [
            rung.name for rung in task.ladder() if isclose(rung.loss, floor, abs_tol=1e-8)
        ]
        assert mark.asymptotic
        assert {m.bound for m in found} <= {bound, "warning"}


def test_parity_is_the_group_of_two_elements():
    task = Parity(num_steps=20)
    (mark,) = said(UNIT, task)
    assert (mark.loss, mark.rung, mark.bound) == (pytest.approx(log(2)), "none", "lower")
    assert [mark.bound for mark in said(SIGNED, task)] == ["suffices", "warning"]
    # of unfair bits, who knows the step knows something at the start, without any bit
    uneven = Parity(num_steps=10, chance_of_one=0.3)
    (mark,) = said(UNIT, uneven)
    assert mark.loss == pytest.approx(uneven.ladder()["step"].loss)
    assert said(UNIT, Parity(chance_of_one=1.0)) == ()


def test_letters_of_which_each_undoes_itself_are_all_that_one_reflection_tracks():
    one = Dynamics("householder", "signed", reflections=1)
    for name, floor in {"S3": log(3), "Z3": log(3), "A4": log(12), "Z4": log(2)}.items():
        assert lower(one, Words(name)) == pytest.approx(floor)
    # neighbours that change places are reflections, and one a step is enough
    (mark,) = (m for m in said(one, Words("S3", "generators")) if m.bound == "suffices")
    assert (mark.loss, lower(one, Words("S3", "generators"))) == (0.0, None)
    assert lower(layers_of_one(2), Words("S3")) is None


def layers_of_one(count: int) -> Dynamics:
    return Dynamics("householder", "signed", reflections=1, layers=count)


@pytest.mark.parametrize(
    ("name", "needed"), {"S3": 2, "S4": 3, "S5": 4, "A5": 4, "Z6": 2, "Z2": 1, "D4": 2}.items()
)
def test_reflections_suffice_for_permutations_of_one_point_more(name, needed):
    for count in (1, 2, 3, 4):
        dynamics = Dynamics("householder", "signed", reflections=count)
        enough = [m for m in said(dynamics, Words(name)) if m.bound == "suffices"]
        assert [m.loss for m in enough] == ([0.0] if count >= needed else [])
    small = Dynamics("householder", "signed", reflections=4)
    narrow = said(small, Words(name), hidden_size=1, square=True)
    assert any(m.bound == "suffices" for m in narrow) == (name == "Z2")


def test_householder_factors_that_do_not_reflect_track_nothing():
    for count in (1, 2, 5):
        still = Dynamics("householder", "unit", reflections=count)
        assert lower(still, Words("S3")) == pytest.approx(log(6))


def test_one_matrix_for_all_inputs_tracks_nothing_where_the_identity_is_a_letter():
    for same in (
        Dynamics("diagonal", "complex", selective=False),
        Dynamics("dense", selective=False, layers=3),
    ):
        assert lower(same, Words("Z6")) == pytest.approx(log(6))
        assert not any(m.bound == "suffices" for m in said(same, Words("Z6")))
    # without it, time tells something
    turning = Dynamics("diagonal", "complex", selective=False)
    assert lower(turning, Words("S3", "generators")) == pytest.approx(log(3))


def test_bits_of_state_bound_what_is_recalled_and_what_is_tracked():
    few = Dynamics("nonlinear", bits=12)
    string = Copy(length=10, symbols=8, delay=100)
    assert lower(few, string) == pytest.approx(copy_bound(10, 8, 12) * 10 / 120)
    pairs = Recall(pairs=4, values=16, distinct=False)
    assert lower(Dynamics("nonlinear", bits=8), pairs) == pytest.approx(1.386294361)
    assert said(Dynamics("nonlinear", bits=8), Recall(pairs=4, values=16)) == ()
    one = Dynamics("nonlinear", bits=1)
    best = {"Z4": log(2), "S3": log(3), "Z2xZ2": log(2), "D4": log(4), "A5": log(60)}
    for name, floor in best.items():
        assert lower(one, Words(name)) == pytest.approx(floor)
    # six cosets of the group of the pentagon take three bits, five of A4 take as many
    assert lower(Dynamics("nonlinear", bits=2), Words("A5")) == pytest.approx(log(60))
    assert lower(Dynamics("nonlinear", bits=3), Words("A5")) == pytest.approx(log(10))
    assert lower(one, Source("rrxor")) == pytest.approx(0.684010, abs=1e-6)
    assert lower(one, Source("golden_mean")) is None, "two states are enough"
    assert lower(Dynamics("nonlinear", bits=40), Source("rrxor")) is None
    assert lower(Dynamics("nonlinear", bits=400), string) is None


def test_a_window_has_the_loss_of_the_best_predictor_that_sees_no_more():
    def seeing(steps: int) -> Dynamics:
        return Dynamics("none", window=steps)

    assert lower(seeing(3), Echo()) == pytest.approx(Echo().ladder()["none"].loss)
    assert lower(seeing(4), Echo()) == pytest.approx(Echo().ladder()["lag 3"].loss)
    assert lower(seeing(9), Echo()) is None
    assert lower(seeing(2), XorLags()) == pytest.approx(XorLags().ladder()["lag 1"].loss)
    assert lower(seeing(3), Source("rrxor")) == pytest.approx(0.628487207)
    assert lower(seeing(1000), Source("rrxor")) is None
    reads = FlipFlop(24, every_read=False)
    for steps, rung in ((1, "none"), (2, "last 1"), (9, "last 4"), (33, "last 16")):
        assert lower(seeing(steps), reads) == pytest.approx(reads.ladder()[rung].loss)
    assert lower(seeing(9), Count(num_steps=10)) == pytest.approx(log(2))
    assert lower(seeing(10), Count(num_steps=10)) is None
    assert lower(seeing(2), Delay(steps=5)) == 3.0
    assert lower(seeing(5), Words("S3")) == pytest.approx(log(6))
    # the first five of twenty steps are seen whole
    assert lower(seeing(5), Parity(num_steps=20)) == pytest.approx(0.75 * log(2))


def test_a_linear_reader_recalls_no_more_inputs_than_it_has_units():
    anything = Dynamics("nonlinear")
    task = Delay(steps=6)
    (mark,) = said(anything, task, hidden_size=4)
    assert (mark.loss, mark.rung, mark.asymptotic) == (2.0, "last 4", False)
    assert said(anything, task, hidden_size=6) == ()
    assert said(anything, task, kind=Deep, hidden_size=4) == ()
    assert said(anything, Delay(steps=6, every_lag=False), hidden_size=4) == ()
    short = task.ladder(5, carried=False)
    network = Network(StandIn(anything, hidden_size=4), task.output_size)
    # the fifth step is the first that asks for more inputs than there are units
    assert [m.loss for m in marks(network, task, short)] == [pytest.approx(1 / 5)]


def test_the_r2_of_all_lags_sum_to_no_more_than_the_units_even_where_they_are_nonlinear():
    random = np.random.default_rng(0)
    for units in (1, 2, 3):
        # of every past of 5 signs alike, so that nothing is left to chance
        pasts = np.array(list(product([-1.0, 1.0], repeat=5)))
        state = np.tanh(pasts @ random.normal(size=(5, units)) * 2 + random.normal(size=units))
        read = np.c_[np.ones(len(pasts)), state]
        left = pasts - read @ np.linalg.lstsq(read, pasts, rcond=None)[0]
        assert (1 - (left**2).mean(axis=0)).sum() <= units + 1e-9


def test_counting_is_said_to_suffice_for_a_majority_and_to_be_missed_by_bounded_states():
    counts, bounded = (Dynamics("nonlinear", counts=value) for value in (True, False))
    (mark,) = said(counts, Counter("majority", 9))
    assert (mark.loss, mark.bound) == (0.0, "suffices")
    assert said(counts, Counter("anbn", 8)) == ()
    for kind in ("majority", "anbn", "up_down", "ones"):
        assert [(m.bound, m.loss) for m in said(bounded, Counter(kind, 8))] == [("warning", None)]
    assert said(bounded, Count(num_steps=10)) == ()


def test_theory_is_silent_of_what_it_does_not_speak_of():
    tasks = [Words("S3"), Parity(num_steps=9), Echo(), Delay(steps=9), Counter(), Copy()]
    for task in tasks:
        assert said(None, task) == ()
    for task in tasks[:3]:
        assert said(Dynamics("nonlinear"), task) == ()
    for dynamics in (UNIT, SIGNED, TURNING, Dynamics("householder", "signed", reflections=2)):
        for task in (Echo(), Copy(), FlipFlop(), Count()):
            assert said(dynamics, task) == ()
    dense = Dynamics("dense")
    assert [m.statement for m in said(dense, Words("S3"))] == ["errors add up"]
    assert said(UNIT, Words("S3"))[0].statement == "range [0, 1]"


def test_of_states_of_few_bits_only_bounds_are_told_that_hold_under_any_rounding():
    task = Words("S4")
    for dynamics, statements in (
        (UNIT, ["range [0, 1]"]),
        (SIGNED, ["signs, 1 layer"]),
        (TURNING, []),
        (Dynamics("householder", "unit", reflections=1), []),
        (Dynamics("householder", "signed", reflections=1), []),
        (Dynamics("householder", "complex", reflections=3), []),
        (Dynamics("dense", selective=False), []),
    ):
        found = [m for m in said(replace(dynamics, bits=50), task) if m.bound != "warning"]
        assert [m.statement for m in found] == statements
    frozen = Network(StandIn(layers(TURNING, 3)), task.output_size, readout_alone=True)
    assert [m.bound for m in marks(frozen, task, task.ladder())] == ["warning"]


def test_a_bound_of_the_long_run_forgives_a_hundredth_and_one_for_ever_only_chance():
    ladder = Words("S3").ladder()
    for asymptotic, found in ((True, "agrees"), (False, "beats")):
        mark = TheoryMark("", log(3), "sign", "", "proof", "lower", "", "", asymptotic)
        assert mark.agreement(log(3) - 0.005, 0.001, ladder) == found
        assert mark.agreement(log(3) - 0.005, 0.002, ladder) == "agrees"
        assert mark.agreement(log(3) - 0.2, 0.002, ladder) == "beats"
        assert mark.agreement(log(3) + 0.2, 0.002, ladder) == "falls short"
    enough = TheoryMark("", 0.0, "all", "", "proof", "suffices", "", "")
    assert [enough.agreement(loss, 0.0, ladder) for loss in (0.0, 0.4)] == ["agrees", "falls short"]
    nothing = TheoryMark("", None, None, "", "rule", "warning", "", "")
    assert nothing.agreement(0.4, 0.0, ladder) is None


# --- group theory, by brute force ------------------------------------------------------------


def quotient(of: FiniteGroup, normal: frozenset[int]) -> NDArray[np.int64]:
    """Table of G/N."""
    coset = of.cosets(normal)
    first = [int(np.flatnonzero(coset == number)[0]) for number in range(coset.max() + 1)]
    return np.array([[coset[of.table[a, b]] for b in first] for a in first])


def derived_length(table: NDArray[np.int64]) -> float:
    members, length = set(range(len(table))), 0
    inverse = np.argwhere(table == table[0, 0])[:, 1]
    while len(members) > 1:
        found = {
            int(table[table[inverse[a], inverse[b]], table[a, b]])
            for a, b in product(members, repeat=2)
        }
        while (more := {int(table[a, b]) for a, b in product(found, repeat=2)}) != found:
            found = more
        if found == members:
            return float("inf")
        members, length = found, length + 1
    return length


SMALL = ["Z4", "Z6", "Z2xZ2", "S3", "D4", "D6", "A4", "S3xZ2", "S4", "Z2xZ4"]


@pytest.mark.parametrize("name", SMALL)
def test_kinds_of_quotients_have_a_least_kernel(name):
    of = group(name)
    normal = [h.elements for h in of.subgroups if not h.conjugates]
    for kernel in normal:
        table = quotient(of, kernel)
        undo = all(table[a, a] == 0 for a in range(len(table)))
        assert undo == (of.squared() <= kernel)
        for length in (1, 2, 3):
            assert (derived_length(table) <= length) == (of.derived(length) <= kernel)
        two_group = len(table) & (len(table) - 1) == 0
        assert two_group == (of.squared(9) <= kernel)


@pytest.mark.parametrize("name", SMALL)
def test_a_core_is_the_largest_normal_subgroup_inside_and_a_closure_the_least_around(name):
    of = group(name)
    normal = [h.elements for h in of.subgroups if not h.conjugates]
    for h in of.subgroups:
        assert of.core(h.elements) == max((n for n in normal if n <= h.elements), key=len)
        assert of.normal_closure(h.elements) == min((n for n in normal if h.elements <= n), key=len)


@pytest.mark.parametrize("name", ["S3", "S4", "A4", "S5", "A5"])
def test_a_permutation_is_as_many_reflections_as_it_moves_dimensions(name):
    of = group(name)
    points = of._moves
    assert points is not None
    for moves, count in zip(points, of.reflections, strict=True):
        moved = np.eye(len(moves)) - np.eye(len(moves))[moves]
        assert np.linalg.matrix_rank(moved) == count
        assert count <= max(0, (moves != np.arange(len(moves))).sum() - 1)


# --- section by section: machines on groups ----------------------------------------------------

Moves = NDArray[np.int64]  # (states, letters)


def long_run_losses(machine: Moves, of: FiniteGroup) -> list[float]:
    """What is left to know of the product given the state, for ever, from each recurrent start."""
    states, size = len(machine), len(of)
    after = (machine[:, None, :] * size + of.table[None, :, :]).reshape(states * size, size)
    reach = np.eye(len(after), dtype=np.float32)
    np.put_along_axis(reach, after, 1.0, axis=1)
    for _ in range(len(after).bit_length()):
        reach = (reach @ reach > 0).astype(np.float32)
    # what can be left again and come back to from all that it reaches
    recurrent = np.all(reach <= reach.T, axis=1)
    found, seen = list[float](), set[int]()
    for start in range(0, states * size, size):
        if not recurrent[start] or start in seen:
            continue
        mine = np.flatnonzero(reach[start])
        seen.update(mine.tolist())
        places = {place: index for index, place in enumerate(mine.tolist())}
        chain = np.zeros((len(places), len(places)))
        for place, index in places.items():
            for target in after[place]:
                chain[index, places[int(target)]] += 1 / size
        # pi (P - 1) = 0, of which one equation says nothing: in its place, they sum to 1
        equations = chain.T - np.eye(len(chain))
        equations[-1] = 1
        law = np.linalg.solve(equations, np.eye(len(chain))[-1])
        joint = np.zeros((states, size))
        for place, index in places.items():
            joint[divmod(place, size)] = law[index]
        given = joint.sum(axis=1, keepdims=True)
        share = np.divide(joint, given, where=given > 1e-12, out=np.zeros_like(joint))
        logs = np.log(np.where(share > 1e-12, share, 1.0))
        found.append(float(-(joint * logs).sum()))
    return found


@pytest.mark.parametrize(("name", "best"), {"Z4": 2, "S3": 3, "Z2xZ2": 2}.items())
def test_every_machine_of_one_and_two_states_stands_on_a_subgroup(name, best):
    of = group(name)
    orders = {h.order for h in of.subgroups}
    assert long_run_losses(np.zeros((1, len(of)), dtype=int), of) == [pytest.approx(log(len(of)))]
    least = float("inf")
    for moves in product((0, 1), repeat=2 * len(of)):
        for loss in long_run_losses(np.array(moves).reshape(2, -1), of):
            assert min(abs(exp(loss) - order) for order in orders) < 1e-6
            least = min(least, loss)
    assert least == pytest.approx(log(best))


def rounded(random: np.random.Generator, letters: int, lowest: float, same: bool = False) -> Moves:
    """A unit q' = a(x) q + b(x), a in [lowest, 1], that is rounded to one of five numbers."""
    numbers = np.arange(-2, 3)
    a = random.choice([lowest, lowest, 1.0, 1.0, 0.0, 0.5, random.uniform(lowest, 1)], size=letters)
    b = random.choice([-4, -1, 0, 0, 0, 1, 4], size=letters)
    if same:
        a[:] = a[0]
    return (np.clip(np.rint(numbers[:, None] * a + b), -2, 2) + 2).astype(int)


def side_by_side(one: Moves, other: Moves) -> Moves:
    """Two machines that read the same letters."""
    return (one[:, None] * len(other) + other[None]).reshape(-1, one.shape[1])


def on_top(random: np.random.Generator, below: Moves, lowest: float) -> Moves:
    """A unit that reads the letters and what the machine below it has come to."""
    count, letters = below.shape
    above = rounded(random, count * letters, lowest).reshape(5, count, letters)
    after = above[:, below, np.arange(letters)]  # (5, count, letters)
    return (below[None] + count * after).reshape(-1, letters)


@pytest.mark.parametrize("name", ["Z2", "Z3", "S3", "Z2xZ2"])
def test_rounded_units_that_never_turn_round_track_nothing_in_any_number_of_layers(name):
    random, of = np.random.default_rng(0), group(name)
    for _ in range(10):
        machine = side_by_side(rounded(random, len(of), 0.0), rounded(random, len(of), 0.0))
        for tried in (machine, on_top(random, rounded(random, len(of), 0.0), 0.0)):
            for loss in long_run_losses(tried, of):
                assert loss == pytest.approx(log(len(of)), abs=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["Z4", "S3", "D4", "Z2xZ2"])
def test_rounded_units_of_both_signs_track_what_is_said_and_some_do(name):
    random, of = np.random.default_rng(1), group(name)
    signs = sign_of(of)
    least = float("inf")
    for trial in range(12):
        one = rounded(random, len(of), -1.0)
        if trial % 4 == 0:
            # by chance hardly any keeps a sign
            one = np.where(signs[None] == 1, np.arange(4, -1, -1)[:, None], np.arange(5)[:, None])
        machine = side_by_side(one, rounded(random, len(of), -1.0))
        losses = long_run_losses(machine, of)
        assert all(loss > log(len(of.squared(1))) - 1e-6 for loss in losses)
        for loss in long_run_losses(on_top(random, one, -1.0), of):
            assert loss > log(len(of.squared(2))) - 1e-6
        least = min([least, *losses])
    assert least == pytest.approx(log(len(of) / 2))


def sign_of(of: FiniteGroup) -> NDArray[np.int64]:
    """A map of the group onto two elements."""
    kernel = next(h for h in of.subgroups if 2 * h.order == len(of))
    return of.cosets(kernel.elements)


def test_rounded_units_of_one_factor_for_all_letters_track_nothing():
    random, of = np.random.default_rng(2), group("S3")
    for _ in range(40):
        for loss in long_run_losses(rounded(random, 6, -1.0, same=True), of):
            assert loss == pytest.approx(log(6), abs=1e-6)


def turning(random: np.random.Generator, size: int, letters: int) -> Moves:
    """A unit that turns by an angle for each letter, or is set anew, among so many places."""
    places = np.arange(size)[:, None]
    angles = random.integers(size, size=letters)
    moves = (places + angles) % size
    anew = random.random(letters) < 0.1
    moves[:, anew] = random.integers(size, size=letters)[anew]
    return moves


@pytest.mark.parametrize("name", ["S3", "D4", "A4"])
def test_units_that_turn_track_the_abelian_quotient_and_on_top_of_each_other_one_more(name):
    random, of = np.random.default_rng(3), group(name)
    for size, _ in product((2, 3, 4, 6), range(4)):
        one = turning(random, size, len(of))
        for loss in long_run_losses(one, of):
            assert loss > log(len(of.derived(1))) - 1e-6
        # a unit of three places above it, whose angle depends on both
        above = np.stack([turning(random, 3, len(of)) for _ in range(size)])
        both = (3 * one[:, None] + above).reshape(-1, len(of))
        for loss in long_run_losses(both, of):
            assert loss > log(len(of.derived(2))) - 1e-6
    quotient_of = of.cosets(of.derived(1))
    exact = np.array([[quotient_of[of.table[g, x]] for x in range(len(of))] for g in firsts(of)])
    assert long_run_losses(exact, of)[0] == pytest.approx(log(len(of.derived(1))))


def firsts(of: FiniteGroup) -> list[int]:
    coset = of.cosets(of.derived(1))
    return [int(np.flatnonzero(coset == number)[0]) for number in range(coset.max() + 1)]


def test_a_sign_below_and_a_turn_above_track_s3_to_its_end():
    of = group("D3")  # r^a s^i: the turn of a letter goes the way that the sign says
    machine = np.zeros((6, 6), dtype=int)
    for (i, a), (j, b) in product(product(range(2), range(3)), repeat=2):
        turn = b if i == 0 else -b
        machine[3 * i + a, 3 * j + b] = 3 * ((i + j) % 2) + (a + turn) % 3
    assert long_run_losses(machine, of)[0] == pytest.approx(0.0, abs=1e-9)


def test_one_reflection_a_step_leaves_what_letters_that_undo_themselves_leave():
    random, corner = np.random.default_rng(4), group("D6")
    mirrors = [0, *range(6, 12)]  # the identity and six mirrors, which move the corners
    for name in ("S3", "Z3", "Z4", "A4"):
        of = group(name)
        for _ in range(15):
            letters = random.choice(mirrors, size=len(of))
            # any state is an element of the group of the hexagon, and a letter reflects it
            machine = np.array([[corner.table[q, x] for x in letters] for q in range(12)])
            for loss in long_run_losses(machine, of):
                assert loss > log(len(of.squared())) - 1e-6
