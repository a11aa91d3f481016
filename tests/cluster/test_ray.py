"""Sweeps on a real Ray of two nodes, in a network of its own: it listens on every interface."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster


def missing() -> str | None:
    """Return why there can be no Ray here; None: there can."""
    if find_spec("ray") is None:
        return "no ray: pip install -e '.[ray]'"
    if lacking := [name for name in ("unshare", "ip") if shutil.which(name) is None]:
        return f"no {', '.join(lacking)}: apt-get install util-linux iproute2"
    alone = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if alone.returncode == 0 else "no network of its own: needs root"


@pytest.mark.parametrize("disturbed_by", ["nothing", "KILL", "a lost node", "Ctrl-C"])
def test_workers_on_ray_leave_what_a_sweep_leaves_here(tmp_path, whole, disturbed_by):
    if reason := missing():
        pytest.skip(reason)
    scenario = Path(__file__).with_name("on_ray.py")
    words = [sys.executable, str(scenario), str(tmp_path), str(whole), disturbed_by]
    alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    done = subprocess.run(
        [*alone, *words], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
