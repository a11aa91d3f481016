"""A linear reader of H units recalls H independent inputs at most, whatever the recurrence."""

from torch import nn

from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.models.recurrent import Dynamics
from lossladder.tasks import Delay, Task
from lossladder.theory.mark import TheoryMark, name_of


def linear_reader(
    network: Network, dynamics: Dynamics, task: Task, ladder: Ladder
) -> TheoryMark | None:
    """Return the number of inputs asked for less that of the units, where it is above 0."""
    linear, units = isinstance(network.readout, nn.Linear), network.recurrent.hidden_size
    if not isinstance(task, Delay) or not task.every_lag or not linear or units >= task.steps:
        return None
    steps = ladder.floor.by_step
    # before the start there is silence: of the first steps fewer inputs are asked for
    asked = [task.steps] if steps is None else [min(t + 1, task.steps) for t in range(len(steps))]
    loss = sum(max(0, count - units) for count in asked) / len(asked)
    return TheoryMark(
        statement="linear reader",
        loss=loss,
        rung=name_of(loss, ladder),
        says=f"a linear reader of {units} units recalls {units} inputs at most",
        kind="proof",
        bound="lower",
        source="Jaeger (2001), memory capacity; docs/theory.md",
        not_said="a reader with a layer of its own, or inputs that depend on each other",
    )
