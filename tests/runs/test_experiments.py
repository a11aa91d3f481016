"""Every file of conf/experiment makes a run; those that are hard are so, and are soon begun."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lossladder.tasks import StreamTask, Task
from short_runs import train

EXPERIMENTS = Path(__file__).parents[2] / "conf" / "experiment"
PRESETS = sorted(path.stem for path in EXPERIMENTS.glob("*.yaml"))
HARD = [name for name in PRESETS if name.endswith("_hard")]
PAGE = (EXPERIMENTS.parents[1] / "docs" / "tasks.md").read_text()


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", PRESETS)
def test_an_experiment_has_a_ladder(name, built):
    parts = built(f"experiment={name}")
    losses = [rung.loss for rung in parts.data.ladder()]
    assert len(losses) > 1
    assert all(mark.loss <= losses[0] + 1e-9 for mark in parts.data.marks())


def test_twelve_tasks_have_a_hard_setting():
    assert len(HARD) == 12
    assert all((EXPERIMENTS.parent / "task" / f"{task_of(name)}.yaml").is_file() for name in HARD)


def task_of(name: str) -> str:
    return name.removesuffix("_hard")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", HARD)
def test_a_hard_setting_asks_for_more_than_the_default(name, built):
    hard, easy = built(f"experiment={name}"), built(f"task={task_of(name)}")
    sizes = [_size(parts.data.task) for parts in (easy, hard)]
    assert all(a <= b for a, b in zip(*sizes, strict=True))
    assert sizes[0] != sizes[1]


def _size(task: Task) -> list[int]:
    """Return how far back inputs matter, and how many answers there are."""
    steps = task.num_steps or task.reach or cast("StreamTask", task).warm_up
    return [steps, task.output_size]


@pytest.mark.parametrize("name", HARD)
def test_a_hard_setting_is_named_where_its_task_is(name):
    section = PAGE.split(f"\n## {task_of(name)}\n")[1].split("\n## ")[0]
    assert f"experiment={name}" in section


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_twenty_updates_of_a_hard_setting_end_in_a_verdict(name, tmp_path):
    """Of a small network and few sequences, because all else is as in the file."""
    small = ("model.hidden_size=8", "data.batch_size=4", "trainer.max_epochs=null")
    said = train(tmp_path, f"experiment={name}", *small, "trainer.max_steps=20")
    (folder,) = tmp_path.glob(f"{task_of(name)}-*")
    result: Mapping[str, Any] = json.loads((folder / "result.json").read_text())
    assert (result["status"], result["steps"]) == ("done", 20)
    assert result["rungs"][0]["name"] == "none"
    assert result["standing"] in said or "rung " in said
    # twenty updates of eight units know next to nothing
    assert result["share"] < 0.5
