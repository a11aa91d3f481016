"""Floor 2: measures of a trained network. Arrays and numbers out, no files."""

from lossladder.diagnostics.score import Score, accuracy, behaviour, score

__all__ = ["Score", "accuracy", "behaviour", "score"]
