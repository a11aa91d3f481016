"""A rung: one exact loss, what a predictor that attains it knows, and that predictor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

# what a network sees
Features = Float[Tensor, "batch time input"]
# of each target given the inputs so far, float64; of a real target, its values
Probabilities = Float[Tensor, "batch time output"]
Predictor = Callable[[Features], Probabilities]
Divergences = Callable[[Features, Tensor, Tensor], Tensor]
_NAMED = 3  # rungs that are named side by side; of ten lags a thousand may be alike


@dataclass(frozen=True)
class Rung:
    """One exact loss of a ladder, with the predictor that attains it.

    Args:
        name: short name, as in pictures and logs ("lag 3").
        loss: expected loss of the predictor per scored step, nats or the unit of the task's loss.
        knows: what the predictor knows, in plain words ("the input 3 steps back").
        predictor: inputs (batch, time, input) -> probabilities (batch, time, output).
        reach: the largest lag the predictor looks at, in time steps; None: it needs everything.
        by_step: exact loss at each step, where the first steps of a sequence see a shorter past.
        includes: names of the rungs whose knowledge is part of this one's; None: of all that cost
            more. Who knows the sign of a permutation does not know where it moves a point, nor the
            other way round: neither includes the other.
        twins: predictors of other knowledge that nothing tells from this one but a name: where a
            permutation moves the second point, and not the first.
        divergences: how far a prediction is from the predictor and from each twin, where that is
            known without predicting: inputs, prediction (batch, time, output) and the scored steps
            (batch, time) -> (1 + twins, scored steps), float64; None: they are asked.

    >>> Rung("lag 3", 0.51917, "the input 3 steps back", predictor=lambda inputs: inputs, reach=3)
    Rung(name='lag 3', loss=0.51917, knows='the input 3 steps back', reach=3)
    """

    name: str
    loss: float
    knows: str
    # a function says nothing when it is printed, and a long sequence has thousands of steps
    predictor: Predictor = field(repr=False)
    reach: int | None = None
    by_step: tuple[float, ...] | None = field(default=None, repr=False)
    includes: tuple[str, ...] | None = field(default=None, repr=False)
    twins: tuple[Predictor, ...] = field(default=(), repr=False)
    divergences: Divergences | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Return name and loss, as reference lines carry them.

        >>> Rung("lag 3", 0.51917, "the input 3 steps back", predictor=lambda inputs: inputs).label
        'lag 3: 0.5192'
        """
        return f"{self.name}: {self.loss:.4f}"


@dataclass(frozen=True)
class Mark:
    """A loss beside a ladder that says what it takes to get there, and not what is known there.

    Args:
        name: short name, as in pictures and logs ("2 states").
        loss: per scored step, in the unit of the ladder.
        says: what has this loss, or cannot have a lower one, in plain words.
        states: largest number of states of a predictor that cannot have a lower loss; None: it is
            not about states.
        attained: True: a predictor of so many states has this loss. False: that is not said.

    >>> Mark("2 states", 0.68401, "the best machine of 2 states", states=2).label
    '2 states: 0.6840'
    """

    name: str
    loss: float
    says: str
    states: int | None = None
    attained: bool = False

    @property
    def label(self) -> str:
        """Return name and loss, as reference lines carry them."""
        return f"{self.name}: {self.loss:.4f}"


def of_states(states: int, loss: float) -> Mark:
    """Return the mark of the best predictor of so many states.

    >>> of_states(1, 0.6931).says, of_states(1, 0.6931).attained
    ('the best machine of 1 state', True)
    """
    many = "1 state" if states == 1 else f"{states} states"
    return Mark(many, loss, f"the best machine of {many}", states, attained=True)


def best_machines(
    losses: Sequence[float], enough: tuple[int, float] | None = None
) -> tuple[Mark, ...]:
    """Return the marks of the best machines of 1, 2, ... states, where more states help.

    Args:
        losses: of machines of 1, 2, ... states.
        enough: a number of states behind those, and the loss of its best machine.

    >>> [mark.label for mark in best_machines([0.6931, 0.6931, 0.1], enough=(9, 0.0))]
    ['1 state: 0.6931', '3 states: 0.1000', '9 states: 0.0000']
    """
    marks: list[Mark] = []
    for states, loss in [*enumerate(losses, start=1), *([enough] if enough else [])]:
        if not marks or loss < marks[-1].loss - 1e-9:
            marks.append(of_states(states, loss))
    return tuple(marks)


def of_bits(bits: int, loss: float) -> Mark:
    """Return the mark of what nobody goes below who keeps so many bits.

    >>> mark = of_bits(8, 1.3863)
    >>> mark.says, mark.states, mark.attained
    ('no predictor that keeps 8 bits does better', 256, False)
    """
    many = "1 bit" if bits == 1 else f"{bits} bits"
    return Mark(many, loss, f"no predictor that keeps {many} does better", 2**bits)


def either(rungs: Sequence[Rung]) -> str:
    """Return the name of a rung, or of several that cannot be told apart.

    >>> lags = [Rung(f"lag {lag}", 0.5, "", lambda inputs: inputs) for lag in (2, 5, 7, 9)]
    >>> either(lags[:1]), either(lags[:2]), either(lags)
    ('lag 2', 'lag 2 or lag 5', 'lag 2 or lag 5 or 2 others')
    """
    names = [rung.name for rung in rungs]
    if len(names) > _NAMED:
        names[_NAMED - 1 :] = [f"{len(names) - _NAMED + 1} others"]
    return " or ".join(names)
