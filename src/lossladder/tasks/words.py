"""Words: the running product of the letters of a group, from its start."""

import math
from dataclasses import replace
from functools import cached_property, lru_cache, partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Probabilities,
    Rung,
    cross_entropy,
    divergence,
    entropy,
    of_states,
)
from lossladder.tasks.groups import FiniteGroup, Subgroup, group
from lossladder.tasks.task import Draw, StreamTask

_LETTERS = ("all", "generators", "lazy")
_FORGOTTEN = 2**20  # steps after which the start tells no more than what repeats for ever

Laws = Float[Tensor, "steps elements"]


class Words(StreamTask):
    """The task to say which element of a group the letters so far multiply to.

        letter   (12) (123)  e   (23)            group=S3, product from left to right
        product  (12) (23)  (23)  e

    Letters are independent, and the product starts from the identity. Who tracks only which right
    coset H g of a subgroup the product lies in is left with the logarithm of the order of H: a rung
    for each conjugacy class of subgroups, and no order between those of which neither lies in the
    other. That takes a state for each coset, and no predictor of fewer states does as well for
    ever (`memory`). In a long stream there is nothing between the rungs.

    Args:
        group: Z_m, D_n, S_n or A_n, or several with an x between them: S3, Z6, Z2xZ2.
        letters: all: every element of the group, the identity too, equally likely; generators:
            neighbours that change places, for S_n, and what is usual for the others; lazy: the
            identity half of the time, else a generator.
    Raises:
        ValueError: if there is no such group, or its letters are all the same.
    Source: Barrington (1989), and Liu et al. (2023), "Transformers Learn Shortcuts to Automata".

    >>> for rung in Words("S3").ladder(): print(f"{rung.loss:.6f} {rung.name}")
    1.791759 none
    1.098612 sign
    0.693147 one point
    0.000000 all
    """

    shape = "many_to_many"
    reach = None
    independent_inputs = True

    def __init__(self, group: str = "S3", letters: str = "all") -> None:
        self._group = _made(group)
        self.group = self._group.name
        self.letters = checks.one_of("letters", letters, _LETTERS)
        self.output_size = len(self._group)
        # chance of each element, and the elements that come as letters
        self._chances = _letter_chances(self._group, letters)
        self._letters = np.flatnonzero(self._chances)
        if len(self._letters) < 2:
            raise ValueError(
                f"letters={letters!r}: group {self.group} has a single one; must be all or lazy"
            )
        self.encoding = torch.eye(len(self._letters))

    @property
    def warm_up(self) -> int:
        """See `StreamTask.warm_up`: what is known of the start helps for long, and not for ever."""
        return 1024

    # --- sampling ---------------------------------------------------------------------------

    def draw(
        self,
        generator: Generator,
        batch_size: int,
        num_steps: int,
        past: Integer[Tensor, "batch known"] | None = None,
    ) -> Draw:
        """Draw letters, and multiply them; see `StreamTask.draw`."""
        # time by time, so that the batch is contiguous, as the engines read it
        if self.letters == "all":
            size, byte = (num_steps, batch_size), torch.uint8
            symbols = torch.randint(self.output_size, size, generator=generator, dtype=byte).T
        else:
            weights = torch.as_tensor(self._chances[self._letters])
            drawn = weights.multinomial(num_steps * batch_size, True, generator=generator)
            symbols = drawn.view(num_steps, batch_size).to(torch.uint8).T
        start = torch.zeros(batch_size, 1, dtype=torch.long) if past is None else past
        products = self._products(symbols, start[:, 0])
        return Draw(symbols, products, None, products[:, -1:].long())

    def _products(
        self, symbols: Integer[Tensor, "batch time"], start: Integer[Tensor, " batch"]
    ) -> Integer[Tensor, "batch time"]:
        """Return the product so far at each step."""
        letters, now = symbols.T.numpy(), start.numpy()
        products = np.empty(letters.shape, dtype=np.uint8)
        for step, letter in enumerate(letters):
            now = products[step] = self._after[letter, now]
        return torch.as_tensor(products).T

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each product given the letters so far: 0 or 1."""
        return functional.one_hot(self._read(inputs), self.output_size).double()

    def _read(self, inputs: Features) -> Integer[Tensor, "batch time"]:
        """Return the product at each step of encoded letters, from the start of a stream."""
        symbols = inputs.argmax(dim=-1).cpu()
        start = torch.zeros(len(symbols), dtype=torch.long)
        return self._products(symbols, start).long()

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return the best constant, then a rung for each conjugacy class of subgroups.

        Unless all letters are equally likely, every product there is has a chance that depends on
        the step. To know that is a rung, and part of all below it.
        """
        laws = self._settled if num_steps is None or carried else self._laws(num_steps)
        finite = num_steps is not None and not carried
        none, *others = self._group.subgroups
        always = laws.mean(dim=0)
        rungs = [self._rung(none, laws, finite, always=always)]
        if not torch.allclose(laws, always):
            step = "only the step, and how often each target occurs there"
            rungs.append(self._rung(replace(none, name="step", knows=step), laws, finite))
        kept = [none]
        for subgroup in others:
            above = [rung.name for rung in rungs[:2] if rung.name == "step"]
            above += [known.name for known in kept if self._group.contains(known, subgroup)]
            rung = self._rung(subgroup, laws, finite, includes=tuple(above))
            # where the step tells as much, it is no rung of its own
            if all(rung.loss < other.loss - 1e-9 for other in rungs if other.name in above):
                rungs.append(rung)
                kept.append(subgroup)
        return Ladder(rungs)

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best predictors of M states lose for ever, where one more state helps.

        It is the logarithm of the order of the smallest subgroup that has at most M right cosets.
        That is proved where every element comes as a letter, and for streams without end.
        """
        marks: list[Mark] = []
        for subgroup in self._group.subgroups if self.letters == "all" and carried else ():
            loss, states = math.log(subgroup.order), len(self._group) // subgroup.order
            if not marks or loss < marks[-1].loss:
                marks.append(of_states(states, loss))
        return tuple(marks)

    def _rung(
        self,
        of: Subgroup,
        laws: Laws,
        finite: bool,
        always: Float[Tensor, " elements"] | None = None,
        includes: tuple[str, ...] | None = None,
    ) -> Rung:
        """Return the rung of who knows a coset and the step; or, with `always`, neither."""
        if always is None:
            # what is left is the entropy of the product less that of its coset
            of_coset = torch.as_tensor(self._group.cosets(of.elements))
            by_step = entropy(laws) - entropy(laws @ functional.one_hot(of_coset).double())
        else:
            by_step = cross_entropy(laws, always.log().expand_as(laws))
        return Rung(
            name=of.name,
            loss=float(by_step.mean()),
            knows=of.knows,
            predictor=partial(self.predict, known=of.elements, always=always),
            reach=0 if of.order == len(self._group) else None,
            by_step=tuple(float(loss) for loss in by_step) if finite else None,
            includes=includes,
            twins=tuple(partial(self.predict, known=each) for each in of.conjugates),
            # of a large group there are a hundred ways to know a coset
            divergences=None if always is not None else partial(self._divergences, of=of),
        )

    def _divergences(
        self,
        inputs: Features,
        prediction: Float[Tensor, "batch time elements"],
        scored: Bool[Tensor, "batch time"],
        of: Subgroup,
    ) -> Float[Tensor, "ways steps"]:
        """Return how far log-probabilities are from those of who knows a coset; see `Rung`.

        Only the elements of the coset are looked at, all others being impossible.
        """
        table = torch.as_tensor(self._group.table)
        reached, step = self._read(inputs)[scored.cpu()], scored.cpu().nonzero()[:, 1]
        laws, predicted = self._laws(inputs.shape[1]), prediction[scored].cpu()
        ways: list[Tensor] = []
        for known in (of.elements, *of.conjugates):
            coset = table[sorted(known)][:, reached].T  # (steps, elements of a coset)
            chances = laws[step[:, None], coset]
            chances /= chances.sum(dim=1, keepdim=True)
            ways.append(divergence(chances, predicted.gather(1, coset)))
        return torch.stack(ways)

    def predict(
        self,
        inputs: Features,
        known: frozenset[int],
        always: Float[Tensor, " elements"] | None = None,
    ) -> Probabilities:
        """Return the probabilities of each product given its right coset of a subgroup.

        Args:
            inputs: letters from the start of a stream.
            known: elements of the subgroup.
            always: probabilities of a product of which nothing is known; None: those of each step.
        """
        batch_size, num_steps = inputs.shape[:2]
        blind = self._laws(num_steps) if always is None else always.expand(num_steps, -1)
        blind = blind.to(inputs.device).expand(batch_size, -1, -1)
        if len(known) == self.output_size:
            return blind.clone()
        of_coset = torch.as_tensor(self._group.cosets(known), device=inputs.device)
        same = of_coset[self._read(inputs)][..., None] == of_coset
        inside = torch.where(same, blind, 0.0)
        return inside / inside.sum(dim=-1, keepdim=True)

    # kept, because every predictor asks for the same ones
    @lru_cache(maxsize=4)  # noqa: B019
    def _laws(self, num_steps: int, after: int = 0) -> Laws:
        """Return the law of the product at each step, `after` so many, knowing no letter."""
        law = self._moves.matrix_power(after)[0]
        laws: list[Tensor] = []
        for _ in range(num_steps):
            law = law @ self._moves
            laws.append(law)
        return torch.stack(laws)

    @cached_property
    def _after(self) -> NDArray[np.uint8]:
        """The product after each letter, (letters, products before it)."""
        return np.ascontiguousarray(self._group.table[:, self._letters].T).astype(np.uint8)

    @cached_property
    def _moves(self) -> Float[Tensor, "elements elements"]:
        """The chance of each product after each other one."""
        count = len(self._group)
        moves = torch.zeros(count, count, dtype=torch.float64)
        for letter in self._letters:
            moves[torch.arange(count), self._group.table[:, letter]] += self._chances[letter]
        return moves

    @cached_property
    def _settled(self) -> Laws:
        """The laws of the steps of a stream that began long ago, until they repeat."""
        laws = self._laws(self.output_size + 1, after=_FORGOTTEN)
        again = (laws[1:] - laws[0]).abs().amax(dim=1) < 1e-9
        return laws[: int(again.int().argmax()) + 1]


def _made(name: object) -> FiniteGroup:
    if not isinstance(name, str):
        raise ValueError(f"group={name!r}: must be a name like S3, Z6 or Z2xZ2")
    return group(name)


def _letter_chances(of: FiniteGroup, letters: str) -> NDArray[np.float64]:
    chances = np.zeros(len(of))
    if letters == "all":
        chances += 1 / len(of)
    else:
        chances[list(of.generators)] = 1 / len(of.generators)
        if letters == "lazy":
            chances /= 2
            chances[0] += 0.5
    return chances
