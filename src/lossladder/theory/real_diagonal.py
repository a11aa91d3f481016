"""A real diagonal step turns each unit round or leaves it: what it tracks are 2-groups."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import knowing, tracking


def real_diagonal(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return what is left beside the quotients that layers of signs can track."""
    tracked = tracking(task)
    signed = dynamics.transition == "diagonal" and dynamics.eigenvalues == "signed"
    if tracked is None or not signed:
        return None
    left = tracked.group.squared(dynamics.layers)
    loss, rung = knowing(left, tracked, ladder)
    layers = "1 layer" if dynamics.layers == 1 else f"{dynamics.layers} layers"
    enough = len(left) == 1
    if enough and not dynamics.selective:
        return None  # what is the same at every step tracks none
    return TheoryMark(
        statement=f"signs, {layers}",
        loss=loss,
        rung=rung,
        says=(
            f"{layers} of real numbers in [-1, 1] can track {tracked.name}"
            if enough
            else f"{layers} of real numbers in [-1, 1] track no more of {tracked.name}, in the "
            "long run, than a quotient that is a 2-group"
        ),
        kind="corollary",
        bound="suffices" if enough else "lower",
        source="Grazzi et al. (2024), theorem 2; Shakerinava et al. (2026), arXiv:2603.01959",
        not_said=(
            "that these gates and this reader are rich enough, or that training finds it"
            if enough
            else "short strings, which a sum of inputs can still tell apart"
        ),
        asymptotic=True,
    )
