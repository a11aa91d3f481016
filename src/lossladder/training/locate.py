"""The allow-list: which classes a config may name, and where they are found."""

import inspect
import os
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from lossladder.checks import RequestError
from lossladder.training.config import Built, hint

# A config must not be able to run anything else. Who keeps tasks or networks in a package of their
# own says so in code (`lossladder.main(packages=...)`) or in the environment, where no config
# reaches: the variable LOSSLADDER_PACKAGES names them, separated by commas
_PACKAGES = (
    "lossladder",
    "torch.optim",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
)


def locate_class(key: str, target: Any, *promises: type[Built]) -> type[Built]:
    """Return the class that a config names.

    Nothing is imported, let alone called, unless it lies in an allowed package; and what is found
    there must be a class that keeps a promise.

    Args:
        key: of the config: "model".
        target: what stands under its `_target_`.
        promises: classes, from one of which it must derive.
    Raises:
        RequestError: if the target is not allowed, cannot be imported, or is no such class.
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
    if not _keeps(found, promises):
        classes = [own for own, thing in vars(module).items() if _keeps(thing, promises)]
        wanted = " or ".join(promise.__name__ for promise in promises)
        lacks = f"is no {wanted}" if hasattr(module, name) else "there is no such class"
        raise RequestError(f"{key}._target_={target}: {lacks}; {hint(name, classes)}")
    return found


def _keeps(thing: Any, promises: tuple[type, ...]) -> bool:
    return inspect.isclass(thing) and issubclass(thing, promises) and not inspect.isabstract(thing)


def _module(asked_for: str, name: str) -> ModuleType:
    """Import a module; what it raises meanwhile is reported with the line that raised it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise RequestError(f"{asked_for}: {error}") from error
    except Exception as error:
        if isinstance(error, SyntaxError):
            place, line, words = error.filename or name, error.lineno, error.msg
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place, line, words = frame.filename, frame.lineno, str(error)
        raise RequestError(
            f"{asked_for}: {type(error).__name__}: {words} ({Path(place).name}, line {line})"
        ) from error
