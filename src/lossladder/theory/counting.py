"""Counting without bound in finite precision: an LSTM can, a GRU and a tanh network cannot."""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Counter, Task
from lossladder.theory.mark import TheoryMark

_SOURCE = "Weiss, Goldberg and Yahav (2018), arXiv:1805.04908"


def counting(network: Network, dynamics: Dynamics, task: Task, ladder: Ladder) -> TheoryMark | None:
    """Return the floor of a majority for who counts, and a warning for who does not.

    A majority is a count held against zero, which any reader of a counter can tell. How large a
    count is, as the other kinds ask, a squashed counter shows less and less, and nothing is said.
    """
    if not isinstance(task, Counter) or dynamics.counts is None:
        return None
    if not dynamics.counts:
        return TheoryMark(
            statement="no counter",
            loss=None,
            rung=None,
            says="a bounded state does not count without end: look at longer strings "
            "(task.num_steps)",
            kind="proof",
            bound="warning",
            source=_SOURCE,
            not_said="at which length it fails",
            asymptotic=True,
        )
    if task.kind != "majority":
        return None
    return TheoryMark(
        statement="a counter",
        loss=ladder.floor.loss,
        rung=ladder.floor.name,
        says="a unit that counts can tell the majority",
        kind="corollary",
        bound="suffices",
        source=_SOURCE,
        not_said="that training finds it",
    )
