"""The allow-list: which classes a config may name, and where they are found."""

import inspect
import os
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path
from types import ModuleType
from typing import Any

from lossladder.checks import RequestError
from lossladder.training.config import Built, hint

# A config must not be able to run anything else. Who keeps tasks or networks in a package of their
# own says so in code (`lossladder.main(packages=...)`) or in the environment, where no config
# reaches: this variable names them, separated by commas, to all processes that are started, too
_VARIABLE = "LOSSLADDER_PACKAGES"
_PACKAGES = (
    "lossladder",
    "torch.optim",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
)


@contextmanager
def allow_packages(packages: Collection[str]) -> Iterator[None]:
    """Let configs name classes of these packages, here and in processes that are started meanwhile.

    Args:
        packages: importable here; where they lie is handed on in PYTHONPATH.
    """
    if not packages:
        yield
        return
    packages = [packages] if isinstance(packages, str) else packages
    added = {_VARIABLE: (",", packages), "PYTHONPATH": (os.pathsep, map(_home, packages))}
    before = {name: os.environ.get(name) for name in added}
    for name, (separator, values) in added.items():
        known = (before[name] or "").split(separator)
        os.environ[name] = separator.join(dict.fromkeys(filter(None, [*values, *known])))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _home(package: str) -> str | None:
    """Return the folder that a package is imported from; None: nobody has to be told."""
    try:
        spec = find_spec(package.partition(".")[0])
    except ValueError:  # it is __main__: what a notebook defines
        return None
    if spec is None:
        return None  # whoever needs it says so
    inside = next(iter(spec.submodule_search_locations or ()), spec.origin)
    home = None if inside is None else str(Path(inside).resolve().parent)
    # what is installed is found anyway, and must not come before the standard library
    return None if home in (get_path("purelib"), get_path("platlib"), get_path("stdlib")) else home


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
    if target is None:
        below = " under `task:`, below a first line `# @package _global_`" if key == "task" else ""
        raise RequestError(
            f"{key}._target_: is missing; its yaml names the class{below}: "
            f"`_target_: package.module.{promises[0].__name__}`"
        )
    packages = (*_PACKAGES, *filter(None, os.environ.get(_VARIABLE, "").split(",")))
    if not isinstance(target, str) or not target.startswith(tuple(f"{p}." for p in packages)):
        own = str(target).partition(".")[0]
        raise RequestError(
            f"{key}._target_={target}: must lie in one of the allowed packages, "
            f"{', '.join(packages)}; allow one of your own in code, packages=({own!r},), "
            f"or in the environment, {_VARIABLE}={own}"
        )
    name = target.rpartition(".")[2]
    module = _module(f"{key}._target_={target}", target.rpartition(".")[0])
    found: Any = getattr(module, name, None)
    if not _keeps(found, promises):
        if inspect.isclass(found) and issubclass(found, promises):
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
            raise RequestError(f"{key}._target_={target}: does not define {missing}")
        classes = [own for own, thing in vars(module).items() if _keeps(thing, promises)]
        wanted = " or ".join(promise.__name__ for promise in promises)
        lacks = f"is no {wanted}" if hasattr(module, name) else "there is no such class"
        instead = hint(name, classes) if classes else f"{module.__name__} has none"
        raise RequestError(f"{key}._target_={target}: {lacks}; {instead}")
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
