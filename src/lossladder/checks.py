"""Checks of arguments: every message says what came and what is allowed."""

import math
from collections.abc import Mapping
from typing import Any, cast


class RequestError(ValueError):
    """What was asked for cannot be had; the message says what was asked and what is allowed."""


def whole(name: str, value: Any, at_least: int = 1, at_most: float = math.inf) -> int:
    """Return `value` if it is a whole number in [at_least, at_most].

    Raises:
        ValueError: naming the argument, what came and what is allowed.

    >>> whole("hidden_size", 4)
    4
    >>> whole("hidden_size", -1)
    Traceback (most recent call last):
    ValueError: hidden_size=-1: must be a whole number of at least 1
    """
    allowed = f"a whole number of at least {at_least}"
    if at_most < math.inf:
        allowed = f"a whole number from {at_least} to {at_most}"
    # True is an int to Python, and no number to whoever wrote it
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not (fits and at_least <= value <= at_most):
        raise ValueError(f"{name}={value!r}: must be {allowed}")
    return value


def real(
    name: str,
    value: Any,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> float:
    """Return `value` as a float if it is finite, above `above` and within [least, most].

    Raises:
        ValueError: naming the argument, what came and what is allowed.
    """
    allowed = "a finite number"
    if above > -math.inf:
        allowed = f"a number above {above:g}"
    elif most < math.inf:
        allowed = f"a number from {least:g} to {most:g}"
    elif least > -math.inf:
        allowed = f"a number of at least {least:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r}: must be {allowed}")
    if not (value > above and least <= value <= most):
        raise ValueError(f"{name}={value:g}: must be {allowed}")
    return float(value)


def chance(name: str, value: Any) -> float:
    """Return `value` as a float if it is a probability.

    >>> chance("base", 1.5)
    Traceback (most recent call last):
    ValueError: base=1.5: must be a number from 0 to 1
    """
    return real(name, value, least=0.0, most=1.0)


def length(num_steps: int, own: int) -> None:
    """Refuse any length of a sequence but its own.

    >>> length(5, own=18)
    Traceback (most recent call last):
    ValueError: num_steps=5: must be 18; what is asked at its end belongs to a sequence
    """
    if num_steps != own:
        raise ValueError(
            f"num_steps={num_steps}: must be {own}; what is asked at its end belongs to a sequence"
        )


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: must be true or false")
    return value


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of the words allowed."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r}: must be one of {', '.join(allowed)}")
    return value


def matrix(name: str, value: Any, rows: int, columns: int) -> list[list[float]]:
    """Return `value` as rows of floats if it has `rows` rows of `columns` finite numbers.

    >>> matrix("weights", [[1, 2]], rows=2, columns=2)
    Traceback (most recent call last):
    ValueError: weights=[[1, 2]]: must be null or 2 rows of 2 numbers
    """
    if isinstance(value, list | tuple):
        lines = cast("list[Any]", list(value))
        sizes = [len(line) if isinstance(line, list | tuple) else 0 for line in lines]
        if sizes == [columns] * rows:
            return [[real(name, number) for number in line] for line in lines]
    raise ValueError(f"{name}={value}: must be null or {rows} rows of {columns} numbers")


def mapping(name: str, value: Any, example: str) -> Mapping[Any, Any]:
    """Return `value` if it maps keys to values, as `example` does."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}={value!r}: must be a mapping like {example}")
    return cast("Mapping[Any, Any]", value)
