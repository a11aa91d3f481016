"""Tasks that ask which element of a group a product is, and what who tracks a coset loses."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from lossladder.ladder import Ladder
from lossladder.tasks import Parity, Task, Words
from lossladder.tasks.groups import Elements, FiniteGroup, group
from lossladder.theory.mark import name_of


class Tracking(NamedTuple):
    """The product of independent letters of a group, which they generate.

    Args:
        group: whose elements are told apart.
        letters: the elements that come, each with some chance.
    """

    group: FiniteGroup
    letters: Elements

    @property
    def name(self) -> str:
        """Return the name of the group."""
        return self.group.name


def tracking(task: Task) -> Tracking | None:
    """Return what a task asks to be tracked; None: it is no such task.

    >>> from lossladder.tasks import Echo
    >>> tracking(Parity()).name, sorted(tracking(Words("Z3", "lazy")).letters), tracking(Echo())
    ('Z2', [0, 1, 2], None)
    """
    if isinstance(task, Words):
        of = group(task.group)
        some = {"all": range(len(of)), "lazy": (0, *of.generators)}.get(task.letters, of.generators)
        return Tracking(of, frozenset(some))
    if isinstance(task, Parity) and 0 < task.chance_of_one < 1:
        return Tracking(group("Z2"), frozenset({0, 1}))
    return None


def knowing(cosets: Iterable[int], of: Tracking, ladder: Ladder) -> tuple[float, str | None]:
    """Return what who tracks only the coset of a subgroup loses in the long run, and its rung.

    It is ln |H| (docs/theory.md). Sequences of a given length are cheaper at their start, for who
    knows the step: there it is the loss of the rung, where the ladder has it.

    >>> from lossladder.tasks import Words
    >>> a3 = group("S3").derived()
    >>> knowing(a3, tracking(Words("S3")), Words("S3").ladder())
    (1.0986122886681098, 'sign')
    """
    subgroup = frozenset(cosets)
    if len(subgroup) == 1:
        return ladder.floor.loss, ladder.floor.name
    loss = math.log(len(subgroup))
    if ladder.floor.by_step is None:
        return loss, name_of(loss, ladder)
    names = [h.name for h in of.group.subgroups if subgroup in (h.elements, *h.conjugates)]
    if len(subgroup) == len(of.group):
        names = ["step", "none"]  # whatever is known of the step is known without any letter
    rung = next((rung for name in names for rung in ladder if rung.name == name), None)
    return (loss, None) if rung is None else (rung.loss, rung.name)
