"""An affine step that keeps states apart keeps errors between them as well."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Task
from lossladder.theory.mark import TheoryMark
from lossladder.theory.tracking import tracking


def error_control(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return a warning: what such a network has learnt may not last."""
    tracked = tracking(task)
    if tracked is None or not dynamics.affine or dynamics.eigenvalues == "unit":
        return None
    return TheoryMark(
        statement="errors add up",
        loss=None,
        rung=None,
        says="an affine state that keeps elements apart keeps its errors: look at longer sequences",
        kind="rule",
        bound="warning",
        source="Chung, Choi and Kim (2026), arXiv:2605.07755",
        not_said="at which length it fails",
        asymptotic=True,
    )
