"""TensorBoard shows the loss and its reference lines together, in the first card one sees."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from lossladder.ladder import Ladder
from lossladder.runs.verdict import standing
from lossladder.tasks import Count, Echo
from lossladder.tensorboard.reference_lines import line_name
from short_runs import short_run
from tensorboard_server import Card, Page, TensorBoard, chromium, soon, tensorboard

ECHO, COUNT, OTHER = Echo().ladder(), Count().ladder(), Echo({2: 0.3}).ladder()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of echo, 300 updates, and one of count, 500."""
    logs = tmp_path_factory.mktemp("tensorboard") / "logs"
    short_run(logs, "echo")
    short_run(logs, "count")
    return logs


@pytest.fixture(scope="module")
def board(logs: Path) -> Iterator[TensorBoard]:
    with tensorboard(logs) as board:
        assert soon(lambda: len(board.tags()) == len(ECHO) + len(COUNT) + 2)
        yield board


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("pictures")) as page:
        yield page


def names(task: str, ladder: Ladder) -> list[str]:
    return [f"+reference/{line_name(task, rung)}" for rung in ladder]


def own_run(logs: Path, task: str) -> tuple[str, dict]:
    """Name and result of the task's only run."""
    (folder,) = logs.glob(f"{task}-*")
    return folder.name, json.loads((folder / "result.json").read_text())


def unseen(card: Card, task: str, ladder: Ladder, last: int) -> list[str]:
    """Reference lines that a reader of the card does not find: name, value and line itself."""
    return [
        name
        for name, rung in zip(names(task, ladder), ladder, strict=True)
        if name not in card.rows
        or abs(card.rows[name][0] - rung.loss) > 6e-5
        or card.rows[name][1] != last
        or card.drawn(name, rung.loss, last) < 0.8
    ]


def wrong_lines(board: TensorBoard, ladder: Ladder, tag: str, last: int) -> Sequence[str]:
    """What is wrong with the reference lines that the server has for a ladder."""
    wrong, task = [], tag.partition("/")[0]
    for name, rung in zip(names(task, ladder), ladder, strict=True):
        if tag not in board.tags().get(name, []):
            wrong.append(f"{name}: no {tag}")
            continue
        steps, values = board.scalars(name, tag)
        if set(values) != {np.float32(rung.loss)}:
            wrong.append(f"{name}: {set(values)}")
        if (steps[0], steps[-1]) != (0, last) or (np.diff(steps) <= 0).any():
            wrong.append(f"{name}: steps {steps}")
        if len(steps) < min(last, 499):
            wrong.append(f"{name}: {len(steps)} points, which the outlier filter crops away")
    return wrong


def test_every_rung_is_a_run_of_its_own_under_the_tag_of_the_loss(board, logs):
    assert soon(lambda: not wrong_lines(board, ECHO, "echo/loss", last=300))
    assert wrong_lines(board, COUNT, "count/loss", last=500) == []
    runs = {own_run(logs, "echo")[0], own_run(logs, "count")[0]}
    assert set(board.tags()) == {*names("echo", ECHO), *names("count", COUNT), *runs}


def test_the_loss_of_a_run_lies_under_the_same_tag_and_before_its_other_tags(board, logs):
    for task in ("echo", "count"):
        run, result = own_run(logs, task)
        steps, values = board.scalars(run, f"{task}/loss")
        assert steps.tolist() == result["curve"]["updates"]
        assert values == pytest.approx(np.float32(result["curve"]["loss"]))
        assert board.tags()[run][0] == f"{task}/loss"


def test_final_loss_and_rung_stand_among_the_hyper_parameters(board, logs):
    def sessions() -> dict:
        asked = {"startIndex": 0, "sliceSize": 100, "allowedStatuses": ["STATUS_SUCCESS"]}
        groups = board.get("plugin/hparams/session_groups", body=asked)["sessionGroups"]
        return {group["name"]: group for group in groups}

    assert soon(lambda: len(sessions()) == 2)
    for task in ("echo", "count"):
        run, result = own_run(logs, task)
        settings = sessions()[run]["hparams"]
        metrics = {m["name"]["tag"]: m["value"] for m in sessions()[run]["metricValues"]}
        assert metrics["verdict/loss"] == pytest.approx(result["loss"])
        assert settings["standing"] == standing(result)
        assert (settings["task"], settings["model"]) == (result["task"], result["model"])
        assert settings["seed"] == result["seed"]
    columns = board.get("plugin/hparams/experiment", body={})
    shown = [info["name"] for info in columns["hparamInfos"]][:5]
    assert {"model", "model.hidden_size", "optimizer.lr", "standing"} <= set(shown)
    assert columns["metricInfos"][0]["name"]["tag"] == "verdict/loss"


