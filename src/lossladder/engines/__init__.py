"""Floor 2: how the updates of a chunk are run. The maths is the same, the speed is not."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine, detached
from lossladder.engines.population import (
    Alone,
    Population,
    stack_chunks,
    stack_states,
    unstack_state,
)

if TYPE_CHECKING:
    from lossladder.engines.auto import Auto
    from lossladder.engines.fused.engine import Fused
    from lossladder.engines.fused.population import FusedPopulation
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

_HOMES = {
    "Auto": "lossladder.engines.auto",
    "Fused": "lossladder.engines.fused.engine",
    "FusedPopulation": "lossladder.engines.fused.population",
    "Stacked": "lossladder.engines.stacked",
    "StackedEngine": "lossladder.engines.stacked",
}


def __getattr__(name: str) -> Any:
    """Import an engine on first use: a run pays for the compiler only if it uses it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lossladder.engines' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
