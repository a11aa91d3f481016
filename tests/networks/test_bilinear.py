"""The bilinear network against its equation, and the automata that it is by hand-set weights."""

from itertools import permutations

import numpy as np
import torch
from drawn import drawn, inputs, numbers, one_hot, ran

from lossladder.models import Bilinear


def test_it_is_a_product_of_matrices_divided_once():
    network = drawn(Bilinear(3, 4, learn_initial_state=True))
    x = inputs(2, 9, 3)
    hiddens, _ = ran(network, x)
    p = numbers(network)
    for row in range(2):
        product = np.eye(4)
        for t in range(9):
            matrix = p["matrices.bias"].reshape(4, 4).copy()
            for j in range(3):
                matrix += x[row, t, j] * p["matrices.weight"][:, j].reshape(4, 4)
            product = matrix @ product
            h = product @ p["start"]
            np.testing.assert_allclose(hiddens[row, t], h / np.sqrt(h @ h), rtol=1e-9, atol=1e-11)


def moved_by(*matrices):
    """A network that multiplies by these, one for each letter."""
    size = len(matrices[0])
    network = Bilinear(len(matrices), size).double()
    with torch.no_grad():
        flat = np.array(matrices, float).reshape(len(matrices), -1).T
        network.matrices.weight.copy_(torch.as_tensor(flat.copy()))
        network.matrices.bias.zero_()
    return network


def test_three_steps_by_hand():
    """(1, 0) is sent to (3, 4), which is divided by 5; then to (7, 1), divided by sqrt 50."""
    network = moved_by([[3, 0], [4, 0]], [[1, 1], [-1, 1]])
    hiddens, _ = ran(network, one_hot([0, 1], 2))
    np.testing.assert_allclose(hiddens[0], [[0.6, 0.8], [7 / 50**0.5, 1 / 50**0.5]], atol=1e-15)


def test_permutations_are_tracked_without_any_error():
    """A group moves its own six elements: a matrix of zeros and ones for each letter."""
    group = list(permutations(range(3)))

    def times(one, other):
        return group.index(tuple(one[other[i]] for i in range(3)))

    # column p of the letter x has its one at p x
    matrices = np.zeros((6, 6, 6))
    for x, letter in enumerate(group):
        for p, before in enumerate(group):
            matrices[x, times(before, letter), p] = 1
    word = list(np.random.RandomState(0).randint(6, size=2000))
    hiddens, _ = ran(moved_by(*matrices), one_hot(word, 6))
    place, places = 0, []
    for letter in word:
        place = times(group[place], group[letter])
        places.append(place)
    assert np.array_equal(hiddens[0], np.eye(6)[places])


def test_a_letter_that_forgets_is_a_matrix_of_rank_one():
    """Write 0, write 1, leave it: the flip-flop."""
    network = moved_by([[1, 1], [0, 0]], [[0, 0], [1, 1]], np.eye(2))
    hiddens, _ = ran(network, one_hot([1, 2, 2, 0, 2, 1], 3))
    assert hiddens[0, :, 1].tolist() == [1, 1, 1, 0, 0, 1]


def test_the_state_begins_at_the_first_axis_or_in_a_direction_that_is_learned():
    (plain,) = Bilinear(2, 3).initial_state(2)
    assert plain.tolist() == [[1, 0, 0], [1, 0, 0]]
    (learned,) = Bilinear(2, 3, learn_initial_state=True).initial_state(2)
    torch.testing.assert_close(learned.norm(dim=-1), torch.ones(2))
    assert learned.requires_grad


def test_an_input_of_zeros_leaves_an_untrained_state_alone():
    network = Bilinear(2, 3)
    (state,) = network.step(torch.zeros(1, 2), network.initial_state(1))
    assert state.tolist() == [[1, 0, 0]]
