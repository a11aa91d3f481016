"""Dyck: the next bracket of a stream of nested brackets of several kinds, of bounded depth."""

import math
from functools import cached_property, partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Probabilities,
    Rung,
    best_machines,
    worth_something,
)
from lossladder.ladder.machines import HiddenMarkov
from lossladder.tasks.task import Draw, StreamTask

_DEEPEST = 32  # a walk over more depths forgets its start too late to be scored behind it
_FORGOTTEN = 2**20  # steps after which the start tells no more than the parity of the step
_STACKS = 2**20  # states that are worth telling
_MACHINES, _WORK = 70_000, 1e10  # to be tried at most, and the multiplications that takes

# whether it is known which kind closes, where the last bracket closes, and where it opens
_SEES_KIND = {
    "last bracket": (0.0, 1.0),
    "depth + last": (0.0, 1.0),
    "all": (1.0, 1.0),
}

# of each step: chance of each depth, where the last bracket closes (0) or opens (1)
Chances = Float[Tensor, "steps 2 depths"]


class _Read(NamedTuple):
    """What the brackets so far say, at each step."""

    depth: Integer[Tensor, "batch time"]
    opens: Integer[Tensor, "batch time"]  # 1: the last bracket does
    top: Integer[Tensor, "batch time"]  # the kind that can be closed; at depth 0 any


