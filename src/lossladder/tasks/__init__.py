"""Floor 1: tasks, each with its sampling, its exact predictive law and its ladder."""

from lossladder.tasks.count import Count
from lossladder.tasks.echo import Echo
from lossladder.tasks.parity import Parity
from lossladder.tasks.task import Batch, Draw, Task

__all__ = ["Batch", "Count", "Draw", "Echo", "Parity", "Task"]
