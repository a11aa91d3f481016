"""Products of Householder factors: what a few reflections a step can track, and what one cannot."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import knowing, tracking


def reflections(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return the floor, where every letter is a product of so few reflections."""
    tracked = tracking(task)
    if tracked is None or not _reflects(dynamics):
        return None
    needed = max(int(tracked.group.reflections[letter]) for letter in tracked.letters)
    if needed > dynamics.reflections or _width(network) < tracked.group.dimension:
        return None
    many = "1 reflection" if needed == 1 else f"{needed} reflections"
    return TheoryMark(
        statement=many,
        loss=ladder.floor.loss,
        rung=ladder.floor.name,
        says=f"{many} a step can track {tracked.name}",
        kind="corollary",
        bound="suffices",
        source="Grazzi et al. (2024), theorem 3",
        not_said="that these keys and this reader are rich enough, or that training finds it",
        asymptotic=True,
    )


def one_reflection(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return what is left beside the quotient in which every letter undoes itself."""
    tracked = tracking(task)
    if tracked is None or not _reflects(dynamics):
        return None
    if dynamics.reflections != 1 or dynamics.layers != 1:
        return None
    table = tracked.group.table
    left = tracked.group.normal_closure(int(table[letter, letter]) for letter in tracked.letters)
    if len(left) == 1:
        return None
    loss, rung = knowing(left, tracked, ladder)
    return TheoryMark(
        statement="1 reflection",
        loss=loss,
        rung=rung,
        says=f"1 layer of 1 reflection a step tracks no more of {tracked.name}, in the long "
        "run, than letters that undo themselves",
        kind="proof",
        bound="lower",
        source="docs/theory.md",
        not_said="short strings, several layers, and what rounding may add",
        asymptotic=True,
    )


def _reflects(dynamics: Dynamics) -> bool:
    signed = dynamics.eigenvalues in ("signed", "complex", "any")
    # coarse rounding of a state that is turned may do anything
    exact = dynamics.bits is None
    return dynamics.transition == "householder" and signed and dynamics.selective and exact


def _width(network: Network) -> int:
    """Return the side of the largest matrix of the state that a step can turn."""
    shapes = [shape for shape in network.recurrent.state_shapes if shape]
    return max((min(shape[-2:]) for shape in shapes), default=0)
