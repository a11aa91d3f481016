"""Bits whose chance depends on past ones at some lags: what echo and xor_lags share."""

from collections.abc import Sequence
from functools import cached_property, partial
from itertools import chain, combinations, pairwise

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from torch import Generator, Tensor

from lossladder import checks
from lossladder.ladder import Features, Ladder, Probabilities, Rung, binary_entropy
from lossladder.tasks import bits
from lossladder.tasks.task import Draw, StreamTask

Lags = tuple[int, ...]
MOST_LAGS = 10  # the cost of rungs and of drawing doubles with each


class LaggedBits(StreamTask):
    """The chance that a target is a one is looked up by the inputs at some lags.

    Who sees some of the lags, and not the others, predicts the mean chance over those: a rung for
    every subset, unless a task has fewer (`known`).

    Args:
        lags: in time steps, ascending.
        chances: of a one after each history, whose most significant bit is the first lag.
        chance_of_one: chance of a one in the input.
    """

    shape = "many_to_many"
    independent_inputs = True
    output_size = 2
    encoding = torch.eye(2)

    def __init__(
        self, lags: Sequence[int], chances: NDArray[np.float64], chance_of_one: float
    ) -> None:
        self.lags: Lags = tuple(lags)
        self.chances = chances
        self.chance_of_one = checks.chance("chance_of_one", chance_of_one)
        # one number under two names: for tasks in general `reach` may be None
        self.longest_lag = self.reach = max(self.lags, default=0)
        self._input_bits = bits.resolution(np.array([self.chance_of_one]))
        self._target_bits = bits.resolution(self.chances)

    # --- sampling ---------------------------------------------------------------------------

    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Integer[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw inputs and targets; see `StreamTask.draw`."""
        # chances of few binary digits, such as the default ones, are drawn ten times faster
        if self._input_bits is not None and self._target_bits is not None:
            fine = self._input_bits, self._target_bits
            return self._draw_packed(generator, batch_size, num_steps, past, *fine)
        if past is None:
            # a stream has always been going on: its first steps see inputs too, which stay hidden
            past = bits.coins(generator, self.chance_of_one, batch_size, self.longest_lag)
        inputs = bits.coins(generator, self.chance_of_one, batch_size, num_steps)
        ones = torch.cat([past, inputs], dim=1)
        return Draw(inputs, self._targets(generator, ones, num_steps), None, ones[:, num_steps:])

    def _targets(
        self, generator: Generator, ones: Integer[Tensor, "batch all"], num_steps: int
    ) -> Integer[Tensor, "batch time"]:
        """Draw targets for any chances: look each up, compare it with a uniform number."""
        # the history as a number in binary, which is its place in `chances`
        history = torch.zeros(len(ones), num_steps, dtype=torch.long)
        for lag in self.lags:
            # `ones` begins `longest_lag` steps before the first target
            start = self.longest_lag - lag
            history = 2 * history + ones[:, start : start + num_steps]
        uniform = torch.rand(history.shape, generator=generator, dtype=torch.float64)
        return (uniform < torch.as_tensor(self.chances)[history]).to(torch.uint8)

    def _draw_packed(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Integer[Tensor, "batch known"] | None,
        input_bits: int,
        target_bits: int,
    ) -> Draw:
        """Draw where all chances have few binary digits: the same comparison, bit by bit.

        A byte holds a step of eight sequences, so that one logic operation compares eight numbers.
        """

        def coins(steps: int) -> bits.Packed:
            chance = self.chance_of_one
            return bits.packed_coins(generator, chance, input_bits, batch_size, steps)

        # a stream has always been going on, as in `draw`
        before = coins(self.longest_lag) if past is None else bits.pack(past)
        inputs = coins(num_steps)
        planes = bits.random_planes(generator, target_bits, num_steps, batch_size)
        ones = np.concatenate([before, inputs])
        # A coin for each history, all from the same random number; then each lag, from the last,
        # picks one of two: zero where x is 0, one where it is 1.
        targets = [bits.below(planes, round(c * 2**target_bits)) for c in self.chances]
        for start in reversed([self.longest_lag - lag for lag in self.lags]):
            x = ones[start : start + num_steps]
            pairs = zip(targets[::2], targets[1::2], strict=True)
            targets = [zero ^ (x & (zero ^ one)) for zero, one in pairs]
        drawn, after = bits.unpack(inputs, batch_size), bits.unpack(ones[num_steps:], batch_size)
        return Draw(drawn, bits.unpack(targets[0], batch_size), None, after)

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each target given the inputs so far, float64."""
        return self.predict(inputs, self.lags)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return a rung for every subset of the lags in `known`.

        Without carried state the first steps see fewer lags: `by_step` says what each can reach.

        >>> from lossladder.tasks import Echo
        >>> floor = Echo().ladder(num_steps=10, carried=False).floor
        >>> [round(loss, 4) for loss in floor.by_step]
        [0.6616, 0.6616, 0.6616, 0.5192, 0.5192, 0.5192, 0.5192, 0.5192, 0.4545, 0.4545]
        >>> round(floor.loss, 6)
        0.548943
        """
        # in an endless stream the first steps count for nothing, in a window they are its start
        starts_bare = num_steps is not None and not carried
        return Ladder(
            [self._rung(known, num_steps if starts_bare else None) for known in self.known]
        )

    @cached_property
    def known(self) -> dict[Lags, str]:
        """The subsets of the lags that make rungs, those of fewer lags first, and their names."""
        return {known: _words(known)[0] for known in self._losses_by_subset}

    def _rung(self, known: Lags, num_steps: int | None) -> Rung:
        by_step = None
        if num_steps is not None:
            # from step `longest_lag` on everything is in sight, and every step costs the same
            first = range(min(num_steps, self.longest_lag + 1))
            losses = [self.loss_knowing(_visible(known, step)) for step in first]
            by_step = (*losses, *losses[-1:] * (num_steps - len(losses)))
        name, knows = _words(known)
        fewer = chain.from_iterable(combinations(known, size) for size in range(len(known)))
        return Rung(
            name=name,
            loss=self.loss_knowing(known) if by_step is None else sum(by_step) / len(by_step),
            knows=knows,
            predictor=partial(self.predict, known=known),
            reach=max(known, default=0),
            by_step=by_step,
            includes=tuple(self.known[lags] for lags in fewer if lags in self.known),
        )

    def loss_knowing(self, known: Lags) -> float:
        """Return the expected loss of the best predictor that sees the inputs at `known` lags.

        It is the sum over histories at these lags of P(history) h(E[chance | history]), in nats,
        with h the binary entropy: the best guess is the mean chance, over all that is not seen.

        >>> from lossladder.tasks import Echo
        >>> round(Echo().loss_knowing((8,)), 12)
        0.627741162589
        """
        return self._losses_by_subset[known]

    # kept, because rungs share subsets, of which ten lags have 1024
    @cached_property
    def _losses_by_subset(self) -> dict[Lags, float]:
        losses: dict[Lags, float] = {}
        for size in range(len(self.lags) + 1):
            for known in combinations(self.lags, size):
                weights = torch.ones((), dtype=torch.float64)
                # inputs are independent: P(history) is a product, an axis a lag
                for _ in known:
                    weights = weights[..., None] * self._input_probabilities
                losses[known] = float((weights * binary_entropy(self.chance_given(known))).sum())
        return losses

    @property
    def _input_probabilities(self) -> Float[Tensor, "2"]:
        return torch.tensor([1 - self.chance_of_one, self.chance_of_one], dtype=torch.float64)

    def chance_given(self, known: Lags) -> Float[Tensor, "..."]:
        """Return the chance of a one given the inputs at `known` lags: an axis of size 2 a lag."""
        chances = torch.as_tensor(self.chances).view((2,) * len(self.lags))
        for axis in reversed(range(len(self.lags))):
            if self.lags[axis] not in known:
                # the mean over what is not seen
                chances = chances.movedim(axis, -1) @ self._input_probabilities
        return chances

    def predict(self, inputs: Features, known: Lags) -> Probabilities:
        """Return the probabilities of each target given only the inputs at `known` lags."""
        ones = inputs[..., 1].long()
        num_steps = ones.shape[1]
        chance = torch.empty(ones.shape, dtype=torch.float64, device=ones.device)
        # between two edges every step sees the same lags, so that one table serves them all
        edges = sorted({0, *(lag for lag in known if lag < num_steps), num_steps})
        for first, last in pairwise(edges):
            seen = _visible(known, first)
            table = self.chance_given(seen).to(ones.device)
            chance[:, first:last] = table[tuple(ones[:, first - lag : last - lag] for lag in seen)]
        return torch.stack([1 - chance, chance], dim=-1)


def _visible(known: Lags, step: int) -> Lags:
    """Return the lags that reach no further back than the start of the sequence."""
    return tuple(lag for lag in known if lag <= step)


def _words(known: Lags) -> tuple[str, str]:
    """Return the name of a rung, and what its predictor knows."""
    if not known:
        return "none", "only how often each target occurs"
    if len(known) == 1:
        where = {0: "now", 1: "1 step back"}.get(known[0], f"{known[0]} steps back")
        return f"lag {known[0]}", f"the input {where}"
    lags = f"{', '.join(map(str, known[:-1]))} and {known[-1]}"
    return f"lags {lags}", f"the inputs {lags} steps back"
