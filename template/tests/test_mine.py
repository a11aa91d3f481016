"""Task and network keep the laws that lossladder's own keep; and a run of them reaches its rung."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lossladder.testing import check_network, check_task
from mine.onset import Onset
from mine.two_speeds import TwoSpeeds

TRAIN = Path(__file__).parents[1] / "train.py"


@pytest.mark.parametrize("task", [Onset(), Onset(lag=5, noise=0.25, chance_of_one=0.5)], ids=str)
def test_the_ladder_is_proved_by_sampling(task):
    check_task(task)


@pytest.mark.parametrize("keep", [0.0, 0.9])
def test_the_network_is_causal_and_carries_its_state(keep):
    check_network(TwoSpeeds(input_size=2, hidden_size=5, keep=keep))


def test_a_run_learns_the_input_now(tmp_path):
    words = ("trainer.max_steps=200", "trainer.progress=false", f"hydra.run.dir={tmp_path}/run")
    subprocess.run([sys.executable, TRAIN, *words], cwd=tmp_path, check=True)
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["task"] == "onset"
    assert result["rung"] in ("now", "both")
