"""Doors, opened as a user opens them, without a new process each time."""

import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doors import Door, Left
from lossladder import evaluate
from lossladder.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def train(logs: Path, capsys: pytest.CaptureFixture[str]) -> Door:
    """`python train.py *words`, with a `logs` of its own."""

    def door(*words: str) -> Left:
        outcome = run([*words, f"logs={logs}"])
        captured = capsys.readouterr()
        return Left(outcome.code, captured.out, captured.err, logs)

    return door


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Words of the command line -> the folder of their run, which is made the first time only."""

    @cache
    def make(*words: str) -> Path:
        outcome = run([*words, f"logs={tmp_path_factory.mktemp('made')}"])
        assert outcome.code == 0, outcome.complaints
        assert outcome.folder is not None
        return outcome.folder

    return make


@pytest.fixture
def left(made_once: Callable[..., Path], logs: Path) -> Callable[..., Path]:
    """`python train.py *words` that was called before: a copy of the run's folder in `logs`."""

    def copied(*words: str) -> Path:
        folder = made_once(*words)
        return shutil.copytree(folder, logs / folder.name)

    return copied


@pytest.fixture
def evaluated(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Door:
    """`python evaluate.py *words`."""

    def door(*words: str) -> Left:
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *words])
        code: Any = 0
        try:
            evaluate.main()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Left(int(code or 0), captured.out, captured.err, logs)

    return door
