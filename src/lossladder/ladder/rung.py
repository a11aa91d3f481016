"""A rung: one exact loss, what a predictor that attains it knows, and that predictor."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# features (batch, time, input) -> law of the target (batch, time, output), float64: probabilities
# of its classes, or its values where it is real
Predictor = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Rung:
    """One exact loss of a ladder.

    Args:
        name: short name, as in pictures and logs ("lag 3").
        loss: expected loss of the predictor per scored step, nats or the unit of the task's loss.
        knows: what the predictor knows, in plain words ("the input 3 steps back").
        predictor: inputs (batch, time, input) -> law of the target (batch, time, output); it
            attains the loss.
        reach: the largest lag the predictor looks at, in time steps; None if it needs everything.
        by_step: exact loss at each step, where the first steps of a sequence see a shorter past.
    """

    name: str
    loss: float
    knows: str
    predictor: Predictor
    reach: int | None = None
    by_step: tuple[float, ...] | None = None

    @property
    def label(self) -> str:
        """Name and loss, as reference lines carry them.

        >>> Rung("lag 3", 0.51917, "the input 3 steps back", predictor=lambda inputs: inputs).label
        'lag 3: 0.5192'
        """
        return f"{self.name}: {self.loss:.4f}"
