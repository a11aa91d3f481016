"""docs/metrics.md defines every tag that is logged and every key that is left, and no others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossladder.engines.schedules import WarmupCosine
from short_runs import SHORT, short_run

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def defined(section: str) -> set[str]:
    """First column of the section's table."""
    (text,) = (part for part in PAGE.read_text().split("\n## ") if part.startswith(section))
    rows = [
        re.fullmatch(r"\| `(.+?)` \|(.+)\|", line)
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    assert all(row and all(cell.strip() for cell in row[2].split(" | ")) for row in rows)
    return {row[1] for row in rows if row}


def logged(run: Path, task: str) -> Iterator[str]:
    """Tags of a run and of the reference lines beside it, the names of task and rungs left open."""
    for folder in (run, *(run.parent / "+reference").iterdir()):
        events = EventAccumulator(str(folder)).Reload()
        kinds = events.Tags()
        for tag in (*kinds["scalars"], *kinds["tensors"], *kinds["images"]):
            if not tag.startswith(("_hparams_", "custom_scalars")):
                tag = re.sub(
                    "(updates_to|verdict/ladder|snapshot_divergence)/.+", r"\1/<rung>", tag
                )
                yield tag.replace(f"{task}/", "<task>/")


def left(result: dict) -> Iterator[str]:
    """Keys of a result, down to those of the ladder and the curves."""
    yield from result
    for parts in ("memory", "rungs", "theory", "uses"):
        yield from (f"{parts}[].{key}" for part in result.get(parts, ()) for key in part)
    for curve in ("curve", "validation", "snapshots"):
        yield from (f"{curve}.{key}" for key in result.get(curve, ()))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """Short runs, each with logs of its own: every task, sequences that grow, and a schedule."""
    steps = "trainer.max_steps=20"
    tasks = [(task, ()) for task in SHORT]
    tasks += [
        ("parity", ("data=curriculum",)),
        ("echo", ("schedule=cosine", "trainer.snapshots=true")),
    ]
    return [
        (task, short_run(tmp_path_factory.mktemp(task), task, steps, *words))
        for task, words in tasks
    ]


def test_every_task_is_tried(task_yaml):
    assert task_yaml in SHORT


def test_what_a_run_leaves_is_defined(tmp_path):
    run = short_run(tmp_path, "echo", "trainer.max_steps=20", "trainer.snapshots=true")
    assert set(logged(run, "echo")) <= defined("In TensorBoard")
    assert {*left(json.loads((run / "result.json").read_text()))} <= defined("In result.json")


@pytest.mark.slow
def test_every_tag_is_defined_and_none_is_dead(runs):
    found = {tag for task, run in runs for tag in logged(run, task)}
    assert found == defined("In TensorBoard")


def test_the_rate_that_is_logged_is_that_of_the_points_last_update(tmp_path):
    steps = ("trainer.max_steps=40", "schedule=warmup_cosine", "schedule.warmup_steps=15")
    for chunks in ("null", "7"):
        logs = tmp_path / chunks
        run = short_run(logs, "echo", *steps, f"data.windows_per_chunk={chunks}")
        found = EventAccumulator(str(run)).Reload().Scalars("echo/learning_rate")
        schedule = WarmupCosine(steps=40, warmup_steps=15)
        rates = [(update, 0.1 * schedule.factor(update - 1)) for update in (10, 20, 30, 40)]
        assert [(point.step, pytest.approx(point.value)) for point in found] == rates


@pytest.mark.slow
def test_every_key_of_a_result_is_defined_and_none_is_dead(runs):
    results = (json.loads((run / "result.json").read_text()) for _, run in runs)
    assert {key for result in results for key in left(result)} == defined("In result.json")
