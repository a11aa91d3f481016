"""Floor 2: measures of a trained network, which return arrays and numbers and write no files."""

from lossladder.diagnostics.calibration import Calibration, calibration, rows_for
from lossladder.diagnostics.decoding import Decoded, Memory, decode, memory
from lossladder.diagnostics.flips import Use, uses
from lossladder.diagnostics.horizon import Horizon, horizon
from lossladder.diagnostics.score import Behaviour, Score, accuracy, score, score_outputs
from lossladder.diagnostics.states import UnfitError

__all__ = [
    "Behaviour",
    "Calibration",
    "Decoded",
    "Horizon",
    "Memory",
    "Score",
    "UnfitError",
    "Use",
    "accuracy",
    "calibration",
    "decode",
    "horizon",
    "memory",
    "rows_for",
    "score",
    "score_outputs",
    "uses",
]
