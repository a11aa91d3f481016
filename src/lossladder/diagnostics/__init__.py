"""Floor 2: measures of a trained network, which return arrays and numbers and write no files."""

from lossladder.diagnostics.score import Score, accuracy, behaviour, score

__all__ = ["Score", "accuracy", "behaviour", "score"]
