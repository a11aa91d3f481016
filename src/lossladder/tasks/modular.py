"""Modular: the value of an expression of numbers and signs, where x goes before + and -."""

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Generator, Tensor
from torch.nn import functional

from lossladder import checks
from lossladder.ladder import (
    Features,
    Ladder,
    Mark,
    Probabilities,
    Rung,
    best_machines,
    cross_entropy,
    entropy,
    worth_something,
)
from lossladder.ladder.machines import Strings
from lossladder.tasks.numbers_known import numbers_known
from lossladder.tasks.task import Draw, Task

_SIGNS = 3  # + - x, in this order
_MOST_TRIED = 4  # modulus: of more, machines of two states are too many
_LONGEST_FINITE = 2**16  # expressions that are kept in memory

Numbers = Integer[Tensor, "batch numbers"]
Places = Integer[Tensor, " any"]
Law = Float[Tensor, "*rest values"]


class Modular(Task):
    """The task to say what an expression is worth, modulo `modulus`.

        input   3  -  2  x  4  =         modulus=5: 3 - 8 = -5; the signs and = are 5 6 7 8
        target  .  .  .  .  .  0

    Numbers and signs are independent, each as likely as any other of its kind. Because x goes
    before + and -, it takes two numbers to go on: the sum of all terms that are complete, and the
    product that is still growing. There are a rung for each divisor d of the modulus, of who knows
    the value modulo d, and rungs of who knows the last numbers with the signs before them. None of
    one sort includes one of the other. The floor takes modulus**2 states (`memory`).

    Args:
        modulus: number of values, and of numbers.
        num_steps: tokens of the longest expression, its = among them: two for each number.
        mixed_lengths: True: how many numbers there are is uniform from 1 on; the rest of a row is
            padded with =. False: there are num_steps / 2.
    Raises:
        ValueError: if a number is out of range, or num_steps is odd.
    Source: Deletang et al. (2023), "Neural Networks and the Chomsky Hierarchy", and with mixed
        lengths and an = Beck et al. (2024), "xLSTM: Extended Long Short-Term Memory".

    >>> for rung in Modular(4, num_steps=6, mixed_lengths=False).ladder():
    ...     print(f"{rung.loss:.6f} {rung.name}")
    1.379964 none
    1.351228 last 1
    1.174499 last 2
    0.690293 mod 2
    0.000000 all
    """

    reach = None
    shape = "many_to_one"

    def __init__(self, modulus: int = 4, num_steps: int = 8, mixed_lengths: bool = True) -> None:
        self.modulus = self.output_size = checks.whole("modulus", modulus, 2, 64)
        # one number under two names: for tasks in general `num_steps` may be None
        self.length = self.num_steps = checks.whole("num_steps", num_steps, 4, 1024)
        if self.length % 2:
            raise ValueError(
                f"num_steps={num_steps}: must be even; each number has a sign or the = behind it"
            )
        self.mixed_lengths = checks.flag("mixed_lengths", mixed_lengths)
        self.encoding = torch.eye(self.modulus + _SIGNS + 1)

    # --- sampling ---------------------------------------------------------------------------

    def draw(self, generator: Generator, batch_size: int, num_steps: int) -> Draw:
        """Draw expressions; see `Task.draw`. An odd step more is padding."""
        size = batch_size, num_steps // 2
        numbers = torch.randint(self.modulus, size, generator=generator)
        signs = torch.randint(_SIGNS, size, generator=generator)
        counts = torch.full((batch_size,), size[1])
        if self.mixed_lengths and size[1]:
            counts = torch.randint(1, size[1] + 1, (batch_size,), generator=generator)
        return self._written(numbers, signs, counts, num_steps)

    def everything(self) -> Draw:
        """Return all expressions, if they are equally long and few."""
        count = self.length // 2
        size = self.modulus**count * _SIGNS ** (count - 1)
        if size > _LONGEST_FINITE or self.mixed_lengths:
            raise ValueError(
                f"task.modulus={self.modulus}, task.num_steps={self.length}, "
                f"task.mixed_lengths={self.mixed_lengths}: a finite set has up to "
                f"{_LONGEST_FINITE} expressions of one length; use data=fresh"
            )
        places, digits = torch.arange(size), list[Tensor]()
        for base in [self.modulus] * count + [_SIGNS] * (count - 1):
            digits.append(places % base)
            places = places // base
        numbers, signs = (
            torch.stack(digits[:count], 1),
            torch.stack([digits[0], *digits[count:]], 1),
        )
        return self._written(numbers, signs, torch.full((size,), count), self.length)

    def _written(
        self, numbers: Numbers, signs: Numbers, counts: Integer[Tensor, " batch"], num_steps: int
    ) -> Draw:
        """Return expressions of so many numbers, with the sign before each but the first."""
        equals = self.modulus + _SIGNS
        symbols = torch.full((len(numbers), num_steps), equals)
        symbols[:, : 2 * numbers.shape[1] : 2] = numbers
        symbols[:, 1 : 2 * numbers.shape[1] - 2 : 2] = self.modulus + signs[:, 1:]
        ends = (2 * counts - 1).clamp(min=0)[:, None]
        symbols[torch.arange(num_steps) >= ends] = equals
        values = self._values(symbols)
        return Draw(symbols.to(torch.uint8), values, torch.arange(num_steps) == ends)

    # --- reading ----------------------------------------------------------------------------

    def _split(self, symbols: Integer[Tensor, "batch time"]) -> tuple[Numbers, Numbers]:
        """Return the numbers, and the sign before each; before the first it is a plus."""
        numbers = symbols[:, ::2]
        numbers = torch.where(numbers < self.modulus, numbers, 0)
        signs = functional.pad((symbols[:, 1::2] - self.modulus).clamp(0, _SIGNS - 1), (1, 0))
        return numbers, signs[:, : numbers.shape[1]]

    def _values(self, symbols: Integer[Tensor, "batch time"]) -> Integer[Tensor, "batch time"]:
        """Return the value up to the last number, at each step."""
        numbers, signs = self._split(symbols)
        terms, growing = torch.zeros_like(numbers[:, 0]), torch.zeros_like(numbers[:, 0])
        values = torch.empty_like(numbers)
        for place in range(numbers.shape[1]):
            number, sign = numbers[:, place], signs[:, place]
            terms, growing = self._after(terms, growing, sign, number)
            values[:, place] = (terms + growing) % self.modulus
        return values.repeat_interleave(2, dim=1)[:, : symbols.shape[1]]

    def _after(
        self, terms: Places, growing: Places, signs: Places, numbers: Places | int
    ) -> tuple[Places, Places]:
        """Return the sum of complete terms and the growing product after a sign and a number."""
        times = signs == 2
        total = torch.where(times, terms, terms + growing)
        grown = torch.where(times, growing * numbers, numbers * (1 - 2 * signs))
        return total % self.modulus, grown % self.modulus

    def _window(self, numbers: Numbers, signs: Numbers, known: int) -> tuple[Numbers, Numbers]:
        """Return what the last `known` numbers up to each say, with the signs before them.

        Of those before, let the complete terms sum to s, and the growing product be p. Then the
        value is s + f p + v: the factor f and the part v are returned.
        """
        factor, terms, growing = (torch.full_like(numbers, start) for start in (1, 0, 0))
        begun = torch.zeros_like(numbers, dtype=torch.bool)
        for back in range(min(known, numbers.shape[1]) - 1, -1, -1):
            number, sign = (
                functional.pad(part, (back, 0))[:, : part.shape[1]] for part in (numbers, signs)
            )
            there = torch.arange(numbers.shape[1]) >= back
            times = there & (sign == 2)
            adds = there & (sign < 2)
            factor = torch.where(times & ~begun, factor * number % self.modulus, factor)
            terms = torch.where(adds, (terms + growing) % self.modulus, terms)
            growing = torch.where(times, growing * number % self.modulus, growing)
            growing = torch.where(adds, number * (1 - 2 * sign), growing)
            begun |= adds
        return factor, (terms + growing) % self.modulus

    # --- theory -----------------------------------------------------------------------------

    def probabilities(self, inputs: Features) -> Probabilities:
        """Return the exact probabilities of each value given the tokens so far: 0 or 1."""
        symbols = inputs.argmax(dim=-1)
        return (
            functional.one_hot(self._values(symbols.cpu()), self.modulus).double().to(inputs.device)
        )

    def predict(
        self, inputs: Features, known: int = 0, divisor: int = 1, always: Law | None = None
    ) -> Probabilities:
        """Return the probabilities of each value for a predictor that knows a part.

        Args:
            inputs: tokens from the start of an expression.
            known: how many of the last numbers it knows, with the signs before them.
            divisor: it knows the value modulo this.
            always: what it says if it does not even know how many numbers there are.
        """
        batch_size, num_steps = inputs.shape[:2]
        if always is not None:
            return always.to(inputs.device).expand(batch_size, num_steps, -1).clone()
        symbols = inputs.argmax(dim=-1).cpu()
        numbers, signs = self._split(symbols)
        count = numbers.shape[1]
        unseen = (torch.arange(1, count + 1) - known).clamp(min=0)
        factor, part = self._window(numbers, signs, known)
        # the law of s + f p, moved by v
        shift = (torch.arange(self.modulus) - part[..., None]) % self.modulus
        laws = _laws(self.modulus, count)[unseen, factor].gather(-1, shift)
        if divisor > 1:
            values = self._values(symbols)[:, ::2, None]
            alike = torch.arange(self.modulus) % divisor == values % divisor
            laws = torch.where(alike, laws, 0.0)
            laws = laws / laws.sum(dim=-1, keepdim=True)
        return laws.repeat_interleave(2, dim=1)[:, :num_steps].to(inputs.device)

    def ladder(self, num_steps: int | None = None, carried: bool = True) -> Ladder:
        """Return rungs by the last numbers known, and by divisors of the modulus."""
        steps = num_steps or self.length
        count = steps // 2
        # how many numbers there may be; of none at all, the value is 0
        counts = torch.arange(min(1, count) if self.mixed_lengths else count, count + 1)
        blind = _laws(self.modulus, count)[counts, 1]
        always = blind.mean(dim=0)
        price = cross_entropy(blind, always.log().expand_as(blind))
        rung = partial(self._rung, counts=counts, num_steps=steps)
        rungs = [
            rung("none", "only how often each value occurs", price, (), always=always),
            rung(
                "step",
                "only the step, and how often each value occurs there",
                entropy(blind),
                ("none",),
            ),
        ]
        for known in numbers_known(count)[1:-1]:
            many = "number and the sign" if known == 1 else f"{known} numbers and the signs"
            above = tuple(other.name for other in rungs)
            price = self._price(counts, known)
            rungs.append(
                rung(f"last {known}", f"the last {many} before", price, above, known=known)
            )
        for divisor in range(2, self.modulus):
            if self.modulus % divisor == 0:
                above = tuple(f"mod {d}" for d in range(2, divisor) if divisor % d == 0)
                # what is left is the entropy of the value less that of its remainder
                price = entropy(blind) - entropy(_folded(blind, divisor))
                knows, above = f"the value modulo {divisor}", ("none", "step", *above)
                rungs.append(rung(f"mod {divisor}", knows, price, above, divisor=divisor))
        floor = replace(
            rung("all", "every number and sign", torch.zeros_like(price), None, known=count),
            predictor=self.probabilities,
        )
        return Ladder([*worth_something(rungs, floor), floor])

    def _price(self, counts: Integer[Tensor, " lengths"], known: int) -> Float[Tensor, " lengths"]:
        """Return what expressions of so many numbers cost who knows the last ones."""
        of_factor = entropy(_laws(self.modulus, int(counts.max())))
        by_length = of_factor @ _factors(self.modulus, known)
        return torch.where(counts > known, by_length[(counts - known).clamp(min=0)], 0.0)

    def _rung(
        self,
        name: str,
        knows: str,
        price: Float[Tensor, " lengths"],
        includes: tuple[str, ...] | None,
        counts: Integer[Tensor, " lengths"],
        num_steps: int,
        known: int = 0,
        divisor: int = 1,
        always: Law | None = None,
    ) -> Rung:
        by_step = torch.zeros(num_steps, dtype=torch.float64)
        by_step[(2 * counts - 1).clamp(min=0)] = price
        return Rung(
            name=name,
            loss=float(price.mean()),
            knows=knows,
            predictor=partial(self.predict, known=known, divisor=divisor, always=always),
            # each number has a sign before it
            reach=None if divisor > 1 else 2 * known,
            by_step=tuple(float(loss) for loss in by_step),
            includes=includes,
        )

    def memory(self, num_steps: int | None = None, carried: bool = True) -> tuple[Mark, ...]:
        """Return what the best machines of M states lose, as far as they are tried; the floor's.

        They begin with each expression, and know no step that they have not counted.

        After a + b, the sum of the complete terms is a and the product b, and any two of these
        pairs differ in what they are worth if + 0 follows, or x 0. Nothing else need be kept: a
        sign changes the pair into sum and factor.
        """
        steps = num_steps or self.length
        enough = (self.modulus**2, 0.0) if steps >= 6 else None
        return best_machines(self._machine_losses(steps), enough)

    @lru_cache(maxsize=4)  # noqa: B019
    def _machine_losses(self, num_steps: int) -> list[float]:
        """Return the loss of the best machine of 1, 2, ... states, as far as they are tried."""
        if self.modulus > _MOST_TRIED:
            return [self.ladder(num_steps).ceiling.loss]
        size, number = self.modulus**2, torch.arange(self.modulus)
        # before a sign: sum of the complete terms and product; before a number the sign, too
        terms, growing = torch.cartesian_prod(number, number).T
        sign = torch.arange(_SIGNS).repeat_interleave(size)
        before, after = torch.arange(_SIGNS * size), torch.arange(size)
        signs = torch.zeros(self.modulus + _SIGNS, size, _SIGNS * size, dtype=torch.float64)
        numbers = torch.zeros(self.modulus + _SIGNS, _SIGNS * size, size, dtype=torch.float64)
        for read in range(self.modulus):
            total, grown = self._after(terms.repeat(_SIGNS), growing.repeat(_SIGNS), sign, read)
            numbers[read, before, total * self.modulus + grown] = 1 / self.modulus
        for read in range(_SIGNS):
            signs[self.modulus + read, after, read * size + after] = 1 / _SIGNS
        value = functional.one_hot((terms + growing) % self.modulus, self.modulus).double()
        last = num_steps // 2 - 1
        moves, asked = [numbers.numpy()], [value.numpy() * (self.mixed_lengths or last == 0)]
        for place in range(1, last + 1):
            moves += [signs.numpy(), numbers.numpy()]
            unasked = torch.zeros(_SIGNS * size, self.modulus, dtype=torch.float64)
            asked += [unasked.numpy(), value.numpy() * (self.mixed_lengths or place == last)]
        # the first number has a plus before it
        return Strings(moves, np.eye(_SIGNS * size)[0], asked).machine_losses()


