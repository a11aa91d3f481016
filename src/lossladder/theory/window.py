"""Who sees the last k steps only: the loss of the best predictor that sees no more."""

from math import log

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Delay, FlipFlop, Source, Task
from lossladder.tasks.bit_sum import BitSum
from lossladder.tasks.lagged_bits import LaggedBits
from lossladder.theory.mark import TheoryMark, name_of
from lossladder.theory.tracking import knowing, tracking


def window(network: Network, dynamics: Dynamics, task: Task, ladder: Ladder) -> TheoryMark | None:
    """Return the loss of the best predictor of the last steps, of tasks where it is known."""
    if dynamics.window is None:
        return None
    found = _loss(task, dynamics.window, ladder)
    if found is None or found[0] < ladder.floor.loss + 1e-9:
        return None
    loss, rung, asymptotic = found
    steps = "1 step" if dynamics.window == 1 else f"{dynamics.window} steps"
    return TheoryMark(
        statement=f"{steps} seen",
        loss=loss,
        rung=rung,
        says=f"who sees {steps} does no better",
        kind="proof",
        bound="lower",
        source="docs/theory.md",
        not_said="how it is with positions or a state beside the window",
        asymptotic=asymptotic,
    )


def _loss(task: Task, seen: int, ladder: Ladder) -> tuple[float, str | None, bool] | None:
    """Return the loss, its rung, and whether it holds in the long run only."""
    by_step = ladder.floor.by_step
    # at each step of a sequence that starts from nothing, no more than there has been
    steps = [seen] if by_step is None else [min(seen, t + 1) for t in range(len(by_step))]
    loss: float | None = None
    match task:
        case LaggedBits():
            known = [tuple(lag for lag in task.lags if lag < count) for count in steps]
            loss = sum(map(task.loss_knowing, known)) / len(known)
        case Source() if max(steps) < len(task.source.window_losses):
            loss = sum(task.source.window_losses[count] for count in steps) / len(steps)
        case FlipFlop():
            # the read itself, and an instruction and its bit for every two steps before it
            loss = task.loss_knowing(seen // 2)
        case BitSum() if by_step is not None:
            loss = task.loss_knowing(seen, len(by_step))
        case Delay() if by_step is None:
            loss = float(sum(lag >= seen for lag in task.lags))
        case _:
            pass
    if loss is not None:
        return loss, name_of(loss, ladder), False
    tracked = tracking(task)
    if tracked is None or log(len(tracked.group)) == 0:
        return None
    return (*knowing(range(len(tracked.group)), tracked, ladder), True)
