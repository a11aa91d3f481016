"""Who keeps b bits has 2^b states: what the best of all machines of so few states loses."""

from lossladder.ladder import Ladder
from lossladder.ladder.machines import copy_bound, recall_bound
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Copy, Recall, Source, Task
from lossladder.tasks.groups import FiniteGroup, Subgroup
from lossladder.theory.mark import TheoryMark, name_of
from lossladder.theory.tracking import knowing, tracking


def state_bits(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return the least loss of a state of so many bits, of tasks where it is known."""
    bits = dynamics.bits
    found = None if bits is None else _loss(task, bits, ladder)
    if bits is None or found is None or found[0] < ladder.floor.loss + 1e-9:
        return None
    loss, rung, asymptotic = found
    many = "1 bit" if bits == 1 else f"{bits} bits"
    return TheoryMark(
        statement=f"{many} kept",
        loss=loss,
        rung=rung,
        says=f"nobody who keeps {many} does better{' in the long run' if asymptotic else ''}",
        kind="proof",
        bound="lower",
        source="docs/theory.md",
        not_said="that a network of so many bits gets there",
        asymptotic=asymptotic,
    )


def least_loss(task: Task, bits: int, ladder: Ladder) -> float | None:
    """Return what nobody who keeps so many bits goes below; None: of this task nobody knows."""
    found = _loss(task, bits, ladder)
    return None if found is None else max(found[0], ladder.floor.loss)


def _loss(task: Task, bits: int, ladder: Ladder) -> tuple[float, str | None, bool] | None:
    """Return the loss, its rung, and whether it holds in the long run only."""
    match task:
        case Copy():
            share = task.length / (task.num_steps or 1)
            loss = share * copy_bound(task.length, task.symbols, bits)
            return loss, name_of(loss, ladder), False
        case Recall() if not task.distinct:
            loss = recall_bound(task.pairs, task.values, bits)
            return loss, name_of(loss, ladder), False
        case Source() if ladder.floor.by_step is None and 2**bits <= task.source.most_states:
            # all machines of so many states have been tried
            loss = min(mark.loss for mark in task.memory() if (mark.states or 0) <= 2**bits)
            return loss, name_of(loss, ladder), True
        case _:
            tracked = tracking(task)
    if tracked is None:
        return None
    return (*knowing(fewest(tracked.group, 2**bits).elements, tracked, ladder), True)


def fewest(of: FiniteGroup, states: int) -> Subgroup:
    """Return the smallest subgroup that has at most so many cosets: a state for each.

    >>> from lossladder.tasks.groups import group
    >>> [fewest(group("S3"), states).order for states in (1, 2, 3, 6)]
    [6, 3, 2, 1]
    """
    few = (h for h in of.subgroups if len(of) <= h.order * states)
    return min(few, key=lambda h: h.order)
