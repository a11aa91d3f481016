"""A complex diagonal step turns each unit by an angle: k layers track k Abelian steps."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.diagonal_layers import layers_mark
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import tracking


def complex_diagonal(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return the logarithm of the order of the k-th derived subgroup."""
    tracked = tracking(task)
    turning = dynamics.transition == "diagonal" and dynamics.eigenvalues in ("complex", "any")
    if tracked is None or not turning or dynamics.bits is not None:
        return None  # coarse rounding of a rotation may do anything
    return layers_mark(
        dynamics,
        tracked,
        ladder,
        tracked.group.derived(dynamics.layers),
        name="turns",
        numbers="complex numbers",
        quotient=f"a quotient of derived length {dynamics.layers}",
        source="Shakerinava et al. (2026), arXiv:2603.01959, theorems 1 and 2",
        not_said="short strings, and what rounding may add to a rotation",
    )
