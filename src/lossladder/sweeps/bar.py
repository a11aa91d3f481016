"""The progress of a sweep: what its processes report, and the bar that shows it."""

import sys
import time
from collections import Counter
from typing import Any, NamedTuple

from tqdm import tqdm

from lossladder import console
from lossladder.sweeps.job import JobOutcome


class Advance(NamedTuple):
    """The progress of a slice.

    Args:
        updates: made since the last report, of all members.
        passed: how many members have passed what, by their training loss.
    """

    updates: int
    passed: Counter[str]


class SweepBar:
    """One bar for a sweep, on standard error: runs ended, updates a second, rungs.

    Args:
        runs: how many.
        shown: False: count, but draw nothing.
    """

    def __init__(self, runs: int, shown: bool) -> None:
        # a log, unlike a terminal, keeps a line for every time that the bar is drawn
        self.interval = 0.2 if sys.stderr.isatty() else 5.0
        self.drawn = time.monotonic()
        self.bar: tqdm[Any] = tqdm(
            total=runs,
            desc="sweep",
            # what is cut off in a narrow terminal comes last
            bar_format="{desc} {n_fmt}/{total_fmt} runs, {remaining} left{postfix} {bar}",
            file=sys.stderr,
            mininterval=self.interval,
            dynamic_ncols=True,
            disable=not (shown and runs),
        )
        self.updates = 0
        self.started = time.perf_counter()
        self.ended: Counter[str] = Counter()
        self.under_way: dict[int, Counter[str]] = {}
        self.said: set[str] = set()

    def note(self, process: int, message: Advance | JobOutcome) -> None:
        """Take in what a process reports of its slice."""
        if isinstance(message, Advance):
            self.updates += message.updates
            self.under_way[process] = message.passed
        else:
            self.under_way.pop(process, None)
            if message.status != "busy":
                done = message.status == "done"
                self.ended[(message.standing if done else None) or message.status] += 1
                if self.bar.update():
                    self.drawn = time.monotonic()
        speed = self.updates / (time.perf_counter() - self.started)
        rungs = ", ".join(f"{count} {name}" for name, count in self.whereabouts().most_common(4))
        self.bar.set_postfix_str(f"{speed:,.0f} updates/s; {rungs}", refresh=False)
        # a run may take minutes to its end, which alone moves the bar
        if time.monotonic() - self.drawn > self.interval:
            self.bar.refresh()
            self.drawn = time.monotonic()

    def lose(self, process: int) -> None:
        """Forget where the members of a process stood: it has ended."""
        self.under_way.pop(process, None)

    def say_once(self, message: str) -> None:
        """Say something in a line of its own, above the bar."""
        if message not in self.said:
            self.said.add(message)
            self.bar.write(console.line(message), file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()

    def whereabouts(self) -> Counter[str]:
        """Return how many runs have passed or stand on what, or ended otherwise."""
        return sum(self.under_way.values(), self.ended)
