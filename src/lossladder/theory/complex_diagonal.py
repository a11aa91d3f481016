"""A complex diagonal step turns each unit by an angle: k layers track k Abelian steps."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import knowing, tracking


def complex_diagonal(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return the logarithm of the order of the k-th derived subgroup."""
    tracked = tracking(task)
    turning = dynamics.transition == "diagonal" and dynamics.eigenvalues in ("complex", "any")
    if tracked is None or not turning or dynamics.bits is not None:
        return None  # coarse rounding of a rotation may do anything
    left = tracked.group.derived(dynamics.layers)
    loss, rung = knowing(left, tracked, ladder)
    layers = "1 layer" if dynamics.layers == 1 else f"{dynamics.layers} layers"
    enough = len(left) == 1
    if enough and not dynamics.selective:
        return None  # what is the same at every step tracks none
    return TheoryMark(
        statement=f"turns, {layers}",
        loss=loss,
        rung=rung,
        says=(
            f"{layers} of complex numbers can track {tracked.name}"
            if enough
            else f"{layers} of complex numbers track no more of {tracked.name}, in the long run, "
            f"than a quotient of derived length {dynamics.layers}"
        ),
        kind="corollary",
        bound="suffices" if enough else "lower",
        source="Shakerinava et al. (2026), arXiv:2603.01959, theorems 1 and 2",
        not_said=(
            "that these gates and this reader are rich enough, or that training finds it"
            if enough
            else "short strings, and what rounding may add to a rotation"
        ),
        asymptotic=True,
    )
