"""A real diagonal step turns each unit round or leaves it: what it tracks are 2-groups."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.diagonal_layers import layers_mark
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import tracking


def real_diagonal(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return what is left beside the quotients that layers of signs can track."""
    tracked = tracking(task)
    signed = dynamics.transition == "diagonal" and dynamics.eigenvalues == "signed"
    if tracked is None or not signed:
        return None
    return layers_mark(
        dynamics,
        tracked,
        ladder,
        tracked.group.squared(dynamics.layers),
        name="signs",
        numbers="real numbers in [-1, 1]",
        quotient="a quotient that is a 2-group",
        source="Grazzi et al. (2024), theorem 2; Shakerinava et al. (2026), arXiv:2603.01959",
        not_said="short strings, which a sum of inputs can still tell apart",
    )
