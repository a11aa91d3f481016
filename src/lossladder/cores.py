"""The processor cores that this process may use."""

import os
import platform
from pathlib import Path


def core_count() -> int:
    """Return how many cores this process may use, at least 1.

    A container or `taskset` may allow fewer than the machine has; macOS cannot tell, and has all.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> str:
    """Return what numbers of speed are taken on, in words: "2 cores of AMD EPYC"."""
    return f"{core_count()} cores of {_processor()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
