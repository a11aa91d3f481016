"""The processor cores that this process may use."""

import os


def core_count() -> int:
    """Return how many cores this process may use, at least 1.

    A container or `taskset` may allow fewer than the machine has; macOS cannot tell, and has all.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
