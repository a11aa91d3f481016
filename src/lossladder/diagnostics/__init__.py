"""Floor 2: measures of a trained network. Arrays and numbers out, no files."""

from lossladder.diagnostics.score import Score, behaviour, score

__all__ = ["Score", "behaviour", "score"]
