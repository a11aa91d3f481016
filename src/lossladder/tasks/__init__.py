"""Floor 1: tasks, each with its sampling, its exact probabilities and its ladder."""

from lossladder.tasks.adding import Adding
from lossladder.tasks.count import Count
from lossladder.tasks.delay import Delay
from lossladder.tasks.echo import Echo
from lossladder.tasks.parity import Parity
from lossladder.tasks.source import Source
from lossladder.tasks.task import Batch, Draw, StreamTask, Task
from lossladder.tasks.unfold import Unfold
from lossladder.tasks.words import Words
from lossladder.tasks.worked_example import WorkedExample
from lossladder.tasks.xor import XOR

__all__ = [
    "XOR",
    "Adding",
    "Batch",
    "Count",
    "Delay",
    "Draw",
    "Echo",
    "Parity",
    "Source",
    "StreamTask",
    "Task",
    "Unfold",
    "Words",
    "WorkedExample",
]
