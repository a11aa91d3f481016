"""Finite groups by name: their tables, and their subgroups up to conjugacy."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations, product
from math import factorial

import numpy as np
from numpy.typing import NDArray

LARGEST = 120  # elements; S5 and A5 x Z2
_FACTOR = re.compile(r"([ZDSA])(\d+)")

Table = NDArray[np.int64]  # (elements, elements): the place of each product
Elements = frozenset[int]


@dataclass(frozen=True)
class Subgroup:
    """A subgroup, which stands for all its conjugates.

    Args:
        name: short, of what its right cosets tell of an element.
        knows: the same in plain words.
        elements: its places in the table.
        conjugates: the elements of the others.
    """

    name: str
    knows: str
    elements: Elements
    conjugates: tuple[Elements, ...] = ()

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.elements)


class FiniteGroup:
    """A finite group of at most 120 elements, the identity first.

    Products are read from left to right: of permutations, the left one moves first.

    Args:
        name: Z_m cyclic, D_n with its n rotations and n reflections, S_n of all permutations, A_n
            of the even ones, or several of these with an x between them: Z6, D4, S3, A5, Z2xZ2.
    Raises:
        ValueError: if there is no such group, or it is too large.

    >>> s3 = FiniteGroup("S3")
    >>> len(s3), s3.is_abelian, [(h.name, h.order) for h in s3.subgroups]
    (6, False, [('none', 6), ('sign', 3), ('one point', 2), ('all', 1)])
    """

    def __init__(self, name: str) -> None:
        parts = [_FACTOR.fullmatch(part) for part in str(name).split("x")]
        if None in parts:
            raise ValueError(
                f"group={name!r}: must be Z, D, S or A with a number, or several with an x between "
                "them: Z6, D4, S3, A5, Z2xZ2"
            )
        factors = [(part[1], int(part[2])) for part in parts if part is not None]
        size = 1
        for kind, number in factors:
            size *= _size(kind, number)
        if size > LARGEST or size < 2:
            raise ValueError(f"group={name!r}: has {size} elements; must have from 2 to {LARGEST}")
        self.name = str(name)
        made = [_factor(kind, number) for kind, number in factors]
        # an element is one of each factor
        self._parts = list(product(*(range(len(table)) for table, _, _ in made)))
        place = {parts: index for index, parts in enumerate(self._parts)}
        self.table: Table = np.array(
            [
                [
                    place[tuple(int(t[a, b]) for (t, _, _), a, b in zip(made, p, q, strict=True))]
                    for q in self._parts
                ]
                for p in self._parts
            ]
        )
        self.generators = tuple(
            place[tuple(g if k == factor else 0 for k in range(len(made)))]
            for factor, (_, generators, _) in enumerate(made)
            for g in generators
        )
        # what moves what in the plane, on the line, or among points: see `reflections`
        self._reflections = [
            _reflections(kind, number, moves)
            for (kind, number), (_, _, moves) in zip(factors, made, strict=True)
        ]
        self.dimension = sum(
            number if kind in "SA" else 1 if (kind, number) == ("Z", 2) else 2
            for kind, number in factors
        )
        # of a single factor of permutations, where each moves its points
        self._moves = made[0][2] if len(made) == 1 else None
        self._kind, self._number = factors[0] if len(factors) == 1 else ("", 0)

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def inverse(self) -> NDArray[np.int64]:
        """The place of the inverse of each element."""
        return np.argwhere(self.table == 0)[:, 1]

    @property
    def is_abelian(self) -> bool:
        """Whether the order of a product does not matter."""
        return bool((self.table == self.table.T).all())

    def generated(self, elements: Iterable[int]) -> Elements:
        """Return the least subgroup that has these elements."""
        found = np.unique([0, *elements])
        while True:
            more = np.unique(self.table[np.ix_(found, found)])
            if len(more) == len(found):
                return frozenset(found.tolist())
            found = more

    def conjugates(self, subgroup: Elements) -> tuple[Elements, ...]:
        """Return a subgroup and its conjugates, each once; a normal one stands alone."""
        members = np.array(sorted(subgroup))
        moved = {
            frozenset(self.table[self.table[self.inverse[g], members], g].tolist())
            for g in range(len(self))
        }
        return (subgroup, *sorted(moved - {subgroup}, key=sorted))

    def cosets(self, subgroup: Elements) -> NDArray[np.int64]:
        """Return the number of the right coset H g that each element lies in."""
        members = np.array(sorted(subgroup))
        first = self.table[members].min(axis=0)
        return np.unique(first, return_inverse=True)[1]

    # --- what is left when a kind of quotient is taken ---------------------------------------

    def core(self, subgroup: Elements) -> Elements:
        """Return the largest normal subgroup inside: what all conjugates have in common.

        >>> s3 = FiniteGroup("S3")
        >>> [len(s3.core(h.elements)) for h in s3.subgroups]
        [6, 3, 1, 1]
        """
        found = subgroup
        for each in self.conjugates(subgroup):
            found &= each
        return found

    def normal_closure(self, elements: Iterable[int]) -> Elements:
        """Return the least normal subgroup that has these elements."""
        members = np.unique([0, *elements])
        moved = self.table[self.table[self.inverse][:, members], np.arange(len(self))[:, None]]
        return self.generated(np.unique(moved).tolist())

    def derived(self, times: int = 1) -> Elements:
        """Return the derived subgroup of the derived subgroup …, so many times.

        It is the least normal subgroup whose quotient is solvable of that derived length: of length
        1, Abelian.

        >>> [len(FiniteGroup("S4").derived(times)) for times in range(4)]
        [24, 12, 4, 1]
        >>> len(FiniteGroup("A5").derived(9))
        60
        """
        found = frozenset(range(len(self)))
        for _ in range(times):
            a = np.array(sorted(found))
            # a^-1 b^-1 a b
            turned = self.table[np.ix_(self.inverse[a], self.inverse[a])]
            found = self.generated(np.unique(self.table[turned, self.table[np.ix_(a, a)]]).tolist())
        return found

    def squared(self, times: int = 1) -> Elements:
        """Return what the squares generate, of what the squares generate …, so many times.

        It is K'K^2 of K: the least normal subgroup whose quotient is an elementary Abelian 2-group;
        repeated, the least one with a series of so many of these above it. In the end that is
        O^2(G), the least whose quotient is a 2-group.

        >>> [[len(FiniteGroup(name).squared(n)) for n in (1, 2, 3)] for name in ("Z4", "S3", "S4")]
        [[2, 1, 1], [3, 3, 3], [12, 12, 12]]
        """
        found = frozenset(range(len(self)))
        for _ in range(times):
            # commutators are among them: [a, b] = a^-2 (a b^-1)^2 b^2
            found = self.generated(int(self.table[a, a]) for a in found)
        return found

    @cached_property
    def reflections(self) -> NDArray[np.int64]:
        """How many reflections each element is a product of, in the group's usual picture.

        Z_m turns a plane (Z2 turns a line round), D_n moves a polygon, and permutations move axes,
        each cycle but for one of its points; several groups have a picture each. A map of finite
        order is a product of as many reflections as it moves dimensions (Cartan and Dieudonne), and
        the picture has `dimension` of them.

        >>> {name: int(FiniteGroup(name).reflections.max()) for name in ("Z2", "Z5", "S3", "A5")}
        {'Z2': 1, 'Z5': 2, 'S3': 2, 'A5': 4}
        """
        return np.array(
            [
                sum(int(own[place]) for own, place in zip(self._reflections, parts, strict=True))
                for parts in self._parts
            ]
        )

    @cached_property
    def subgroups(self) -> tuple[Subgroup, ...]:
        """One subgroup of each conjugacy class, from the whole group to the trivial one."""
        classes: dict[Elements, tuple[Elements, ...]] = {}
        seen: set[Elements] = set()
        new = [frozenset({0})]
        while new:
            found: list[Elements] = []
            for subgroup in new:
                classes[subgroup] = self.conjugates(subgroup)
                seen.update(classes[subgroup])
                cosets = self.cosets(subgroup)
                # every element of a coset adds the same
                for g in np.unique(cosets, return_index=True)[1][1:]:
                    larger = self.generated([*subgroup, int(g)])
                    if larger not in seen:
                        seen.update(self.conjugates(larger))
                        found.append(larger)
            new = found
        return self._named(
            sorted(classes.items(), key=lambda item: (-len(item[0]), sorted(item[0])))
        )

    def _named(
        self, classes: Sequence[tuple[Elements, tuple[Elements, ...]]]
    ) -> tuple[Subgroup, ...]:
        names: dict[Elements, tuple[str, str]] = {}
        named: list[Subgroup] = []
        taken: dict[str, int] = {}
        points = self._stabilisers()
        for elements, conjugates in classes:
            index, normal = len(self) // len(elements), len(conjugates) == 1
            fixed = next((points[each] for each in conjugates if each in points), None)
            if index == 1:
                names[elements] = "none", "only how often each target occurs"
            elif len(elements) == 1:
                names[elements] = "all", "every letter so far"
            elif normal and index == 2 and self._kind == "S":
                names[elements] = "sign", "whether the product is even or odd, and no more"
            elif self._kind == "Z":
                names[elements] = f"mod {index}", f"the product modulo {index}, and no more"
            elif fixed is not None:
                names[elements] = (
                    ("one point", "where the product moves one point, and no more")
                    if fixed == 1
                    else (f"{fixed} points", f"where the product moves {fixed} points, and no more")
                )
            else:
                kind = "quotient" if normal else "one of"
                names[elements] = (
                    f"{kind} {index}",
                    f"which of the {index} right cosets of a {'normal ' if normal else ''}subgroup "
                    f"of order {len(elements)} the product lies in",
                )
        counts: dict[str, int] = {}
        for name, _ in names.values():
            counts[name] = counts.get(name, 0) + 1
        for elements, conjugates in classes:
            name, knows = names[elements]
            if counts[name] > 1:
                taken[name] = taken.get(name, 0) + 1
                name = f"{name}{'abcdefghijklmnopqrstuvwxyz'[taken[name] - 1]}"
            named.append(Subgroup(name, knows, elements, conjugates[1:]))
        return tuple(named)

    def _stabilisers(self) -> dict[Elements, int]:
        """Return the subgroups that move none of the first k points, for k = 1, 2, ..."""
        if self._moves is None:
            return {}
        found: dict[Elements, int] = {}
        for k in range(1, self._moves.shape[1]):
            still = (self._moves[:, :k] == np.arange(k)).all(axis=1)
            found.setdefault(frozenset(np.flatnonzero(still).tolist()), k)
        return found

    def contains(self, larger: Subgroup, smaller: Subgroup) -> bool:
        """Return whether some conjugate of the smaller subgroup lies in the larger one."""
        return any(each <= larger.elements for each in (smaller.elements, *smaller.conjugates))


@cache
def group(name: str) -> FiniteGroup:
    """Return a group, made once."""
    return FiniteGroup(name)


def _size(kind: str, number: int) -> int:
    # of the name alone, before a large one is made
    if kind in "SA":
        return factorial(min(number, 12)) // (2 if kind == "A" and number > 1 else 1)
    return number * (2 if kind == "D" else 1)


def _factor(kind: str, number: int) -> tuple[Table, tuple[int, ...], NDArray[np.int64] | None]:
    """Return the table of a group, generators, and where it moves its points, if it has any."""
    each = np.arange(number)
    if kind == "Z":
        return (each[:, None] + each) % number, tuple(sorted({1 % number, -1 % number})), None
    if kind == "D":
        # r^a s^i r^b s^j = r^(a + b) s^(i + j), with b turned round where i = 1
        pairs = [(a, i) for i in (0, 1) for a in range(number)]
        place = {pair: index for index, pair in enumerate(pairs)}
        table = [
            [place[(a + (-b if i else b)) % number, (i + j) % 2] for b, j in pairs]
            for a, i in pairs
        ]
        steps = sorted({place[1 % number, 0], place[-1 % number, 0]} - {0})
        return np.array(table), (*steps, place[0, 1]), None
    moves = [p for p in permutations(range(number)) if kind == "S" or _is_even(p)]
    place = {p: index for index, p in enumerate(moves)}
    # the left one moves first
    table = [[place[tuple(q[i] for i in p)] for q in moves] for p in moves]
    identity = list(range(number))
    generators: list[tuple[int, ...]] = []
    for i in range(1, number):
        if kind == "S":  # neighbours change places
            swapped = [*identity]
            swapped[i - 1], swapped[i] = i, i - 1
            generators.append(tuple(swapped))
        elif i > 1:  # the first two and one more go round, either way
            turned = [*identity]
            turned[0], turned[1], turned[i] = 1, i, 0
            back = [turned.index(j) for j in range(number)]
            generators += [tuple(turned), tuple(back)]
    return np.array(table), tuple(place[g] for g in generators), np.array(moves)


def _reflections(kind: str, number: int, moves: NDArray[np.int64] | None) -> list[int]:
    """Return of how many reflections each element of one factor is made."""
    if moves is not None:
        return [number - _cycles(p) for p in moves.tolist()]
    turns = [1 if (kind, number) == ("Z", 2) else 2] * (number - 1)
    return [0, *turns, *([1] * number if kind == "D" else [])]


def _cycles(p: Sequence[int]) -> int:
    left, count = set(range(len(p))), 0
    while left:
        count, at = count + 1, min(left)
        while at in left:
            left.remove(at)
            at = p[at]
    return count


def _is_even(p: tuple[int, ...]) -> bool:
    return sum(p[i] > p[j] for j in range(len(p)) for i in range(j)) % 2 == 0
