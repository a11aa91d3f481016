"""Comparisons with what a law demands: exact, or within what chance allows."""

import math
import random
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

# nats: how unlikely a comparison must be to fail
UNLIKELY = 25.0
# of numbers around 1, in float64
ROUNDING = 1e-9

Value = TypeVar("Value")


def require(holds: bool, complaint: str) -> None:
    """Raise AssertionError with the complaint if something does not hold."""
    if not holds:
        raise AssertionError(complaint)


def require_equal(
    complaint: str,
    one: Tensor,
    in_one: str,
    other: Tensor,
    in_other: str,
    axes: tuple[str, ...] = (),
    tolerance: float = ROUNDING,
) -> None:
    """Raise AssertionError if two tensors differ, with the first place where they do.

    Args:
        complaint: what is wrong if they differ.
        one: what came.
        in_one: where it came.
        other: what must come.
        in_other: where that came.
        axes: of both tensors, in words.
        tolerance: absolute, and relative to `other`.
    Raises:
        AssertionError: with the complaint, both values and their place.

    >>> require_equal("h", torch.tensor([1.0, 2.0]), "here", torch.tensor([1.0, 3.0]), "there")
    Traceback (most recent call last):
    AssertionError: h: 2 here, 3 there, at [1]
    """
    shapes = f"{tuple(one.shape)} {in_one}, {tuple(other.shape)} {in_other}"
    require(one.shape == other.shape, f"{complaint}: its shape is {shapes}")
    place = difference(one, other, tolerance)
    if place is not None:
        values = f"{one[place]:.9g} {in_one}, {other[place]:.9g} {in_other}"
        raise AssertionError(f"{complaint}: {values}, at {place_in_words(place, axes)}")


def difference(one: Tensor, other: Tensor, tolerance: float = ROUNDING) -> tuple[int, ...] | None:
    """Return the first place where two tensors differ; None: they do not, up to rounding."""
    left, right = one.detach().double(), other.detach().double()
    gap = torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(nan=math.inf)
    beyond = gap > tolerance * (1 + right.abs().nan_to_num(posinf=0.0))
    return tuple(beyond.nonzero()[0].tolist()) if beyond.any() else None


def place_in_words(place: tuple[int, ...], axes: tuple[str, ...] = ()) -> str:
    """Return a place in a tensor, in words where its axes have names."""
    if not axes:
        return str(list(place))
    return ", ".join(f"{axis} {index}" for axis, index in zip(axes, place, strict=False))


def unlike(
    values: Float[Tensor, " rows"], expected: float, unseen: float = 0.0
) -> tuple[float, float] | None:
    """Return mean and standard error of a sample that `expected` cannot be the mean of.

    Args:
        values: independent of each other; their range is taken for that of all there could be.
        expected: what their mean should be.
        unseen: a wider range that values may have, though none of these shows it.
    Returns:
        None if chance may explain the difference.
    Source: Maurer and Pontil (2009), theorem 4, on both sides.
    """
    rows, mean, spread = len(values), float(values.mean()), float(values.std())
    error, width = spread / math.sqrt(rows), max(float(values.max() - values.min()), unseen)
    allowed = math.sqrt(2 * UNLIKELY) * error + 7 * UNLIKELY * width / (3 * (rows - 1))
    return None if abs(mean - expected) <= allowed + ROUNDING else (mean, error)


def rounded(value: float, error: float = 0.0) -> str:
    """Return a number with as many digits as its error is worth.

    >>> rounded(0.519166699707, error=0.0006), rounded(0.519166699707)
    ('0.5192', '0.5191667')
    """
    if not error > ROUNDING:
        return f"{value:.9g}"
    return f"{value:.{max(4, -math.floor(math.log10(error)))}f}"


def with_error(value: float, error: float) -> str:
    """Return a number with its standard error, if it has one.

    >>> with_error(0.52409, 0.000612), with_error(0.25, 0.0)
    ('0.5241 ± 0.0006', '0.25')
    """
    own = rounded(value, error)
    return f"{own} ± {rounded(error, error)}" if error > ROUNDING else own


def generator(seed: int) -> Generator:
    """Return a generator of torch's with this seed."""
    return Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return normal numbers, float64."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def undisturbed(who: str, seed: int, call: Callable[[], Value]) -> Value:
    """Return what a call returns while the global sources of random numbers have this seed.

    Raises:
        AssertionError: if it used one of them.
    """
    kept = torch.random.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  this is the one to watch
    random.seed(seed)
    try:
        before = _global_states()
        value = call()
        for source, state in _global_states().items():
            require(
                state == before[source],
                f"{who}: uses the global random numbers of {source}; all randomness must come from "
                "the generator",
            )
    finally:
        torch.random.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])
    return value


def _global_states() -> dict[str, object]:
    # not Python's: beartype draws from it to choose what it checks
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "NumPy": str(np.random.get_state()),  # noqa: NPY002
    }
