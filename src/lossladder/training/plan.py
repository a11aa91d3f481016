"""How the updates of a run are laid out: chunks within legs, a validation after each leg."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lossladder import arguments


@dataclass(frozen=True)
class Plan:
    """All updates of a run.

    Args:
        updates: optimizer updates of the whole run.
        epoch: updates an epoch.
        leg: updates between two validations; one Lightning epoch.
        cut_at_epochs: True: no chunk crosses the end of an epoch (a new stream starts there).
        start: updates made before, by a run that is continued.
        legs_before: legs it took for them; its last may have been cut short.
    """

    updates: int
    epoch: int
    leg: int
    cut_at_epochs: bool
    start: int = 0
    legs_before: int = 0

    @property
    def legs(self) -> int:
        """Number of legs; the last may be short."""
        return self.legs_before + -(-self.updates // self.leg) - self.start // self.leg

    def continued(self, start: int, legs_before: int) -> "Plan":
        """The same, after so many updates in so many legs; validations come when they would have.

        >>> more = Plan(updates=30, epoch=5, leg=10, cut_at_epochs=False).continued(12, 2)
        >>> [list(more.chunks(leg, size=99)) for leg in range(2, more.legs)]
        [[range(12, 20)], [range(20, 30)]]
        """
        return replace(self, start=start, legs_before=legs_before)

    def chunks(self, leg: int, size: int) -> Iterator[range]:
        """The updates of each chunk of a leg, at most `size`; a chunk is one Lightning batch.

        >>> list(Plan(updates=7, epoch=5, leg=10, cut_at_epochs=True).chunks(leg=0, size=4))
        [range(0, 4), range(4, 5), range(5, 7)]
        """
        # Lightning asks for the last leg of the run before once more, and does not use it
        place = self.start // self.leg + max(leg - self.legs_before, 0)
        first, end = max(place * self.leg, self.start), min((place + 1) * self.leg, self.updates)
        while first < end:
            last = min(first + size, end)
            if self.cut_at_epochs:
                last = min(last, (first // self.epoch + 1) * self.epoch)
            yield range(first, last)
            first = last


def plan(
    *,
    epoch: int,
    cut_at_epochs: bool,
    max_epochs: int | None,
    max_steps: int | None,
    validate_every: int | None,
) -> Plan:
    """Lay out a run of `max_steps` updates or, where that is None, of `max_epochs` epochs.

    Validation comes every `validate_every` updates; None: once an epoch, but no more often than
    every 100 updates.

    Raises:
        ValueError: if a number is no whole number above 0, or neither length is given.
    """
    if max_steps is not None:
        updates = arguments.whole("max_steps", max_steps)
    elif max_epochs is not None:
        updates = arguments.whole("max_epochs", max_epochs) * epoch
    else:
        raise ValueError("max_epochs=None, max_steps=None: give one of them")
    leg = epoch * -(-100 // epoch)
    if validate_every is not None:
        leg = arguments.whole("validate_every", validate_every)
    return Plan(updates, epoch, min(leg, updates), cut_at_epochs)
