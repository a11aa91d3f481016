"""A theorem's mark on a ladder: the loss it speaks of, and how a run stands to it."""

from dataclasses import dataclass
from typing import Literal

from lossladder.ladder import CHANCE, Ladder

_SAME = 1e-9  # nats; two ways to compute one loss are no further apart

Kind = Literal["proof", "corollary", "rule"]
Bound = Literal["lower", "suffices", "warning"]
Agreement = Literal["agrees", "falls short", "beats"]


@dataclass(frozen=True)
class TheoryMark:
    """What a theorem says of a class of networks on a task.

    Args:
        statement: its short name, as in pictures ("range [0, 1]").
        loss: per scored step, in the unit of the ladder; None: it names no number.
        rung: name of the rung that has this loss; None: there is none.
        says: the statement in plain words, which go on with the number.
        kind: proof: by the source; corollary: of the source, by us (docs/theory.md has the steps);
            rule: measured.
        bound: lower: nobody of the class has less. suffices: some network of the class has it.
            warning: no number, but something to look at.
        source: authors, year, number of the theorem.
        not_said: what must not be read into it.
        asymptotic: True: it holds in the long run. False: for sequences of any length.
    """

    statement: str
    loss: float | None
    rung: str | None
    says: str
    kind: Kind
    bound: Bound
    source: str
    not_said: str
    asymptotic: bool = False

    def agreement(self, loss: float, standard_error: float, ladder: Ladder) -> Agreement | None:
        """Return how a measured loss stands to the statement; None: it names no number.

        What counts as the same loss is three standard errors or, if that is more, the tolerance of
        the rung. Below a bound that holds at any length nothing but chance is allowed for.

        Args:
            loss: of a network of the class, per scored step.
            standard_error: of that; 0 where nothing was left to chance.
            ladder: that the loss is compared with.

        >>> from lossladder.tasks import Words
        >>> bound = TheoryMark("", 1.0986, "sign", "", "proof", "lower", "", "", asymptotic=True)
        >>> [bound.agreement(loss, 0.001, Words("S3").ladder()) for loss in (1.79, 1.1, 0.7)]
        ['falls short', 'agrees', 'beats']
        """
        if self.loss is None:
            return None
        chance = CHANCE * standard_error if standard_error < float("inf") else 0.0
        near = ladder.loss.close if self.rung is None else ladder.tolerance(ladder[self.rung])
        above = max(chance, near, _SAME)
        below = above if self.asymptotic else max(chance, _SAME)
        if self.bound == "lower" and loss < self.loss - below:
            return "beats"
        return "falls short" if loss > self.loss + above else "agrees"


def name_of(loss: float, ladder: Ladder) -> str | None:
    """Return the name of the rung that has a loss; None: there is none."""
    return next((rung.name for rung in ladder if abs(rung.loss - loss) < _SAME), None)
