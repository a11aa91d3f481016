"""TensorBoard on a sweep of twenty runs: lines, colours, the address that was said, HParams."""

import json
import re
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lossladder.ladder import Ladder
from lossladder.runs.verdict import standing
from lossladder.sweeps.job import SETTING, folder_name
from lossladder.tasks import Count, Echo
from lossladder.tensorboard.logger import EventFileLogger
from lossladder.tensorboard.reference_lines import line_name
from short_runs import train
from tensorboard_server import Card, Page, TensorBoard, chromium, soon, tensorboard

ECHO, COUNT = Echo().ladder(), Count().ladder()
RATES = ("0.002", "0.02")
SHORT = ("trainer.max_epochs=null", "trainer.max_steps=300", "engine=fused")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorboard") / "logs"


@pytest.fixture(scope="module")
def said(logs: Path) -> str:
    """What the sweep of two learning rates and ten seeds said at its end."""
    rates = f"optimizer.lr={','.join(RATES)}"
    return train(logs, "-m", rates, "seed=range(10)", *SHORT, f"hydra.sweep.dir={logs / 'sweep'}")


@pytest.fixture(scope="module")
def board(said: str, logs: Path) -> Iterator[TensorBoard]:
    """TensorBoard on the folder that was said."""
    found = re.search(r"^look   tensorboard --logdir (.+), then open (.+)$", said, re.MULTILINE)
    assert found
    folder, page = found.groups()
    assert folder == str(logs / "sweep")
    assert page == str(logs / "sweep/tensorboard.html")
    with tensorboard(Path(folder)) as board:
        assert soon(lambda: len(board.tags()) == 20 + len(ECHO))
        yield board


@pytest.fixture(scope="module")
def above(said: str, logs: Path) -> Iterator[TensorBoard]:
    """TensorBoard on the folder in which the sweep lies."""
    with tensorboard(logs) as board:
        assert soon(lambda: len(board.tags()) == 20 + len(ECHO))
        yield board


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("pictures")) as page:
        yield page


def query(said: str) -> str:
    """The part of the address that does not depend on where TensorBoard listens."""
    (page,) = re.findall(r"^look .* then open (\S+)$", said, re.MULTILINE)
    (address,) = re.findall(r'content="0; url=http://localhost:6006/(.+?)"', Path(page).read_text())
    return unescape(address)


def runs(sweep: Path) -> dict[str, dict]:
    """Name -> result."""
    return {path.parent.name: json.loads(path.read_text()) for path in sweep.glob("*/result.json")}


def lines(card: Card) -> list[str]:
    return sorted(run.rpartition("reference/")[2] for run in card.rows if "reference/" in run)


def miscoloured(card: Card, ladder: Ladder) -> list[str]:
    """What is wrong with colours (one a setting, one a line) and with where the lines are drawn."""
    colours: dict[str, set[tuple[int, ...]]] = {}
    for run, (_, _, colour) in card.rows.items():
        name = run.rpartition("reference/")[2] if "reference/" in run else run.split("+seed")[0]
        colours.setdefault(name, set()).add(tuple(colour))
    wrong = [f"{name}: {len(seen)} colours" for name, seen in colours.items() if len(seen) > 1]
    if len(set.union(*colours.values())) < len(colours):
        wrong.append("two settings or lines share a colour")
    for run in card.rows:
        for rung in ladder:
            if (
                run.endswith(f"reference/{line_name('echo', rung)}")
                and card.drawn(run, rung.loss, 300) < 0.6
            ):
                wrong.append(f"{run}: not drawn")
    return wrong


def seen(card: Card, run: str, result: dict) -> float:
    """Share of the points of a run's curve at which its colour is seen."""
    curve = result["curve"]
    points = zip(curve["updates"], curve["loss"], strict=True)
    return float(np.mean([card.shows(run, *point) for point in points if point[0] >= 50]))


def test_the_address_opens_the_loss_pinned_and_unsmoothed_over_each_rung_once(
    said, board, page, logs
):
    page.turn_to(f"{board.url}{query(said)}")
    card = page.first_card()
    pinned = page.page.locator("metrics-pinned-view card-view")
    assert pinned.count() == 1
    assert card.tag == "echo/loss"
    assert pinned.locator("tb-data-table-header-cell").all_inner_texts().count("Smoothed") == 0
    assert lines(card) == sorted(line_name("echo", rung) for rung in ECHO)
    results = runs(logs / "sweep")
    assert len(results) == 20
    assert {run for run in card.rows if "reference" not in run} == results.keys()
    for run, result in results.items():
        assert card.rows[run][0] == pytest.approx(result["curve"]["loss"][-1], abs=6e-5)
    assert miscoloured(card, ECHO) == []
    assert np.mean([seen(card, run, result) for run, result in results.items()]) > 0.8
    assert all(url.startswith((board.url, "about:", "data:", "blob:")) for url in page.asked)


def test_the_checks_miss_colours_and_pins_that_are_not_there(board, page):
    """The test before can fail: it sees what is missing when the address asks for nothing."""
    page.turn_to(f"{board.url}#timeseries")
    card = page.first_card()
    assert page.page.locator("metrics-pinned-view card-view").count() == 0
    heads = page.page.locator("card-view").first.locator("tb-data-table-header-cell")
    assert "Smoothed" in " ".join(heads.all_inner_texts())
    assert len([wrong for wrong in miscoloured(card, ECHO) if " colours" in wrong]) == len(RATES)


def test_tensorboard_above_the_sweep_shows_each_rung_once_and_the_same_colours(
    said, above, page, logs
):
    page.turn_to(f"{above.url}{query(said)}")
    card = page.first_card()
    assert card.tag == "echo/loss"
    assert lines(card) == sorted(line_name("echo", rung) for rung in ECHO)
    assert len(card.rows) == 20 + len(ECHO)
    assert miscoloured(card, ECHO) == []


