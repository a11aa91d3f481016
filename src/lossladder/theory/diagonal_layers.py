"""What k layers of diagonal steps track of a group: a quotient that k commuting steps make up."""

from collections.abc import Collection

from lossladder.ladder import Ladder
from lossladder.models.recurrent import Dynamics
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import Tracking, knowing


def layers_mark(
    dynamics: Dynamics,
    tracked: Tracking,
    ladder: Ladder,
    left: Collection[int],
    *,
    name: str,
    numbers: str,
    quotient: str,
    source: str,
    not_said: str,
) -> TheoryMark | None:
    """Return the loss of who does not know `left`: a bound, or the floor where nothing is left.

    Args:
        dynamics: of diagonal layers.
        tracked: the product that is asked for.
        ladder: of the task.
        left: the subgroup whose cosets are the most that such layers track.
        name: of the statement, short.
        numbers: what the layers are made of, in words.
        quotient: what they track, in words.
        source: authors, year, number of the theorem.
        not_said: what must not be read into the bound.
    Returns:
        None where all could be tracked, were the steps not the same whatever the input.
    """
    enough = len(left) == 1
    if enough and not dynamics.selective:
        return None  # what is the same at every step tracks none
    loss, rung = knowing(left, tracked, ladder)
    layers = "1 layer" if dynamics.layers == 1 else f"{dynamics.layers} layers"
    can = f"{layers} of {numbers} can track {tracked.name}"
    cannot = (
        f"{layers} of {numbers} track no more of {tracked.name}, in the long run, than {quotient}"
    )
    gates = "that these gates and this reader are rich enough, or that training finds it"
    return TheoryMark(
        statement=f"{name}, {layers}",
        loss=loss,
        rung=rung,
        says=can if enough else cannot,
        kind="corollary",
        bound="suffices" if enough else "lower",
        source=source,
        not_said=gates if enough else not_said,
        asymptotic=True,
    )
