"""The parity notebook's mistakes are there: its data are scrambled, its gradient is wrong."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from docs.notebooks import parity_as_it_was as notebook


@pytest.fixture(scope="module")
def begin() -> notebook.Start:
    """Its own start: 10 000 strings of 50 bits."""
    return notebook.start(m=10_000, steps=50)


def gradients(begin: notebook.Start) -> notebook.Parameters:
    a, yhat = notebook.forward(begin.x, begin.a0, begin.parameters)
    return notebook.gradients(begin.x, begin.y, begin.a0, begin.parameters, a, yhat)


def autograds(begin: notebook.Start) -> notebook.Parameters:
    """What the gradients are in truth, float64, by the notebook's names."""
    values = {**begin.parameters, "x": begin.x.astype(float), "a0": begin.a0}
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    wax, waa, ba, a = (tensors[name] for name in ("Wax", "Waa", "ba", "a0"))
    for x in tensors["x"].unbind(dim=2):
        a = torch.tanh(wax @ x + waa @ a + ba)
    z = tensors["Wya"] @ a + tensors["by"]
    binary_cross_entropy_with_logits(z, torch.tensor(begin.y, dtype=torch.float64)).backward()
    return {f"d{name}": tensor.grad.numpy() for name, tensor in tensors.items()}


def cosine(left: notebook.Array, right: notebook.Array) -> float:
    return float((left * right).sum() / np.linalg.norm(left) / np.linalg.norm(right))


# --- the data -------------------------------------------------------------------------------


def test_no_string_is_fed_to_the_network_as_it_was_drawn(begin):
    assert not (begin.x[0] == begin.strings).all(axis=1).any()


def test_fifty_rows_are_fed_one_bit_of_their_own(begin):
    rows, steps = begin.strings.shape
    # the string that each bit comes from, after the notebook's reshape
    source = np.arange(rows * steps).reshape(rows, steps).T.reshape(rows, steps) // steps
    own = (source == np.arange(rows)[:, None]).sum(axis=1)
    assert ((own > 0).sum(), own.max()) == (50, 1)
    assert all(len(set(row)) == steps for row in source)


def test_the_labels_are_strangers_to_what_is_fed(begin):
    fed = begin.x[0].sum(axis=1) % 2
    assert np.mean(fed == begin.y[0]) == pytest.approx(0.495, abs=0.01)


def test_they_are_the_parities_of_the_strings_that_were_drawn(begin):
    assert np.array_equal(np.bitwise_xor.reduce(begin.strings, axis=1), begin.y[0])


def test_the_smaller_set_is_the_beginning_of_the_larger(begin):
    assert np.array_equal(notebook.start(m=500, steps=50).strings, begin.strings[:500])


def test_every_string_has_an_initial_state_of_its_own():
    begin = notebook.start(m=7, steps=3)
    assert begin.a0.shape == gradients(begin)["da0"].shape == (25, 7)
    assert begin.parameters["ba"].shape == (25, 1)


# --- the gradient ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_over_one_step_every_gradient_is_right(seed):
    begin = notebook.start(m=8, steps=1, seed=seed)
    found, true = gradients(begin), autograds(begin)
    assert found.keys() == true.keys()
    for name in true:
        np.testing.assert_allclose(found[name], true[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("m", "steps"), [(8, 2), (8, 6), (1000, 6)])
def test_the_readouts_gradients_are_right_always(m, steps):
    begin = notebook.start(m, steps)
    found, true = gradients(begin), autograds(begin)
    for name in ("dWya", "dby"):
        np.testing.assert_allclose(found[name], true[name], rtol=1e-10, atol=1e-14)


def test_over_two_steps_the_others_point_elsewhere():
    begin = notebook.start(m=8, steps=2)
    found, true = gradients(begin), autograds(begin)
    measured = {"dWax": -0.19, "dWaa": 0.23, "dba": -0.02, "da0": -0.39}
    for name, expected in measured.items():
        assert cosine(found[name], true[name]) == pytest.approx(expected, abs=0.005)
        assert cosine(found[name], true[name]) < 0.5


def test_each_step_back_shrinks_the_gradient_by_the_size_of_the_batch():
    """With the two slips in Waa^T taken out by Waa = 1, what is left is m^-k, k steps back."""
    begin = notebook.start(m=8, steps=4, h=1)
    begin.parameters["Waa"][:] = 1.0
    found, true = gradients(begin)["dx"], autograds(begin)["dx"]
    for back in range(4):
        np.testing.assert_allclose(found[:, :, 3 - back], true[:, :, 3 - back] / 8.0**back)


def test_over_fifty_steps_the_true_gradient_explodes_and_the_notebooks_is_nothing():
    begin = notebook.start(m=1000, steps=50)
    found, true = gradients(begin), autograds(begin)
    assert np.linalg.norm(true["dWaa"]) > 1e8
    for name in ("dWax", "dWaa", "dba"):
        assert np.linalg.norm(found[name]) < 1e-8 * np.linalg.norm(true[name])
    assert np.linalg.norm(found["da0"]) < 1e-90


# --- what comes of it -----------------------------------------------------------------------


def test_it_starts_far_above_guessing_and_knows_nothing(begin):
    """The forward pass is chaotic: the last digits depend on the machine."""
    _, yhat = notebook.forward(begin.x, begin.a0, begin.parameters)
    assert notebook.cost(begin.y, yhat) == pytest.approx(3.46, abs=0.03)
    assert abs(notebook.accuracy(begin.y, yhat) - 0.5) < 0.02


def test_its_cost_falls_though_nothing_can_be_learnt():
    """Only the readout is calibrated: towards ln 2, from above."""
    costs = notebook.train(notebook.start(m=200, steps=50), iterations=100)
    assert costs[0] == pytest.approx(4.10, abs=0.03)
    assert costs[0] > costs[10] > costs[-1] > np.log(2)


def test_a_chance_of_one_makes_its_cost_no_number():
    sure = np.ones((1, 1))
    with pytest.warns(RuntimeWarning):
        assert not np.isfinite(notebook.cost(np.array([[0]]), sure))
    with pytest.warns(RuntimeWarning):
        assert np.isnan(notebook.cost(np.array([[1]]), sure))  # right, and no number: 0 log 0
