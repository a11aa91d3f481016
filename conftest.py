"""Shapes and types of calls are checked in tests, from before the package is imported."""

import os
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

import jaxtyping

from lossladder.lazy import loading

# First, for the hook keeps compiled modules apart: what a checked module is the first to import is
# compiled anew, some seconds of each process.
with loading():
    import hydra  # noqa: F401
    import hypothesis  # noqa: F401
    import lightning.pytorch  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

# Without the compiler of cells, which makes thousands of calls for each, and handles no numbers.
# What is called in every step of a run costs a third of all tests: the slow ones check it.
_CHECKED = [
    *("checks", "data", "diagnostics", "ladder", "tasks", "testing", "training.build"),
    *("engines.auto", "engines.engine", "engines.optimizers", "engines.population"),
    *("engines.schedules", "engines.stepwise"),
]
# of each function in each test; what is called once for each string of a ladder is called alike
_CALLS = 20
if os.environ.get("LOSSLADDER_CHECK_ALL"):
    _CHECKED += [
        *("evaluate", "models", "report", "runs", "sweeps", "tensorboard", "train", "training"),
        *("engines.autograd", "engines.fused.fused", "engines.stacked"),
    ]
    _CALLS = 10**9
_made: dict[int, int] = {}  # checked calls of the test that runs, by function


def pytest_runtest_setup() -> None:
    """Check the first calls of each function again."""
    _made.clear()


def _sparing(typechecker: Any) -> Callable[[Any], Any]:
    """Return a decorator that checks some calls of a function, as `jaxtyped` checks all of them."""

    def decorate(function: Any) -> Any:
        checked = _jaxtyped(function, typechecker=typechecker)
        if not isinstance(function, FunctionType):
            return checked
        key = id(function)

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            made = _made[key] = _made.get(key, 0) + 1
            return (checked if made <= _CALLS else function)(*arguments, **named)

        return call

    return decorate


# an int will do for a float, as everywhere in Python
_BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
# by this name the modules are decorated
_jaxtyped, jaxtyping.jaxtyped = jaxtyping.jaxtyped, _sparing
jaxtyping.install_import_hook([f"lossladder.{name}" for name in _CHECKED], _BEARTYPE)
