"""Floor 0: rungs, ladders, and the exact arithmetic of information under them."""

from lossladder.ladder.entropy import (
    bag_entropy,
    binary_entropy,
    cross_entropy,
    divergence,
    entropy,
)
from lossladder.ladder.ladder import CHANCE, Ladder, Standing, worth_something
from lossladder.ladder.loss import CrossEntropy, HalfSquaredError, Loss, SquaredError
from lossladder.ladder.rung import (
    Features,
    Mark,
    Predictor,
    Probabilities,
    Rung,
    best_machines,
    either,
    of_bits,
    of_states,
)

__all__ = [
    "CHANCE",
    "CrossEntropy",
    "Features",
    "HalfSquaredError",
    "Ladder",
    "Loss",
    "Mark",
    "Predictor",
    "Probabilities",
    "Rung",
    "SquaredError",
    "Standing",
    "bag_entropy",
    "best_machines",
    "binary_entropy",
    "cross_entropy",
    "divergence",
    "either",
    "entropy",
    "of_bits",
    "of_states",
    "worth_something",
]
