"""What a config may name: classes that keep a promise, from packages that are allowed."""

import inspect
import os
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

# A config must not be able to run anything else. Who keeps tasks or networks in a package of their
# own says so in the environment, where no config reaches: LOSSLADDER_PACKAGES=mine,yours
_PACKAGES = ("lossladder", "torch.optim")

Built = TypeVar("Built")


class RequestError(ValueError):
    """What was asked for cannot be had; the message says what was asked and what is allowed."""


def named_class(key: str, target: Any, promise: type[Built]) -> type[Built]:
    """What a config names.

    Nothing is imported, let alone called, unless it lies in an allowed package; and what is found
    there must be a class that keeps the promise.
    """
    packages = (*_PACKAGES, *filter(None, os.environ.get("LOSSLADDER_PACKAGES", "").split(",")))
    if not isinstance(target, str) or not target.startswith(tuple(f"{p}." for p in packages)):
        raise RequestError(
            f"{key}._target_={target}: must lie in one of the allowed packages, "
            f"{', '.join(packages)}"
        )
    name = target.rpartition(".")[2]
    module = _module(f"{key}._target_={target}", target.rpartition(".")[0])
    found: Any = getattr(module, name, None)
    if not _keeps(found, promise):
        classes = [own for own, thing in vars(module).items() if _keeps(thing, promise)]
        lacks = f"is no {promise.__name__}" if hasattr(module, name) else "there is no such class"
        raise RequestError(f"{key}._target_={target}: {lacks}; {_allowed(name, classes)}")
    return found


def _keeps(thing: Any, promise: type) -> bool:
    return inspect.isclass(thing) and issubclass(thing, promise) and not inspect.isabstract(thing)


def _module(asked_for: str, name: str) -> ModuleType:
    """Import a module; whatever it raises meanwhile is said with the line that raised it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise RequestError(f"{asked_for}: {error}") from error
    except Exception as error:
        if isinstance(error, SyntaxError):
            place, line, said = error.filename or name, error.lineno, error.msg
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place, line, said = frame.filename, frame.lineno, str(error)
        raise RequestError(
            f"{asked_for}: {type(error).__name__}: {said} ({Path(place).name}, line {line})"
        ) from error


def no_such_key(
    prefix: str, key: str, value: Any, allowed: Sequence[str], owner: str | None = None
) -> str:
    """The complaint about a key that nobody reads.

    Args:
        prefix: of the key: "model."
        key: without its prefix.
        value: as it came.
        allowed: keys there are.
        owner: who lacks the key.
    """
    lacks = "no such key" if owner is None else f"{owner} has no such key"
    return f"{prefix}{key}={value}: {lacks}; {_allowed(key, allowed, prefix)}"


def _allowed(name: str, allowed: Sequence[str], prefix: str = "") -> str:
    near = get_close_matches(name, allowed, n=1)
    hint = f"; did you mean {prefix}{near[0]}?" if near else ""
    return f"allowed: {', '.join(f'{prefix}{known}' for known in allowed)}{hint}"
