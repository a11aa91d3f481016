"""Floor 2: how the updates of a chunk are run. The maths is the same, the speed is not."""

from typing import TYPE_CHECKING

from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine, detached
from lossladder.engines.population import (
    Population,
    SingleMember,
    stack_chunks,
    stack_states,
    unstack_state,
)
from lossladder.engines.schedules import LearningRateSchedule
from lossladder.lazy import lazy_names

if TYPE_CHECKING:
    from lossladder.engines.auto import Auto
    from lossladder.engines.fused.fused import Fused, FusedPopulation
    from lossladder.engines.stacked import Stacked, StackedEngine

__all__ = [
    "Auto",
    "Autograd",
    "Chunk",
    "Engine",
    "Fused",
    "FusedPopulation",
    "LearningRateSchedule",
    "Population",
    "SingleMember",
    "Stacked",
    "StackedEngine",
    "detached",
    "stack_chunks",
    "stack_states",
    "unstack_state",
]

# a run pays for the compiler only if it uses it
__getattr__ = lazy_names(
    __name__,
    {
        "Auto": "lossladder.engines.auto",
        "Fused": "lossladder.engines.fused.fused",
        "FusedPopulation": "lossladder.engines.fused.fused",
        "Stacked": "lossladder.engines.stacked",
        "StackedEngine": "lossladder.engines.stacked",
    },
)
