"""Doors, opened as a user opens them, without a new process each time."""

import sys
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