def test_hparams_shows_every_run_with_what_was_varied_and_how_soon_each_rung_was_reached(
    board, page, logs
):
    results = runs(logs / "sweep")
    titles, rows = page.hparams(board, set(results))
    floor_up = [f"updates_to/{rung.name}" for rung in reversed(ECHO.rungs)]
    settings = ["optimizer.lr", "seed", "standing"]
    verdict = ["verdict/loss", "verdict/divergence"]
    assert titles == ["Trial ID", "Show Metrics", *settings, *verdict, *floor_up[:3]]
    assert rows.keys() == results.keys()
    for run, result in results.items():
        reached = {rung["name"]: rung["reached_at"] for rung in result["rungs"]}
        (rate,) = re.findall(r"optimizer\.lr-([\d.]+)", run)
        shown = [float(rate), result["seed"], standing(result)]
        shown += [result["loss"], result["divergence"]]
        shown += [at for rung in reversed(ECHO.rungs[1:]) if (at := reached[rung.name]) is not None]
        assert len(rows[run]) == len(shown)
        for text, value in zip(rows[run], shown, strict=True):
            assert (
                text == value
                if isinstance(value, str)
                else float(text) == pytest.approx(value, rel=1e-3)
            )
    metrics = board.get("plugin/hparams/experiment", body={})["metricInfos"]
    rest = [
        *("verdict/above_floor", "verdict/share", "verdict/rung"),
        *("verdict/test_error", "verdict/steps_per_second"),
    ]
    assert [info["name"]["tag"] for info in metrics] == [*verdict, *floor_up, *rest]
    _, values = board.scalars(next(iter(results)), "verdict/rung")
    assert values == [[r.name for r in ECHO].index(next(iter(results.values()))["rung"]) + 1]


def columns(sweep: Path) -> list[str]:
    """Metrics for which HParams is told to have a column."""
    (file,) = (sweep / "+reference").glob("*/*.columns")
    plugin = EventAccumulator(str(file)).Reload().SummaryMetadata("_hparams_/experiment")
    told = HParamsPluginData.FromString(plugin.plugin_data.content).experiment
    return [info.name.tag for info in told.metric_infos]


@pytest.mark.slow
def test_a_sweep_of_two_tasks_has_columns_for_the_rungs_of_both_and_pins_both(tmp_path):
    words = ("trainer.max_epochs=null", "trainer.max_steps=20", f"hydra.sweep.dir={tmp_path}")
    train(tmp_path, "-m", "task=echo", *words)
    assert "updates_to/all" not in columns(tmp_path)
    said = train(tmp_path, "-m", "task=echo,count", *words)
    rungs = {f"updates_to/{rung.name}" for ladder in (ECHO, COUNT) for rung in ladder}
    assert rungs <= set(columns(tmp_path))
    (pins,) = parse_qs(urlsplit(query(said)).query)["pinnedCards"]
    assert [pin["tag"] for pin in json.loads(pins)] == ["count/loss", "echo/loss"]


def test_a_single_run_says_where_to_look_and_sets_columns(tmp_path):
    said = train(tmp_path / "logs", "trainer.max_epochs=null", "trainer.max_steps=20")
    assert f"look   tensorboard --logdir {tmp_path / 'logs'}, then open" in said
    (pins,) = parse_qs(urlsplit(query(said)).query)["pinnedCards"]
    assert json.loads(pins) == [{"plugin": "scalars", "tag": "echo/loss"}]
    assert {f"updates_to/{rung.name}" for rung in ECHO} <= set(columns(tmp_path / "logs"))


LONG = f"task.effects={{{', '.join(['1: 0.001'] * 30)}}}"


def setting(*words: str) -> str:
    """What the name of a job tells of its setting; wherever TensorBoard is started, the same."""
    name = folder_name(words, {"words": words}, varied={word.partition("=")[0] for word in words})
    assert re.fullmatch(r"[\w.+-]{13,200}", name)
    match, above = re.match(SETTING, name), re.match(SETTING, f"sweep-1/{name}")
    assert match
    assert above
    assert above[1].removeprefix("sweep-1").removeprefix("/") == match[1]
    return match[1]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("model=rnn",),
        ("trainer.max_steps=20", "data=split", "data.split_seed=5"),
        ("trainer.max_steps=20", LONG),
    ],
)
def test_a_name_tells_its_setting_whatever_the_seed(words):
    assert setting("seed=3", *words) == setting(*words, "seed=12")
    assert setting(*words) != setting(*words, "trainer.gradient_clip=2")


def test_the_seed_of_a_split_is_a_setting_and_so_is_what_a_long_name_leaves_out():
    assert setting("data.split_seed=5", "seed=1") != setting("data.split_seed=6", "seed=1")
    assert setting(LONG, "z=5", "seed=1") != setting(LONG, "z=6", "seed=1")
    assert setting("seed=3", "model=rnn") == "model-rnn"


@pytest.mark.slow
def test_members_write_their_curves_without_a_thread_each(tmp_path):
    before = threading.active_count()
    boards = [EventFileLogger(tmp_path / str(member)) for member in range(64)]
    for member, board in enumerate(boards):
        board.folder.mkdir()
        for step in range(3):
            board.log_metrics({"echo/loss": member + step, "echo/length": 2.0}, step=step)
    assert threading.active_count() == before
    for member, board in enumerate(boards):
        read = EventAccumulator(str(board.folder)).Reload()  # nothing waits to be written
        points = [(point.step, point.value) for point in read.Scalars("echo/loss")]
        assert points == [(step, member + step) for step in range(3)]
        assert sorted(read.Tags()["scalars"]) == ["echo/length", "echo/loss"]
        board.close()
