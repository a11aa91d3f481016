"""One bar for a whole sweep: runs ended, updates a second over all, who stands on which rung."""

import sys
import time
from collections import Counter
from typing import Any

from tqdm import tqdm

from lossladder import console
from lossladder.sweeps.worker import Advance, JobOutcome


class SweepBar:
    """A bar over the runs of a sweep, on standard error.

    Args:
        runs: how many.
        shown: False: count, but draw nothing.
    """

    def __init__(self, runs: int, shown: bool) -> None:
        self.bar: tqdm[Any] = tqdm(
            total=runs,
            desc="sweep",
            bar_format="{desc} {n_fmt}/{total_fmt} runs, {remaining} left{postfix} {bar}",
            file=sys.stderr,
            mininterval=0.2 if sys.stderr.isatty() else 5.0,
            dynamic_ncols=True,
            disable=not (shown and runs),
        )
        self.updates = 0
        self.started = time.perf_counter()
        self.ended: Counter[str] = Counter()
        self.under_way: dict[int, Counter[str]] = {}
        self.said: set[str] = set()

    def note(self, slice_number: int, message: Advance | JobOutcome) -> None:
        """Take in what a slice reports."""
        if isinstance(message, Advance):
            self.updates += message.updates
            self.under_way[slice_number] = message.standing
        else:
            self.under_way.pop(slice_number, None)
            if message.status != "busy":
                done = message.status == "done"
                self.ended[(message.rung or "above the ladder") if done else message.status] += 1
                self.bar.update()
        speed = self.updates / (time.perf_counter() - self.started)
        rungs = ", ".join(f"{count} {name}" for name, count in self.standing().most_common(4))
        self.bar.set_postfix_str(f"{speed:,.0f} updates/s; {rungs}", refresh=False)

    def lose(self, slice_number: int) -> None:
        """A process died: where its members stood is no longer true."""
        self.under_way.pop(slice_number, None)

    def say_once(self, message: str) -> None:
        """A line of its own, above the bar."""
        if message not in self.said:
            self.said.add(message)
            self.bar.write(console.line(message), file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()

    def standing(self) -> Counter[str]:
        """How many runs stand on each rung, or ended otherwise."""
        return sum(self.under_way.values(), self.ended)
