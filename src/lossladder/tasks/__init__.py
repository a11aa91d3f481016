"""Floor 1: tasks, each with its sampling, its exact predictive law and its ladder."""

from typing import TYPE_CHECKING, Any

from lossladder.tasks.count import Count
from lossladder.tasks.echo import Echo
from lossladder.tasks.parity import Parity
from lossladder.tasks.task import Batch, Draw, Task
from lossladder.tasks.unfold import Unfold
from lossladder.tasks.xor import XOR

if TYPE_CHECKING:
    from lossladder.tasks.worked_example import WorkedExample

__all__ = ["XOR", "Batch", "Count", "Draw", "Echo", "Parity", "Task", "Unfold", "WorkedExample"]


def __getattr__(name: str) -> Any:
    """Import the worked example on first use: `python -m` wants to run a module that is not yet."""
    if name != "WorkedExample":
        raise AttributeError(f"module 'lossladder.tasks' has no attribute {name!r}")
    from lossladder.tasks.worked_example import WorkedExample

    return WorkedExample
