"""Doors, opened as a user opens them, without a new process each time."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from doors import Door, Outcome
from lossladder import cli, evaluate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def train(logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Door:
    """`python train.py *words`, with a `logs` of its own and no progress bar."""

    def door(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["train.py", *words, f"logs={logs}"])
        monkeypatch.setenv("HYDRA_FULL_ERROR", os.environ.get("HYDRA_FULL_ERROR", "0"))
        monkeypatch.setattr(cli.NoteSweep, "folder", None)
        GlobalHydra.instance().clear()
        return _left(cli.main, capsys, logs)

    return door


@pytest.fixture
def evaluated(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Door:
    """`python evaluate.py *words`."""

    def door(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *words])
        return _left(evaluate.main, capsys, logs)

    return door


def _left(main: Callable[[], None], capsys: pytest.CaptureFixture[str], logs: Path) -> Outcome:
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    return Outcome(int(code or 0), captured.out, captured.err, logs)
