"""The delta rule against its equations, and what it can keep for ever by hand-set weights."""

from itertools import permutations

import numpy as np
import pytest
import torch
from drawn import drawn, inputs, numbers, one_hot, ran, sigmoid

from lossladder.models import DeltaNet

VARIANTS = [
    {},
    {"beta_max": 2.0, "key_size": 2},
    {"gate": True},
    {"products": 3, "beta_max": 1.5, "gate": True, "key_size": 6},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_it_is_its_equations_written_as_matrices(variant):
    network = drawn(DeltaNet(3, 4, **variant))
    x = inputs(2, 9, 3)
    hiddens, (last,) = ran(network, x)
    p, size, products = numbers(network), network.key_size, network.products
    for row in range(2):
        memory = np.zeros((size, 4))
        for t in range(9):
            raw = p["project.weight"] @ x[row, t] + p["project.bias"]
            query, raw = raw[:size], raw[size:]
            if variant.get("gate"):
                memory = sigmoid(raw[-1]) * memory
            for j in range(products):
                key, value, beta = np.split(raw[j * (size + 5) :][: size + 5], [size, size + 4])
                key = key / np.sqrt(key @ key)
                beta = variant.get("beta_max", 1.0) * sigmoid(beta[0])
                memory = (np.eye(size) - beta * np.outer(key, key)) @ memory
                memory = memory + beta * np.outer(key, value)
            np.testing.assert_allclose(hiddens[row, t], query @ memory, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(last[row], memory, rtol=1e-11, atol=1e-12)


def hand_set(network, query, *factors):
    """Sets rows for one-hot letters: a query for all, and of each factor keys, values, logits."""
    rows = [np.tile(np.array(query, float)[:, None], (1, network.input_size))]
    for part in factors:
        rows += [np.array(each, float).T.reshape(-1, network.input_size) for each in part]
    with torch.no_grad():
        network.double().project.weight.copy_(torch.as_tensor(np.concatenate(rows)))
        network.project.bias.zero_()
    return network


def test_half_of_what_is_missing_is_written_at_beta_one_half():
    """0 -> 0 + (4 - 0)/2 = 2 -> 2 + (8 - 2)/2 = 5, and the query is 3."""
    network = hand_set(DeltaNet(2, 1), [3], ([[1], [1]], [[4], [8]], [0, 0]))
    hiddens, _ = ran(network, one_hot([0, 1], 2))
    assert hiddens.ravel().tolist() == [6.0, 15.0]


def test_at_beta_one_a_value_replaces_that_of_the_same_key_and_no_other():
    keys, values = [[1, 0], [1, 0], [0, 1]], [[3], [5], [7]]
    network = hand_set(DeltaNet(3, 1, key_size=2), [1, 10], (keys, values, [800] * 3))
    hiddens, _ = ran(network, one_hot([0, 2, 1], 3))
    assert hiddens.ravel().tolist() == [3.0, 73.0, 75.0]


def test_a_reflection_keeps_parity_without_any_error():
    """s' = s - 2 (s - 1/2) = 1 - s at a one; a zero has no beta."""
    network = DeltaNet(2, 1, beta_max=2.0)
    network = hand_set(network, [1], ([[1], [1]], [[0.5], [0.5]], [-800, 800]))
    bits = np.random.RandomState(0).randint(2, size=5000)
    hiddens, _ = ran(network, one_hot(list(bits), 2))
    assert np.array_equal(hiddens.ravel(), np.cumsum(bits) % 2)


def reflections_of(permutation, count):
    """Unit vectors whose reflections, one after the other, permute three points so."""
    swaps, order = [], list(permutation)
    for place in range(3):  # selection sort, and then back
        other = order.index(place)
        if other != place:
            order[place], order[other] = order[other], order[place]
            swaps.insert(0, (place, other))
    keys = np.zeros((count, 3))
    for key, swap in zip(keys, swaps, strict=False):
        key[list(swap)] = 0.5**0.5, -(0.5**0.5)
    assert len(swaps) <= count
    return keys


@pytest.mark.parametrize(
    ("products", "letters"),
    [
        (1, [(1, 0, 2), (2, 1, 0), (0, 2, 1)]),
        (2, list(permutations(range(3)))),
    ],
    ids=["transpositions by one factor", "all six by two"],
)
def test_reflections_track_the_permutations_of_three_points(products, letters):
    """S + I is the permutation matrix so far: reflections about planes through -I, from S = 0."""
    keys = np.array([reflections_of(letter, products) for letter in letters])
    factors = [(keys[:, j], -keys[:, j], [800] * len(letters)) for j in range(products)]
    points = np.array([1.0, 2.0, 4.0])
    network = hand_set(DeltaNet(len(letters), 3, products=products, beta_max=2.0), points, *factors)
    word = list(np.random.RandomState(0).randint(len(letters), size=2000))
    hiddens, _ = ran(network, one_hot(word, len(letters)))
    matrix = np.eye(3)
    for hidden, letter in zip(hiddens[0], word, strict=True):
        moved = np.zeros((3, 3))
        for place, source in enumerate(letters[letter]):
            moved[place, source] = 1
        matrix = moved @ matrix
        np.testing.assert_allclose(hidden + points, points @ matrix, atol=1e-9)
    assert {tuple(np.rint(h)) for h in hiddens[0] + points} == set(permutations((1, 2, 4)))


def eigenvalues(variant, seed, count=30):
    """Of the matrices that steps at random inputs apply to the state."""
    network = drawn(DeltaNet(3, 4, **variant), seed, scale=2.0)
    x = torch.as_tensor(inputs(count, 3, seed=seed))
    ones = torch.eye(4, dtype=torch.float64).expand(count, 4, 4)
    with torch.no_grad():
        moved, nothing = (network.step(x, (s,))[1][0] for s in (ones, torch.zeros_like(ones)))
    found = np.linalg.eigvals((moved - nothing).numpy())
    real = np.where(np.abs(found.imag) < 1e-7, found.real, np.nan)
    return found, real


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("beta_max", [1.0, 2.0])
@pytest.mark.parametrize("products", [1, 2, 3])
def test_the_eigenvalues_of_a_step_lie_where_it_says_and_in_no_narrower_range(
    products, beta_max, gate
):
    variant = {"products": products, "beta_max": beta_max, "gate": gate}
    dynamics = DeltaNet(3, 4, **variant).dynamics
    assert dynamics.reflections == (products if beta_max == 2 else 0)
    drawn_ones = [eigenvalues(variant, seed) for seed in range(20)]
    found = np.concatenate([one[0].ravel() for one in drawn_ones])
    real = np.concatenate([one[1].ravel() for one in drawn_ones])
    assert np.abs(found).max() <= 1 + 1e-9
    least = {"unit": 0, "signed": -1, "complex": -1}[dynamics.eigenvalues]
    assert np.nanmin(real) >= least - 1e-7
    assert (np.nanmin(real) < -0.01) == (dynamics.eigenvalues != "unit")
    assert np.isnan(real).any() == (dynamics.eigenvalues == "complex")


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("beta_max", 2.5, "above 0 and at most 2"),
        ("beta_max", 0, "a number above 0"),
        ("products", 0, "a whole number of at least 1"),
        ("key_size", 0, "a whole number of at least 1"),
        ("gate", 1, "true or false"),
        ("hidden_size", -1, "a whole number of at least 1"),
    ],
)
def test_what_it_cannot_be_is_refused_by_name(argument, value, allowed):
    with pytest.raises(ValueError, match=rf"{argument}={value}: must be {allowed}"):
        DeltaNet(**{"input_size": 2, "hidden_size": 3, argument: value})
