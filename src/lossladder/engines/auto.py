"""Auto: the choice of the fastest engine that fits, and the reason for it."""

from jaxtyping import Float
from torch import Tensor

from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine
from lossladder.engines.fused.fused import Fused
from lossladder.engines.population import SingleMember
from lossladder.engines.stacked import StackedEngine
from lossladder.models import State

# from here on torch's matrix products are faster than ours
_LARGEST_HIDDEN = 256
# members; fewer pay more for the mapping than they share
_WORTH_STACKING = 4


class Auto(Engine):
    """An engine that is `fused` where it fits and pays, and `autograd` otherwise.

    It is decided once, at the start.
    """

    def _begin(self) -> None:
        reason, engine = self._choose()
        self.engine = self._made(engine)
        self.name, self.why = self.engine.name, reason
        self._take_after(self.engine)

    def keep(self, name: str) -> None:
        """Train by the engine that a run began with, whatever is the fastest now."""
        kinds = {kind.name: kind for kind in (Autograd, Fused)}
        parts = self.network, self.task, self.optimizer
        if name == self.name or name not in kinds:
            return
        if name == Fused.name and (misfit := Fused.unsupported_reason(*parts)) is not None:
            self.why = f"fused, which it began with, does not fit any more: {misfit}"
            return
        self.engine = self._made(kinds[name])
        self.name, self.why = name, "the engine that the run began with"
        self._take_after(self.engine)

    def _take_after(self, engine: Engine) -> None:
        self.windows_per_chunk = engine.windows_per_chunk
        self.step_products = engine.step_products

    def _made(self, kind: type[Autograd] | type[Fused]) -> Autograd | Fused:
        parts = self.network, self.task, self.optimizer
        return kind(*parts, self.gradient_clip, self.schedule)

    def _choose(self) -> tuple[str, type[Autograd] | type[Fused]]:
        """Return the reason, as runs print it, and the engine it speaks for."""
        misfit = Fused.unsupported_reason(self.network, self.task, self.optimizer)
        if misfit is not None:
            return f"fused does not fit: {misfit}", Autograd
        hidden = self.network.recurrent.hidden_size
        if hidden > _LARGEST_HIDDEN:
            return f"with {hidden} hidden units torch's matrix products are faster", Autograd
        return "the fastest that fits", Fused

    def prepare(self) -> None:
        """Make the chosen engine ready."""
        # not when the engine is built: a network that is only looked at or scored trains nothing
        self.engine.prepare()

    def train(self, chunk: Chunk, state: State | None) -> tuple[Float[Tensor, " windows"], State]:
        """Make one update a window; see `Engine.train`."""
        return self.engine.train(chunk, state)


def for_members(engine: Engine, count: int, began: str | None = None) -> SingleMember | None:
    """Return an engine whose population trains `count` members like this; None: each alone.

    Args:
        engine: of one of them.
        count: of members.
        began: name of the engine that they began with, if they go on.
    """
    if began is not None:
        # among members autograd is stacked
        engine.keep(Autograd.name if began == StackedEngine.name else began)
    # what was asked for by name is kept; `auto` leaves room for `stacked`, which pays among many
    chosen = engine.engine if isinstance(engine, Auto) else engine
    if isinstance(chosen, SingleMember):
        chosen.why = engine.why
        return chosen
    parts = engine.network, engine.task, engine.optimizer
    enough = count >= _WORTH_STACKING or began == StackedEngine.name
    worth_it = isinstance(engine, Auto) and enough
    if worth_it and StackedEngine.unsupported_reason(*parts) is None:
        stacked = StackedEngine(*parts, engine.gradient_clip, schedule=engine.schedule)
        stacked.why = f"{engine.why}; stacked shares the cost of torch's operations"
        return stacked
    return None
