"""Floor 2: measures of a trained network, which return arrays and numbers and write no files."""

from lossladder.diagnostics.automaton import Automaton, Machine, automaton
from lossladder.diagnostics.calibration import Calibration, calibration, rows_for
from lossladder.diagnostics.counterfactual import Counterfactual, counterfactual
from lossladder.diagnostics.decoding import Decoded, Memory, decode, memory
from lossladder.diagnostics.flips import Use, uses
from lossladder.diagnostics.horizon import Horizon, horizon
from lossladder.diagnostics.length import LengthCurve, length_curve
from lossladder.diagnostics.recurrence import Gradients, Recurrence, gradients, recurrence
from lossladder.diagnostics.score import Behaviour, Score, accuracy, score, score_outputs
from lossladder.diagnostics.states import UnfitError
from lossladder.diagnostics.triviality import Triviality, triviality

__all__ = [
    "Automaton",
    "Behaviour",
    "Calibration",
    "Counterfactual",
    "Decoded",
    "Gradients",
    "Horizon",
    "LengthCurve",
    "Machine",
    "Memory",
    "Recurrence",
    "Score",
    "Triviality",
    "UnfitError",
    "Use",
    "accuracy",
    "automaton",
    "calibration",
    "counterfactual",
    "decode",
    "gradients",
    "horizon",
    "length_curve",
    "memory",
    "recurrence",
    "rows_for",
    "score",
    "score_outputs",
    "triviality",
    "uses",
]
