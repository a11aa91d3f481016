"""Train recurrent networks on sequences whose best possible loss is known exactly."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from lossladder.lazy import lazy_names

if TYPE_CHECKING:
    from lossladder.cli.main import main
    from lossladder.ladder import Ladder, Rung
    from lossladder.notebook import search, sweep
    from lossladder.report.table import results
    from lossladder.runs.load import Run, load_run

__version__ = version("lossladder")
__all__ = ["Ladder", "Run", "Rung", "load_run", "main", "results", "search", "sweep"]

# torch takes seconds, and `--help` needs none of it
__getattr__ = lazy_names(
    __name__,
    {
        "Ladder": "lossladder.ladder",
        "Rung": "lossladder.ladder",
        "Run": "lossladder.runs.load",
        "load_run": "lossladder.runs.load",
        "main": "lossladder.cli.main",
        "results": "lossladder.report.table",
        "search": "lossladder.notebook",
        "sweep": "lossladder.notebook",
    },
)
