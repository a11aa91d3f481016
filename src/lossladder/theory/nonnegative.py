"""A step whose matrix has no negative and no complex eigenvalue tracks no group at all."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import knowing, tracking


def nonnegative(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return ln |G|, whatever the group: who reads one letter for ever comes to a stand."""
    tracked = tracking(task)
    if tracked is None or not dynamics.affine or dynamics.eigenvalues != "unit":
        return None
    if dynamics.bits is not None and dynamics.transition != "diagonal":
        return None  # coarse rounding of a state that is turned may do anything
    loss, rung = knowing(range(len(tracked.group)), tracked, ladder)
    return TheoryMark(
        statement="range [0, 1]",
        loss=loss,
        rung=rung,
        says=f"eigenvalues in [0, 1] track nothing of {tracked.name} in the long run",
        kind="corollary",
        bound="lower",
        source="Grazzi et al. (2024), theorem 1; Sarrof et al. (2024), theorem 2",
        not_said="short strings, which a state that fades can still tell apart",
        asymptotic=True,
    )