def test_config_and_verdict_are_there_to_read(board, logs):
    run, result = own_run(logs, "echo")
    assert "hidden_size: 16" in board.text(run, "config")
    assert "_target_: torch.optim.Adagrad" in board.text(run, "config")
    said = board.text(run, "verdict")
    assert f"loss   {result['loss']:.4f}" in said
    assert f"acts   most like the predictor of “{result['nearest']}”" in said


def test_the_first_card_shows_loss_and_ladder_together(board, page, logs):
    page.open(board)
    card = page.first_card()
    run, result = own_run(logs, "count")
    assert card.tag == "count/loss"  # without a wish, the first task of the alphabet
    assert set(card.rows) == {run, *names("count", COUNT)}
    assert unseen(card, "count", COUNT, last=500) == []
    page.open(board, pinned="echo/loss")
    card = page.first_card()
    run, result = own_run(logs, "echo")
    assert card.tag == "echo/loss"
    assert set(card.rows) == {run, *names("echo", ECHO)}
    assert unseen(card, "echo", ECHO, last=300) == []
    curve = result["curve"]
    assert card.rows[run][0] == pytest.approx(curve["loss"][-1], abs=6e-5)
    assert all(
        card.shows(run, *point) for point in zip(curve["updates"], curve["loss"], strict=True)
    )
    assert all(url.startswith((board.url, "about:", "data:", "blob:")) for url in page.asked)
    listed = page.page.locator("runs-data-table tb-data-table-content-row").all_inner_texts()
    assert len(listed) == len(ECHO) + len(COUNT) + 2
    assert all("+reference" in row for row in listed[: len(ECHO) + len(COUNT)])  # they come first


def test_the_first_card_is_missed_a_line_that_is_not_there(logs, page, tmp_path):
    """The check of the test before can fail: it names what was taken away, and nothing else."""
    poorer = tmp_path / "logs"
    shutil.copytree(logs, poorer)
    last_5, ceiling = names("count", COUNT)[5], names("echo", ECHO)[0]
    shutil.rmtree(poorer / last_5)
    shutil.rmtree(poorer / ceiling)
    with SummaryWriter(str(poorer / ceiling)) as writer:  # an outlier to TensorBoard: cropped
        for step in (0, 300):
            writer.add_scalar("echo/loss", ECHO.ceiling.loss, step)
    with tensorboard(poorer) as board:
        assert soon(lambda: len(board.tags()) == len(ECHO) + len(COUNT) + 1)
        page.open(board)
        assert unseen(page.first_card(), "count", COUNT, last=500) == [last_5]
        page.open(board, pinned="echo/loss")
        card = page.first_card()
        assert ceiling in card.rows  # its name and value are there: only the pixels tell
        assert unseen(card, "echo", ECHO, last=300) == [ceiling]


def test_a_run_opened_alone_shows_its_ladder(logs):
    name, result = own_run(logs, "echo")
    with tensorboard(logs / name) as board:
        assert soon(lambda: "verdict/ladder/none" in board.tags().get(".", []))
        layout = board.get("plugin/custom_scalars/layout")
        (chart,) = [chart for category in layout["category"] for chart in category["chart"]]
        for rung in ECHO:
            tag = f"verdict/ladder/{rung.name}"
            assert any(re.match(pattern, tag) for pattern in chart["multiline"]["tag"])
            steps, values = board.scalars(".", tag)
            assert (steps[0], steps[-1]) == (0, result["steps"])
            assert set(values) == {np.float32(rung.loss)}
        assert re.match(chart["multiline"]["tag"][0], "echo/loss")


@pytest.mark.slow
def test_runs_share_the_lines_and_longer_ones_extend_them(board, logs):
    """Last in this file: it adds to the logs that the tests above look at."""
    short_run(logs, "echo", "seed=1")
    assert soon(lambda: len(board.tags()) == len(ECHO) + len(COUNT) + 3)
    assert wrong_lines(board, ECHO, "echo/loss", last=300) == []
    short_run(logs, "echo", "seed=2", "trainer.max_steps=450")
    assert soon(lambda: not wrong_lines(board, ECHO, "echo/loss", last=450))
    short_run(logs, "echo", "task.effects={2: 0.3}", "trainer.max_steps=200")
    assert soon(lambda: not wrong_lines(board, OTHER, "echo/loss", last=200))
    assert wrong_lines(board, ECHO, "echo/loss", last=450) == []
    # the lines of a run may be seen before its own curves are
    assert soon(lambda: len(board.tags()) == len(ECHO) + len(OTHER) + len(COUNT) + 5)
