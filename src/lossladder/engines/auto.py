"""Auto: the choice of the fastest engine that fits, and the reason for it."""

from jaxtyping import Float
from torch import Tensor

from lossladder.engines.autograd import Autograd
from lossladder.engines.engine import Chunk, Engine
from lossladder.engines.fused import store
from lossladder.engines.fused.compilation import (
    Variant,
    compile_for_later,
    compiled,
    variant,
)
from lossladder.engines.fused.fused import Fused
from lossladder.engines.population import SingleMember
from lossladder.engines.stacked import StackedEngine
from lossladder.models import State

# of autograd, for a step of a window of any batch: torch's operations cost it, not arithmetic
_SECONDS_A_STEP = 1e-4
_COMPILE_SECONDS = 10.0
# from here on torch's matrix products are faster than ours
_LARGEST_HIDDEN = 256
# members; fewer pay more for the mapping than they share
_WORTH_STACKING = 4


class Auto(Engine):
    """An engine that is `fused` where it fits and pays, and `autograd` otherwise.

    It is decided once, at the start.

    Compiling the fused kernel takes a while, once for a machine. A run that would be over by then
    trains on autograd, and the kernel is compiled in the background for the next one.
    """

    def _begin(self) -> None:
        self._for_later: Variant | None = None
        reason, engine = self._choose()
        self.engine = self._made(engine)
        self.name, self.why = self.engine.name, reason
        self.windows_per_chunk = self.engine.windows_per_chunk

    @property
    def waits_for(self) -> str | None:
        """Return what the chosen engine waits for."""
        return self.engine.waits_for

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
        self.windows_per_chunk = self.engine.windows_per_chunk
        self._for_later = None

    def _made(self, kind: type[Autograd] | type[Fused]) -> Autograd | Fused:
        parts = self.network, self.task, self.optimizer
        return kind(*parts, self.gradient_clip, self.expected_steps, self.schedule)

    def _choose(self) -> tuple[str, type[Autograd] | type[Fused]]:
        """Return the reason, as runs print it, and the engine it speaks for."""
        misfit = Fused.unsupported_reason(self.network, self.task, self.optimizer)
        if misfit is not None:
            return f"fused does not fit: {misfit}", Autograd
        hidden = self.network.recurrent.hidden_size
        if hidden > _LARGEST_HIDDEN:
            return f"with {hidden} hidden units torch's matrix products are faster", Autograd
        wanted = variant(self.network)
        if compiled(wanted):
            return "the fastest that fits", Fused
        seconds = (self.expected_steps or 0) * _SECONDS_A_STEP
        obstacle = store.obstacle()
        if seconds > _COMPILE_SECONDS:
            once = "once, " if obstacle is None else ""
            first = f"compiled first, {once}in about {_COMPILE_SECONDS:.0f} s"
            return f"the fastest that fits; {first}", Fused
        if obstacle is not None:
            short = "too short a run to compile fused, which cannot be kept here"
            return f"{short}: {obstacle}", Autograd
        self._for_later = wanted
        return "too short a run to wait for fused, which is compiled for the next one", Autograd

    def prepare(self) -> None:
        """Make the chosen engine ready; have `fused` compiled if only that spoke against it."""
        # not when the engine is built: a network that is only looked at or scored trains nothing
        self.engine.prepare()
        if self._for_later is not None:
            compile_for_later(self._for_later)

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
