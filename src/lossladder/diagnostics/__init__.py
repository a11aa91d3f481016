"""Floor 2: measures of a trained network, which return arrays and numbers and write no files."""

from lossladder.diagnostics.calibration import Calibration, calibration, rows_for
from lossladder.diagnostics.flips import Use, uses
from lossladder.diagnostics.score import Behaviour, Score, accuracy, score, score_outputs

__all__ = [
    "Behaviour",
    "Calibration",
    "Score",
    "Use",
    "accuracy",
    "calibration",
    "rows_for",
    "score",
    "score_outputs",
    "uses",
]
