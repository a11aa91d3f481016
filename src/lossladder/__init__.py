"""Train recurrent networks on sequences whose best possible loss is known exactly."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossladder.ladder import Ladder, Rung
    from lossladder.notebook import sweep
    from lossladder.report.results import results
    from lossladder.training import Run, load_run

__version__ = version("lossladder")
__all__ = ["Ladder", "Run", "Rung", "load_run", "results", "sweep"]

_HOMES = {
    "Ladder": "lossladder.ladder",
    "Rung": "lossladder.ladder",
    "Run": "lossladder.training",
    "load_run": "lossladder.training",
    "results": "lossladder.report.results",
    "sweep": "lossladder.notebook",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use: torch takes seconds, and `--help` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lossladder' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
