"""The wheel, installed into an empty environment and used in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path) -> str:
    """What a command prints; the checkout is nowhere to be found for it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and pytest, and nothing else that was asked for."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder=ROOT)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "empty", folder=folder)
    pip = (folder / "empty/bin/pip", "install", "-q", "-c", ROOT / "constraints.txt")
    # torch is asked for by name: a plain `torch` may bring another build
    run(*pip, "torch==2.13.0", folder=folder)
    run(*pip, wheel, "pytest", folder=folder)
    return folder / "empty"


def test_the_wheel_trains_in_an_empty_folder(installed, tmp_path):
    door = installed / "bin/lossladder"
    out = run(door, "model=rnn", "task=echo", "trainer.progress=false", folder=tmp_path)
    assert "knows the inputs 3 and 8 steps back" in out
    assert (tmp_path / "logs").is_dir()


def test_a_project_made_by_the_wheel_trains_sweeps_and_keeps_the_laws(installed, tmp_path):
    run(installed / "bin/lossladder", "new", "project", folder=tmp_path)
    project = tmp_path / "project"
    (project / ".venv").symlink_to(installed)  # instead of one that `make` would build
    (project / ".venv/ready").touch()
    out = run("make", "train", "ARGS=trainer.progress=false", folder=project)
    assert "onset · two_speeds" in out
    assert "knows the inputs now and 2 steps back" in out
    python = project / ".venv/bin/python"
    sweep = ("-m", "seed=0,1", "model=two_speeds,rnn", "trainer.max_steps=50")
    out = run(python, "train.py", *sweep, "trainer.progress=false", folder=project)
    assert "two_speeds  2 runs" in out
    (logs,) = project.glob("logs/onset-*")
    assert "loss" in run(python, "train.py", "evaluate", f"run={logs}", folder=project)
    assert " passed" in run("make", "test", folder=project)
