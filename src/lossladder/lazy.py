"""What takes seconds to import: on first use only, so that nobody pays for what is not used."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module.

    Args:
        module: its name.
        homes: public name -> module that defines it.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return __getattr__


@contextmanager
def loading() -> Iterator[None]:
    """Import torch, and what needs it, without the garbage collector.

    It would look through all that has been loaded again and again, and once more at the end of the
    process: a fifth of the seconds that the imports take, and two more.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules stay
        gc.enable()
