"""The promise of an engine: a chunk of windows in, one loss a window out, one update each."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.optim import Optimizer

from lossladder.engines.schedules import ConstantRate, LearningRateSchedule
from lossladder.models import Network, State
from lossladder.tasks import Task


class Chunk(NamedTuple):
    """Consecutive windows, one optimizer update each, in order.

    Args:
        inputs: symbols (windows, batch, time), from which `Task.features` makes what a network
            sees; or features (windows, batch, time, input).
        targets: classes (windows, batch, time), or real values (windows, batch, time, output).
        scored: which steps count (windows, batch, time); None: all of them.
        carried: True: each window starts from the state that the one before ended in.
            False: each starts from the initial state.
        first: updates that the run had made before these, by which a schedule goes.
    """

    inputs: Shaped[Tensor, "windows batch time *input"]
    targets: Shaped[Tensor, "windows batch time *output"]
    scored: Bool[Tensor, "windows batch time"] | None
    carried: bool
    first: int = 0


class Engine(ABC):
    """The way in which the updates of a chunk are run.

    Args:
        network: trained in place.
        task: owns the loss.
        optimizer: of the network's parameters; its state stays torch's own, so that a run can go
            on with another engine.
        gradient_clip: largest norm of the gradient over all parameters; None: no clipping.
        schedule: factors on the optimizer's rate, which is its own again after each chunk; None: no
            update has another.
    """

    name: str  # as in `engine=` and in results
    why = "as asked"  # why it is this engine and no other, as runs print it
    # enough of them to make the trainer's cost a chunk, some milliseconds, small
    windows_per_chunk = 50
    # products of a step of one sequence, there only, where the engine says nothing between windows
    step_products = 0

    def __init__(
        self,
        network: Network,
        task: Task,
        optimizer: Optimizer,
        gradient_clip: float | None = None,
        schedule: LearningRateSchedule | None = None,
    ) -> None:
        self.network = network
        self.task = task
        self.optimizer = optimizer
        self.gradient_clip = gradient_clip
        self.schedule = schedule or ConstantRate()
        self._begin()

    def _begin(self) -> None:  # noqa: B027  a hook most engines need not fill
        """Make what the engine keeps besides its parts.

        Raises:
            ValueError: if the parts do not fit the engine.
        """

    def keep(self, name: str) -> None:  # noqa: B027  only a choice of engines has to
        """Train by the engine that a run began with, which has this name."""

    def prepare(self) -> None:  # noqa: B027  a hook most engines need not fill
        """Make ready what the first update would otherwise have to wait for."""

    @abstractmethod
    def train(self, chunk: Chunk, state: State | None) -> tuple[Float[Tensor, " windows"], State]:
        """Make one update a window; return the loss of each before its update, and the last state.

        Of long chunks an engine may leave the last windows out when the program is asked to stop.

        A loss is a mean over scored steps. The gradient stops at the start of each window: the
        state is carried, detached. Only an initial state is a function of the parameters, and
        learned where it depends on them.

        Args:
            chunk: the windows.
            state: what the first of carried windows starts from; None: the initial state.
        """


def detached(state: State) -> State:
    """Return the state without its history: the gradient stops here, which is the truncation."""
    return tuple(part.detach() for part in state)
