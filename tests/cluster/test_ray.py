"""Sweeps on a real Ray of two nodes, in a network of its own: it listens on every interface."""

import subprocess
import sys
from pathlib import Path

import pytest
from alone import ALONE, missing

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("disturbed_by", ["nothing", "KILL", "a lost node", "Ctrl-C"])
def test_workers_on_ray_leave_what_a_sweep_leaves_here(tmp_path, whole, disturbed_by):
    if reason := missing():
        pytest.skip(reason)
    scenario = Path(__file__).with_name("on_ray.py")
    words = [sys.executable, str(scenario), str(tmp_path), str(whole), disturbed_by]
    done = subprocess.run(
        [*ALONE, *words], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
