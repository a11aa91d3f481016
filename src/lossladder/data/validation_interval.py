"""The schedule of a run: its chunks, and the intervals between two validations."""

from collections.abc import Iterator
from dataclasses import dataclass

from lossladder.data.starts import Starts

_LEAST_BETWEEN = 100  # updates between two validations, unless asked for otherwise
_LEAST_WATCHED = 50  # where a run is to stop on a rung; a hundredth of the run, if that is more


@dataclass(frozen=True)
class Schedule:
    """All updates of a run, cut into intervals that end in a validation.

    Args:
        updates: optimizer updates of the whole run.
        interval: updates between two validations; one Lightning epoch.
        streams: where streams start, which no chunk crosses; None: sequences are independent.
        start: updates that have been made already, by a run that goes on.
    """

    updates: int
    interval: int
    streams: Starts | None = None
    start: int = 0

    @property
    def intervals(self) -> int:
        """Number of intervals to come, of which the first and the last may be short."""
        # intervals lie where they would in an uncut run: one begun before is there to be finished
        return max(-(-self.updates // self.interval) - self.start // self.interval, 0)

    def ends_interval(self, update: int) -> bool:
        """Return whether a validation follows this update."""
        return update % self.interval == 0 or update == self.updates

    def chunks(self, number: int, size: int) -> Iterator[range]:
        """Yield the updates of each chunk of an interval; a chunk is one Lightning batch.

        Args:
            number: of the interval, counted from 0, which is the one that `start` lies in.
            size: updates in a chunk, at most.

        >>> list(Schedule(updates=7, interval=10, streams=Starts(5)).chunks(0, size=4))
        [range(0, 4), range(4, 5), range(5, 7)]
        >>> rest = Schedule(30, interval=10, start=12)
        >>> [list(rest.chunks(number, size=99)) for number in range(rest.intervals)]
        [[range(12, 20)], [range(20, 30)]]
        """
        place = self.start // self.interval + number
        first = max(place * self.interval, self.start)
        end = min((place + 1) * self.interval, self.updates)
        while first < end:
            begun, next_start = (0, end) if self.streams is None else self.streams.around(first)
            # At multiples of the size, so that what is done after a chunk is done at the same
            # updates wherever intervals end.
            last = min(begun + ((first - begun) // size + 1) * size, next_start)
            yield range(first, min(last, end))
            first = min(last, end)


def make_schedule(
    *,
    updates: int,
    epoch: int,
    streams: Starts | None,
    validate_every: int | None,
    stops_early: bool,
) -> Schedule:
    """Return the schedule of a run.

    Args:
        updates: see `Schedule`.
        epoch: updates an epoch.
        streams: see `Schedule`.
        validate_every: updates between two validations; None: once an epoch, but no more often
            than every 100 updates.
        stops_early: whether the run ends on a rung. It is then validated every 50 updates, or every
            hundredth of its length, so that it does not overshoot by an epoch.
    """
    # whole epochs, so that a validation falls on the end of one and no interval cuts a chunk short
    interval = validate_every or epoch * -(-_LEAST_BETWEEN // epoch)
    if stops_early and validate_every is None:
        interval = min(interval, max(_LEAST_WATCHED, updates // 100))
    return Schedule(updates, min(interval, updates), streams)
