"""What theorems say of a network on a task: losses beside what a run has reached.

`marks` asks every statement; each is silent unless it speaks of this class of networks and of this
task. docs/theory.md has the statements with their proofs, and what they do not say.
"""

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.tasks import Task
from lossladder.theory.complex_diagonal import complex_diagonal
from lossladder.theory.counting import counting
from lossladder.theory.error_control import error_control
from lossladder.theory.linear_reader import linear_reader
from lossladder.theory.mark import TheoryMark
from lossladder.theory.nonnegative import nonnegative
from lossladder.theory.real_diagonal import real_diagonal
from lossladder.theory.reflections import one_reflection, reflections
from lossladder.theory.same_matrix import same_matrix
from lossladder.theory.state_bits import state_bits
from lossladder.theory.window import window

__all__ = ["TheoryMark", "marks"]

_STATEMENTS = (
    state_bits, window, nonnegative, real_diagonal, complex_diagonal, same_matrix,
    one_reflection, reflections, counting, linear_reader, error_control,
)  # fmt: skip


def marks(network: Network, task: Task, ladder: Ladder) -> tuple[TheoryMark, ...]:
    """Return what theorems say of a network on a task, the bounds first.

    Args:
        network: what it has learnt does not matter, what it is does (`Recurrent.dynamics`).
        task: what is to be learnt.
        ladder: that its loss is compared with.
    Returns:
        None of a network that does not say how its state moves.

    >>> from lossladder.models import MLP, LSTM
    >>> from lossladder.tasks import Echo
    >>> blind = Network(MLP(input_size=2, hidden_size=4), output_size=2)
    >>> for mark in marks(blind, Echo(), Echo().ladder()):
    ...     print(f"{mark.says}: {mark.loss:.4f} ({mark.rung})")
    who sees 1 step does no better: 0.6616 (none)
    >>> marks(Network(LSTM(input_size=2, hidden_size=4), output_size=2), Echo(), Echo().ladder())
    ()
    """
    dynamics = network.recurrent.dynamics
    if dynamics is None:
        return ()
    found = [each(network, dynamics, task, ladder) for each in _STATEMENTS]
    # what a class can do, its members need not that keep few bits or the weights they began with
    free = dynamics.bits is None and not network.readout_alone
    said = [mark for mark in found if mark is not None and (free or mark.bound != "suffices")]
    return tuple(sorted(said, key=lambda mark: ("lower", "suffices", "warning").index(mark.bound)))
