"""What a network declares of how its state moves is so: held against the Jacobian of its step."""

import pytest
import torch
from torch.autograd.functional import jacobian

WORDS = ("diagonal model.range=unit", "diagonal model.range=complex")


def next_state(recurrent, x):
    """The step at an input, from the state as one vector to the next as one vector."""
    sizes = [part[0].numel() for part in recurrent.initial_state(1)]

    def after(flat):
        parts = flat.split(sizes)
        shapes = recurrent.state_shapes
        state = tuple(p.reshape(1, *s) for p, s in zip(parts, shapes, strict=True))
        _, state = recurrent(x[None, None], state)
        return torch.cat([part.flatten() for part in state])

    return after, sum(sizes)


def check_declared(recurrent, seed):
    """Assert what is declared, for random weights and inputs; the eigenvalues, where it is affine.

    Both are large enough to reach the ends of what is allowed.
    """
    generator = torch.Generator().manual_seed(seed)
    recurrent.double()
    with torch.no_grad():
        for parameter in recurrent.parameters():
            parameter += torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    dynamics, matrices = recurrent.dynamics, []
    for _ in range(4):
        x = 2 * torch.randn(recurrent.input_size, generator=generator, dtype=torch.float64)
        after, size = next_state(recurrent, x)
        start = torch.randn(2, size, generator=generator, dtype=torch.float64)
        matrix, elsewhere = (jacobian(after, state) for state in start)
        if dynamics.affine:
            torch.testing.assert_close(matrix, elsewhere, rtol=1e-10, atol=1e-12)
        elif dynamics.transition == "nonlinear":
            assert not torch.allclose(matrix, elsewhere)
        matrices.append(matrix)
    if not dynamics.affine:
        return None
    if not dynamics.selective:
        for matrix in matrices:
            torch.testing.assert_close(matrix, matrices[0], rtol=1e-10, atol=1e-12)
    else:
        assert not torch.allclose(matrices[0], matrices[1])
    if dynamics.transition == "diagonal":  # in a basis that no input changes: they commute
        for matrix in matrices:
            torch.testing.assert_close(matrix @ matrices[0], matrices[0] @ matrix)
    eigenvalues = torch.cat([torch.linalg.eigvals(matrix) for matrix in matrices])
    if dynamics.eigenvalues != "any":
        assert (eigenvalues.abs() <= 1 + 1e-9).all()
    if dynamics.eigenvalues in ("unit", "signed"):
        assert (eigenvalues.imag.abs() <= 1e-9).all()
    if dynamics.eigenvalues == "unit":
        assert (eigenvalues.real >= -1e-9).all()
    return eigenvalues


@pytest.mark.sampled(8)
def test_a_network_moves_as_it_declares(model_yaml, built):
    words = "task=echo", f"model={model_yaml}", "model.hidden_size=4"
    recurrent = built(*words).network.recurrent
    if recurrent.dynamics is None:
        pytest.skip("it declares nothing")
    if model_yaml == "mlstm":
        pytest.skip("what it declares is of its state without the stabiliser: see test_xlstm.py")
    for seed in range(3):
        check_declared(recurrent, seed)


@pytest.mark.parametrize("words", WORDS)
def test_a_setting_of_a_network_moves_as_it_declares(words, built):
    name, choice = words.split(" ")
    recurrent = built("task=echo", f"model={name}", choice, "model.hidden_size=4").network.recurrent
    for seed in range(3):
        check_declared(recurrent, seed)


def test_signed_factors_are_negative_and_complex_ones_turn(built):
    """What the wider ranges are for, and no narrower declaration would do."""
    found = {}
    for kind in ("signed", "complex"):
        words = "task=echo", "model=diagonal", f"model.range={kind}", "model.hidden_size=4"
        found[kind] = check_declared(built(*words).network.recurrent, seed=0)
    assert (found["signed"].real < -0.5).any()
    assert (found["complex"].imag.abs() > 0.5).any()
