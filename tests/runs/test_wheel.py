"""The wheel, installed into an empty environment and used in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_trains_in_an_empty_folder(tmp_path):
    def run(*command: str, folder: Path = tmp_path) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), folder=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", "empty")
    pip = (str(tmp_path / "empty/bin/pip"), "install", "-q", "-c", str(ROOT / "constraints.txt"))
    run(*pip, "torch==2.13.0")  # asked for by name: a plain `torch` may bring another build
    run(*pip, str(wheel))
    (tmp_path / "work").mkdir()
    door = str(tmp_path / "empty/bin/lossladder")
    out = run(door, "model=rnn", "task=echo", "trainer.progress=false", folder=tmp_path / "work")
    assert "knows the inputs 3 and 8 steps back" in out
    assert (tmp_path / "work/logs").is_dir()