def _folded(laws: Law, divisor: int) -> Float[Tensor, "*rest remainders"]:
    """Return the law of the value modulo a divisor."""
    return laws.view(*laws.shape[:-1], -1, divisor).sum(dim=-2)


@lru_cache(maxsize=8)
def _laws(modulus: int, count: int) -> Float[Tensor, "numbers factors values"]:
    """Return the law of s + f p after 0 ... count numbers, for each factor f.

    s is the sum of all terms that are complete, p the product that is growing.
    """
    number = torch.arange(modulus)
    # s + f p, of each s, p and f
    value = (number[:, None, None] + number[:, None] * number) % modulus
    times = functional.one_hot(number[:, None] * number % modulus, modulus).double().mean(dim=1)
    both = torch.zeros(modulus, modulus, dtype=torch.float64)  # s by p
    both[0, 0] = 1.0
    laws = torch.zeros(count + 1, modulus, modulus, dtype=torch.float64)
    for step, law in enumerate(laws):
        if step:
            # + or - completes a term and starts another, x lets it grow
            total = torch.zeros(modulus, dtype=torch.float64)
            total.index_add_(0, value[:, :, 1].flatten(), both.flatten())
            added = total[:, None].expand(-1, modulus) / modulus
            both = added if step == 1 else (2 * added + both @ times) / _SIGNS
        place = (number * modulus + value).flatten()
        law.view(-1).index_add_(0, place, both[..., None].expand_as(value).flatten())
    return laws


def _factors(modulus: int, known: int) -> Float[Tensor, " factors"]:
    """Return the law of the factor that the last numbers put before what came before them."""
    number = torch.arange(modulus)
    times = functional.one_hot(number[:, None] * number % modulus, modulus).double().mean(dim=1)
    growing = functional.one_hot(torch.tensor(1), modulus).double()
    ended = torch.zeros_like(growing)
    for _ in range(known):
        ended = ended + growing * 2 / _SIGNS
        growing = growing @ times / _SIGNS
    return ended + growing
