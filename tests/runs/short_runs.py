"""Short real runs, made in this process through the door that the command line uses."""

import os
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from hydra.core.global_hydra import GlobalHydra

from lossladder import cli

SHORT = {
    "echo": ("experiment=echo_both", "trainer.max_steps=300"),
    "count": ("task=count", "model=lstm", "trainer.max_steps=500"),
    "parity": ("task=parity", "trainer.max_steps=100"),
    "unfold": ("task=unfold", "trainer.max_steps=100"),
    "worked_example": ("task=worked_example", "trainer.max_steps=100"),
    "xor": ("task=xor", "trainer.max_steps=100"),
}


def short_run(logs: Path, task: str, *overrides: str) -> Path:
    """Train for a few hundred updates; returns the folder of the run."""
    before = set(logs.glob(f"{task}-*"))
    words = (*SHORT[task], "trainer.max_epochs=null", "trainer.progress=false", f"logs={logs}")
    GlobalHydra.instance().clear()
    with (
        patch.dict(os.environ),
        patch.object(sys, "argv", ["train.py", *words, *overrides]),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    assert ended.value.code == 0
    (folder,) = set(logs.glob(f"{task}-*")) - before
    return folder
