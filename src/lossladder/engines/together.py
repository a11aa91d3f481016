"""Which engine trains several members at once."""

from lossladder.engines.auto import Auto
from lossladder.engines.engine import Engine
from lossladder.engines.population import Alone
from lossladder.engines.stacked import StackedEngine

_WORTH_STACKING = 4  # members; fewer pay more for the mapping than they share


def for_members(engine: Engine, count: int) -> Alone | None:
    """An engine whose population trains `count` members like this one; None: each alone.

    What was asked for by name is kept; `auto` leaves room for `stacked`, which pays among many.
    """
    chosen = engine.engine if isinstance(engine, Auto) else engine
    if isinstance(chosen, Alone):
        chosen.why = engine.why
        return chosen
    parts = engine.network, engine.task, engine.optimizer
    if isinstance(engine, Auto) and count >= _WORTH_STACKING and not StackedEngine.why_not(*parts):
        stacked = StackedEngine(*parts, engine.gradient_clip)
        stacked.why = f"{engine.why}; stacked shares the cost of torch's operations"
        return stacked
    return None