class Dyck(StreamTask):
    """The task to predict the next bracket of well-nested ones, which never get too deep.

        input   ( [ ] ) ( ( ) [         kinds=2, depth=2: four symbols, ( [ ) ]
        target  [ ] ) ( ( ) [ ]
        depth   1 2 1 0 1 2 1 2

    A bracket opens with `open_chance`, at depth 0 for certain and at the greatest depth never, and
    each kind is as likely. Only the kind that was opened last can be closed. A stream starts with
    nothing open. Who counts knows the depth, and not which kind to close; who looks at the last
    bracket only knows the kind if that one opened, and not the depth: neither includes the other.
    The floor takes the whole stack, and a state for each that there is (`memory`).

    Args:
        kinds: of brackets; the symbols are the opening ones, then the closing ones.
        depth: brackets that are open at once, at most.
        open_chance: chance of an opening bracket where both are allowed.
    Raises:
        ValueError: if a number is out of range, or there is a single stream.
    Source: Hewitt et al. (2020), "RNNs Can Generate Bounded Hierarchical Languages with Optimal
        Memory": Dyck-(k, m) with k=kinds and m=depth.

    >>> for rung in Dyck(kinds=2, depth=4).ladder(): print(f"{rung.loss:.6f} {rung.name}")
    1.386294 none
    1.213008 depth
    1.138102 last bracket
    0.996399 depth + last
    0.866434 all
    >>> [mark.label for mark in Dyck(kinds=1, depth=2).memory()]
    ['1 state: 0.6931', '2 states: 0.5623', '3 states: 0.3466']
    """

    shape = "many_to_many"
    reach = None

    def __init__(self, kinds: int = 2, depth: int = 4, open_chance: float = 0.5) -> None:
        self.kinds = checks.whole("kinds", kinds, 1, 64)
        self.depth = checks.whole("depth", depth, 1, _DEEPEST)
        self.open_chance = checks.real("open_chance", open_chance, least=0.01, most=0.99)
        if self.kinds == self.depth == 1:
            raise ValueError("kinds=1, depth=1: there is one stream only; one must be 2 or more")
        self.output_size = 2 * self.kinds
        self.encoding = torch.eye(self.output_size)
        # of an opening bracket, at each depth
        self._opening = torch.full((self.depth + 1,), self.open_chance, dtype=torch.float64)
        self._opening[0], self._opening[-1] = 1.0, 0.0

    @property
    def warm_up(self) -> int:
        """See `StreamTask.warm_up`: until the start tells no more than the parity of the step."""
        sizes = np.abs(np.linalg.eigvals(self._moves))
        slow = float(sizes[sizes < 1 - 1e-6].max(initial=0.0))
        return max(50, math.ceil(math.log(1e-4) / math.log(slow)) if slow > 0 else 0)

    # --- sampling ---------------------------------------------------------------------------

    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Integer[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw brackets, each the target of the one before; see `StreamTask.draw`."""
        # a target is the next input: a piece knows the last target, and what is open behind it
        size = num_steps + (past is None), batch_size
        coins = torch.rand(size, generator=generator, dtype=torch.float64).numpy()
        kinds = torch.randint(self.kinds, size, generator=generator, dtype=torch.uint8).numpy()
        rows, opening = np.arange(batch_size), self._opening.numpy()
        depth = np.zeros(batch_size, dtype=np.int64)
        stack = np.zeros((batch_size, self.depth), dtype=np.uint8)
        if past is not None:
            depth, stack = past[:, 1].numpy(), past[:, 2:].numpy().astype(np.uint8)
        drawn = np.empty(size, dtype=np.uint8)
        for step, coin in enumerate(coins):
            opens = coin < opening[depth]
            # the place of the bracket that opens, or of the one that is closed
            place = depth - 1 + opens
            stack[rows, place] = kind = np.where(opens, kinds[step], stack[rows, place])
            drawn[step] = kind + self.kinds * ~opens
            depth = place + opens
        brackets = torch.as_tensor(drawn)
        if past is not None:
            brackets = torch.cat([past[None, :, 0].to(torch.uint8), brackets])
        state = torch.as_tensor(np.column_stack([depth, stack]))
        after = torch.cat([brackets[-1:].T.long(), state], dim=1)
        return Draw(brackets[:-1].T, brackets[1:].T, None, after)

    # --- theory -----------------------------------------------------------------------------

    def _read(self, inputs: Features) -> _Read:
        """Return what brackets from the start of a stream say."""
        symbols = inputs.argmax(dim=-1).T.cpu().numpy()
        opens, kinds = symbols < self.kinds, symbols % self.kinds
        depths, tops = np.empty_like(symbols), np.empty_like(symbols)
        batch_size = len(inputs)
        rows: NDArray[np.int64] = np.arange(batch_size)
        depth = np.zeros(batch_size, dtype=np.int64)
        stack = np.zeros((batch_size, self.depth + 1), dtype=np.int64)
        for step, up in enumerate(opens):
            # no stream goes deeper, nor closes what is not open; who asks what if gets an answer
            depth = depths[step] = (depth + np.where(up, 1, -1)).clip(0, self.depth)
            stack[rows, depth] = np.where(up, kinds[step], stack[rows, depth])
            tops[step] = stack[rows, depth]
        parts = (torch.as_tensor(part.astype(np.int64)).T for part in (depths, opens, tops))
        return _Read(*parts)

    def _law(
        self, opening: Float[Tensor, "batch time"], top: Integer[Tensor, "batch time"] | None
    ) -> Probabilities:
        """Return the probabilities of each bracket, by the chance that it opens.

        Args:
            opening: that chance.
            top: the kind that is closed else; -1 or None: any.
        """
        closing = ((1 - opening) / self.kinds)[..., None].repeat(1, 1, self.kinds)
        if top is not None:
            one = torch.nn.functional.one_hot(top.clamp(min=0), self.kinds)
            closing = torch.where(top[..., None] < 0, closing, one * (1 - opening[..., None]))
        each = (opening / self.kinds)[..., None].expand_as(closing)
        return torch.cat([each, closing], dim=-1)

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each next bracket given those so far, float64."""
        read = self._read(inputs)
        return self._law(self._opening[read.depth], read.top).to(inputs.device)

    def predict(self, inputs: Features, knows: str, chances: Chances) -> Probabilities:
        """Return the probabilities of each next bracket for a predictor that knows so much.

        Args:
            inputs: brackets from the start of a stream.
            knows: name of a rung.
            chances: as they are over all steps it may be asked about.
        """
        batch_size, num_steps = inputs.shape[:2]
        if knows == "step":
            by_step = _given(self._chances(num_steps), self._opening, knows)[:, 0, 0]
            return self._law(by_step.expand(batch_size, -1), None).to(inputs.device)
        opening = _given(chances, self._opening, knows)[0]
        if knows == "none":
            return self._law(opening[0, 0].expand(batch_size, num_steps), None).to(inputs.device)
        read = self._read(inputs)
        # of the kind it knows what the last bracket says, if that
        top = torch.where(read.opens > 0, read.top, -1) if "last" in knows else None
        return self._law(opening[read.opens, read.depth], top).to(inputs.device)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return up to six rungs, without those that say no more than a higher one."""
        finite = num_steps is not None and not carried
        chances = self._settled if num_steps is None or carried else self._chances(num_steps)
        rungs = [self._rung("none", "only how often each target occurs", chances, finite, ())]
        floor = self._rung("all", "which brackets are open", chances, finite, None)
        for name, knows, above in (
            ("step", "only the step, and how often each target occurs there", ("none",)),
            ("depth", "how many brackets are open, and not their kinds", ("none", "step")),
            ("last bracket", "the last bracket only", ("none",)),
            (
                "depth + last",
                "how many brackets are open, and the last bracket",
                ("none", "step", "depth", "last bracket"),
            ),
        ):
            rungs.append(self._rung(name, knows, chances, finite, above))
        return Ladder([*worth_something(rungs, floor), floor])

    def _rung(
        self,
        name: str,
        knows: str,
        chances: Chances,
        finite: bool,
        includes: tuple[str, ...] | None,
    ) -> Rung:
        exact, said = self._opening, _given(chances, self._opening, name)
        # whether it opens, and of which kind: any is as likely, but for one to close that is known
        coin = -torch.xlogy(exact, said) - torch.xlogy(1 - exact, 1 - said)
        known = _SEES_KIND.get(name, (0.0, 0.0))
        unknown = 1 - torch.tensor(known, dtype=torch.float64)[:, None]
        kind = math.log(self.kinds) * (exact + (1 - exact) * unknown)
        by_step = (chances * (coin + kind)).sum(dim=(1, 2))
        predictor = partial(self.predict, knows=name, chances=chances)
        return Rung(
            name=name,
            loss=float(by_step.mean()),
            knows=knows,
            predictor=self.probabilities if name == "all" else predictor,
            reach={"none": 0, "step": 0, "last bracket": 0}.get(name),
            by_step=tuple(float(loss) for loss in by_step) if finite else None,
            includes=includes,
        )

    @cached_property
    def _moves(self) -> NDArray[np.float64]:
        """The chance of each depth after each other one, (depths, depths)."""
        opens = self._opening.numpy()
        return np.diag(opens[:-1], 1) + np.diag(1 - opens[1:], -1)

    def _chances(self, num_steps: int, after: int = 0) -> Chances:
        """Return the chances at each step, `after` so many, of who has seen no bracket."""
        depth = torch.as_tensor(np.linalg.matrix_power(self._moves, after)[0])
        chances = torch.zeros(num_steps, 2, self.depth + 1, dtype=torch.float64)
        for now in chances:
            now[1, 1:] = (depth * self._opening)[:-1]
            now[0, :-1] = (depth * (1 - self._opening))[1:]
            depth = now.sum(dim=0)
        return chances

    @cached_property
    def _settled(self) -> Chances:
        """The chances at an even and at an odd step, of a stream that began long ago."""
        return self._chances(2, after=_FORGOTTEN)

    # --- memory -----------------------------------------------------------------------------

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best machines of M states lose for ever, where one more state helps.

        All of few states are tried. The floor takes a state for each stack: no two of them have the
        same future.
        """
        if not carried:
            return ()
        ladder, stacks = self.ladder(), sum(self.kinds**depth for depth in range(self.depth + 1))
        enough = (stacks, ladder.floor.loss) if stacks <= _STACKS else None
        return best_machines([ladder.ceiling.loss, *self._machine_losses[1:]], enough)

    @cached_property
    def _machine_losses(self) -> list[float]:
        """The loss of the best machine of 1, 2, ... states, as far as they can be tried."""
        stacks, most = sum(self.kinds**depth for depth in range(self.depth + 1)), 1
        while True:
            count = (most + 1) ** (self.output_size * (most + 1))
            if count > _MACHINES or count * 40 * ((most + 1) * stacks) ** 3 > _WORK:
                break
            most += 1
        if most == 1:
            return []
        source, empty = self._source()
        return source.machine_losses(most, start=empty)

    def _source(self) -> tuple[HiddenMarkov, NDArray[np.float64]]:
        """Return the same stream as a finite-state source, and its start."""
        depths = range(self.depth + 1)
        stacks = [stack for depth in depths for stack in product(range(self.kinds), repeat=depth)]
        number = {stack: place for place, stack in enumerate(stacks)}
        made = np.zeros((self.output_size, len(stacks), len(stacks)))
        for stack, place in number.items():
            opens = float(self._opening[len(stack)])
            for kind in range(self.kinds) if opens else ():
                made[kind, place, number[(*stack, kind)]] = opens / self.kinds
            if stack:
                made[self.kinds + stack[-1], place, number[stack[:-1]]] = 1 - opens
        return HiddenMarkov(made), np.eye(len(stacks))[0]


def _given(
    chances: Chances, exact: Float[Tensor, " depths"], knows: str
) -> Float[Tensor, "steps 2 depths"]:
    """Return the chance that a bracket opens for who knows so much, where all else is averaged."""
    over = {"none": (0, 1, 2), "step": (1, 2), "last bracket": (0, 2)}.get(knows)
    if over is None:
        return exact.expand_as(chances)
    weights = chances.sum(dim=over, keepdim=True)
    mean = (chances * exact).sum(dim=over, keepdim=True) / weights.clamp(min=1e-300)
    return mean.expand_as(chances)
