"""What the numbers were taken on: processor, load, memory, versions."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lossladder.cores import core_count

_PACKAGES = ("lossladder", "torch", "lightning", "numpy", "llvmlite")


def machine() -> dict[str, Any]:
    """Return the state of this machine, now."""
    return {
        "processor": _processor(),
        "cores": core_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "load": load(),
        "date": time.strftime("%Y-%m-%d"),
    }


def load() -> float:
    """Return how many processes wanted to run over the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    """Return the processor's model and its widest vector instructions."""
    rows = [
        row.split(":", 1) for row in Path("/proc/cpuinfo").read_text().splitlines() if ":" in row
    ]
    about = {key.strip(): value.strip() for key, value in rows}
    flags = about.get("flags", "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "no AVX")
    model = about.get("model name", platform.processor() or "unknown")
    return (
        f"{model} ({widest}, family {about.get('cpu family', '?')} model {about.get('model', '?')})"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
