"""Floor 2: how the updates of a chunk are run. The maths is the same, the speed is not."""

from lossladder.engines.auto import Auto
from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine, detached
from lossladder.engines.fused.engine import Fused
from lossladder.engines.fused.population import FusedPopulation
from lossladder.engines.population import (
    Alone,
    Population,
    stack_chunks,
    stack_states,
    unstack_state,
)
from lossladder.engines.stacked import Stacked, StackedEngine

__all__ = [
    "Alone",
    "Auto",
    "Autograd",
    "Chunk",
    "Engine",
    "Fused",
    "FusedPopulation",
    "Population",
    "Stacked",
    "StackedEngine",
    "detached",
    "stack_chunks",
    "stack_states",
    "unstack_state",
]
