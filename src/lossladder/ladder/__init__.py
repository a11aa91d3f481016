"""Floor 0: rungs, ladders, and the exact arithmetic of information under them."""

from lossladder.ladder.entropy import binary_entropy, cross_entropy, divergence, entropy
from lossladder.ladder.ladder import Ladder
from lossladder.ladder.loss import CrossEntropy, HalfSquaredError, Loss
from lossladder.ladder.rung import Features, Predictor, Probabilities, Rung

__all__ = [
    "CrossEntropy",
    "Features",
    "HalfSquaredError",
    "Ladder",
    "Loss",
    "Predictor",
    "Probabilities",
    "Rung",
    "binary_entropy",
    "cross_entropy",
    "divergence",
    "entropy",
]
