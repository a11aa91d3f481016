"""Floor 1: tasks, each with its sampling, its exact probabilities and its ladder."""

from lossladder.tasks.adding import Adding
from lossladder.tasks.copy import Copy
from lossladder.tasks.count import Count
from lossladder.tasks.counter import Counter
from lossladder.tasks.delay import Delay
from lossladder.tasks.dyck import Dyck
from lossladder.tasks.echo import Echo
from lossladder.tasks.even_pairs import EvenPairs
from lossladder.tasks.flipflop import FlipFlop
from lossladder.tasks.markov_in_context import MarkovInContext
from lossladder.tasks.modular import Modular
from lossladder.tasks.parity import Parity
from lossladder.tasks.recall import Recall
from lossladder.tasks.source import Source
from lossladder.tasks.task import Batch, Draw, StreamTask, Task
from lossladder.tasks.unfold import Unfold
from lossladder.tasks.words import Words
from lossladder.tasks.worked_example import WorkedExample
from lossladder.tasks.xor import XOR
from lossladder.tasks.xor_lags import XorLags

__all__ = [
    "XOR",
    "Adding",
    "Batch",
    "Copy",
    "Count",
    "Counter",
    "Delay",
    "Draw",
    "Dyck",
    "Echo",
    "EvenPairs",
    "FlipFlop",
    "MarkovInContext",
    "Modular",
    "Parity",
    "Recall",
    "Source",
    "StreamTask",
    "Task",
    "Unfold",
    "Words",
    "WorkedExample",
    "XorLags",
]
