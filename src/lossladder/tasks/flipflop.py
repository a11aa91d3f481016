"""Flip-flop: what was written last?  One bit of memory, and much to be ignored."""

from functools import partial
from math import log

import torch
from jaxtyping import Bool, Float, Integer
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Predictor,
    Probabilities,
    Rung,
    bag_entropy,
    binary_entropy,
)
from lossladder.tasks.numbers_known import powers_below
from lossladder.tasks.task import Draw, Task

_WRITE, _IGNORE, _READ = 2, 3, 4  # 0 and 1 are the bits
_CLOSE = 1e-3  # nats that a longer window could still gain and that make no rung


class FlipFlop(Task):
    """The task to say which bit was written last, where most bits are to be ignored.

        input   w 1 i 0 i 0 r 1 w 0 i 1 r     instructions=7, each with its bit behind it
        target  . . . . . . 1 . . . . . 0     every_read=False: the last one only

    The first instruction writes, the last one reads, and each of the others ignores with a chance
    p, else writes or reads, equally likely. Bits that are written or ignored are fair coins; a read
    shows the bit that was written last, right after it was to be said. So a window of the last w
    instructions is of no use where all of them ignore, and its loss is ln 2 p^w. Who counts the
    writes and forgets their order, as evenly spread attention does, has another rung that is no
    part of the windows.

    Args:
        instructions: in a string; it has 2 * instructions - 1 time steps.
        ignore: chance that an instruction ignores, p.
        every_read: True: every read is scored. False: the last one only.
    Raises:
        ValueError: if there are fewer than 2 instructions, or ignore is no chance.
    Source: Liu et al. (2023), "Exposing Attention Glitches with Flip-Flop Language Modeling".

    >>> for rung in FlipFlop(24, every_read=False).ladder(): print(f"{rung.loss:.9f} {rung.name}")
    0.693147181 none
    0.673011667 last bit
    0.554517744 last 1
    0.443614196 last 2
    0.430993965 writes
    0.283913085 last 4
    0.116290800 last 8
    0.019510359 last 16
    0.000000000 all
    """

    reach = None
    output_size = 2
    encoding = torch.eye(5)

    def __init__(
        self, instructions: int = 16, ignore: float = 0.8, every_read: bool = True
    ) -> None:
        self.instructions = checks.whole("instructions", instructions, at_least=2)
        self.ignore = checks.chance("ignore", ignore)
        self.every_read = checks.flag("every_read", every_read)
        # one number under two names: for tasks in general `num_steps` may be None
        self.num_steps = self._steps = 2 * self.instructions - 1
        many = self.every_read and self.instructions > 2 and self.ignore < 1
        self.shape = "many_to_many" if many else "many_to_one"

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw instructions and bits; see `Task.draw`."""
        checks.length(num_steps, own=self._steps)
        size = batch_size, self.instructions
        chance = torch.rand(size, generator=generator, dtype=torch.float64)
        bits = torch.randint(2, size, generator=generator)
        # what is not ignored is written or read, half and half
        does = torch.where(chance < self.ignore, _IGNORE, _READ)
        does = torch.where(chance >= (1 + self.ignore) / 2, _WRITE, does)
        does[:, 0], does[:, -1] = _WRITE, _READ
        written = bits.gather(1, _last(does == _WRITE))
        shown = torch.where(does == _READ, written, bits)
        # the last bit is to be said, and no longer shown
        symbols = torch.stack([does, shown], dim=2).flatten(1)[:, :-1].to(torch.uint8)
        targets, scored = torch.zeros_like(symbols), torch.zeros_like(symbols, dtype=torch.bool)
        targets[:, ::2] = written.to(torch.uint8)
        scored[:, ::2] = does == _READ
        if not self.every_read:
            scored[:, :-1] = False
        return Draw(symbols, targets, scored)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each bit that is read: 0 or 1."""
        return self.predict(inputs, known=self.instructions)

    def predict(self, inputs: Features, known: int) -> Probabilities:
        """Return the probabilities of the bit given only the last `known` instructions."""
        does, ones = _read(inputs)
        shows = (does == _WRITE) | (does == _READ)
        place = _last(shows)
        steps = torch.arange(shows.shape[1], device=inputs.device)
        # of an instruction before the one at hand, and not too far back
        inside = shows.cumsum(dim=1).bool() & (place > steps - known)
        sure = torch.where(inside, ones.gather(1, place).double(), 0.5)
        return self._each_step(inputs, sure)

    def predict_last_bit(self, inputs: Features) -> Probabilities:
        """Return the probabilities given only the last bit, whatever was to be done with it."""
        _, ones = _read(inputs)
        right = self._right.to(inputs.device)[: ones.shape[1]]
        return self._each_step(inputs, torch.where(ones, right, 1 - right))

    def predict_writes(self, inputs: Features) -> Probabilities:
        """Return the probabilities given the number of zeros and ones written."""
        does, ones = _read(inputs)
        writes = does == _WRITE
        of_all = writes.cumsum(dim=1).double()
        share = (writes & ones).cumsum(dim=1) / of_all.clamp(min=1)
        return self._each_step(inputs, torch.where(of_all > 0, share, 0.5))

    def _each_step(self, inputs: Features, one: Float[Tensor, "batch bits"]) -> Probabilities:
        """Return laws of all steps, given the chance of a one after each instruction."""
        chance = torch.full(inputs.shape[:2], 0.5, dtype=torch.float64, device=inputs.device)
        reads = chance[:, 2::2]
        chance[:, 2::2] = one[:, : reads.shape[1]]
        return torch.stack([1 - chance, chance], dim=-1)

    @property
    def _right(self) -> Float[Tensor, " instructions"]:
        """The chance that the bit of each instruction is the one written last."""
        right = torch.full((self.instructions,), 1 - self.ignore / 2, dtype=torch.float64)
        right[0] = 1.0
        return right

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs by the last instructions known, and two that know something else."""
        checks.length(num_steps or self._steps, own=self._steps)
        count = self.instructions
        fair = torch.full((count - 1,), log(2), dtype=torch.float64)
        windows = [(k, self._window_losses(k)) for k in powers_below(count - 1)]
        rungs = [self._rung("none", "nothing but the rule", fair, self._always, 0)]
        bit = binary_entropy(self._right[:-1])
        words = "the last bit, and not whether it was to be ignored"
        # where a bit that is written or read is as rare as this, it says nothing
        informs = self.ignore > 0 and self._mean(bit) < log(2) - 1e-9
        if informs:
            rungs.append(self._rung("last bit", words, bit, self.predict_last_bit, 1, ("none",)))
        includes = ["none", *(["last bit"] if informs else [])]
        for known, losses in windows:
            # worth nothing where all is ignored, and as good as all where much is seen
            if not _CLOSE < self._mean(losses) < log(2) - 1e-9:
                continue
            words = "the last instruction" if known == 1 else f"the last {known} instructions"
            predictor, reach = partial(self.predict, known=known), 2 * known
            name = f"last {known}"
            rungs.append(
                self._rung(name, f"{words} only", losses, predictor, reach, tuple(includes))
            )
            includes.append(name)
        writes = self._writes_losses()
        if self._mean(writes) > _CLOSE:
            words = "how many zeros and ones were written, and not when"
            rungs.append(self._rung("writes", words, writes, self.predict_writes, None, ("none",)))
        rungs.append(self._rung("all", "every instruction", 0 * fair, self.probabilities, None))
        return Ladder(rungs)

    def _rung(
        self,
        name: str,
        knows: str,
        losses: Float[Tensor, " reads"],
        predictor: Predictor,
        reach: int | None,
        includes: tuple[str, ...] | None = None,
    ) -> Rung:
        """Return a rung, given what a read costs at each instruction but the first."""
        before, costs = log(2), [float(loss) for loss in losses]
        return Rung(
            name=name,
            loss=self._mean(losses),
            knows=knows,
            predictor=predictor,
            reach=reach,
            # at a bit nothing is asked
            by_step=(before, *(cost for each in costs for cost in (before, each))),
            includes=includes,
        )

    def _mean(self, losses: Float[Tensor, " reads"]) -> float:
        reads = torch.full_like(losses, (1 - self.ignore) / 2 if self.every_read else 0.0)
        reads[-1] = 1.0
        return float(losses @ reads / reads.sum())

    def loss_knowing(self, known: int) -> float:
        """Return the loss of the best predictor that knows the last `known` instructions only.

        >>> round(FlipFlop(24, every_read=False).loss_knowing(3), 6)
        0.354891
        """
        return self._mean(self._window_losses(known))

    def _always(self, inputs: Features) -> Probabilities:
        return torch.full((*inputs.shape[:2], 2), 0.5, dtype=torch.float64, device=inputs.device)

    def _window_losses(self, known: int) -> Float[Tensor, " reads"]:
        """Return ln 2 where all that is seen may be ignored, and 0 where the first write is."""
        at = torch.arange(1, self.instructions)
        return log(2) * self.ignore**known * (at > known).double()

    def _writes_losses(self) -> Float[Tensor, " reads"]:
        """Return the mean entropy of one of the bits written, which all may be the last."""
        write = (1 - self.ignore) / 2
        of_bag = torch.tensor(
            [bag_entropy(count, 2) for count in range(1, self.instructions)], dtype=torch.float64
        )
        # the number of writes after the first: one instruction more, one write more or not
        law = torch.zeros_like(of_bag)
        law[0] = 1.0
        losses: list[Tensor] = []
        for _ in range(1, self.instructions):
            losses.append(law @ of_bag)
            law = (1 - write) * law + write * law.roll(1)
        return torch.stack(losses)


def _last(marked: Bool[Tensor, "batch places"]) -> Integer[Tensor, "batch places"]:
    """Return the last place so far that is marked; 0 where none is."""
    places = torch.arange(marked.shape[1], device=marked.device)
    return torch.where(marked, places, 0).cummax(dim=1).values


def _read(inputs: Features) -> tuple[Integer[Tensor, "batch bits"], Bool[Tensor, "batch bits"]]:
    """Return the instructions that have their bit, and whether it is a one."""
    symbols = inputs.argmax(dim=-1)
    ones = symbols[:, 1::2] == 1
    return symbols[:, ::2][:, : ones.shape[1]], ones
