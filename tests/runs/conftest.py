"""Doors, opened as a user opens them, without a new process each time."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from lossladder import cli, evaluate

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a door was left."""

    code: int
    out: str
    err: str
    logs: Path

    @property
    def folders(self) -> list[Path]:
        """Folders of the runs in `logs`, oldest first."""
        return sorted(path.parent for path in self.logs.rglob("config.yaml"))

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads((folder / "result.json").read_text()) for folder in self.folders]

    @property
    def complaint(self) -> str:
        """What was said to be wrong: one line."""
        (line,) = self.err.splitlines()
        return line


Door = Callable[..., Outcome]


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


SHORT = ("trainer.max_steps=100", "trainer.progress=false")
