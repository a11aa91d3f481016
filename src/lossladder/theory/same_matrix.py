"""An affine step whose matrix does not depend on the input knows no more of a product than time."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import knowing, tracking


def same_matrix(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return ln |G|, where the identity comes as a letter, so that time tells nothing."""
    tracked = tracking(task)
    if tracked is None or not dynamics.affine or dynamics.selective or 0 not in tracked.letters:
        return None
    real = dynamics.transition == "diagonal" and dynamics.eigenvalues in ("unit", "signed")
    if dynamics.bits is not None and not real:
        return None  # coarse rounding of a state that is turned may do anything
    loss, rung = knowing(range(len(tracked.group)), tracked, ladder)
    return TheoryMark(
        statement="one matrix",
        loss=loss,
        rung=rung,
        says=f"one matrix for all inputs tracks nothing of {tracked.name} in the long run",
        kind="proof",
        bound="lower",
        source="docs/theory.md",
        not_said="short strings, of which a sum of inputs can still tell; what rounding may add",
        asymptotic=True,
    )
