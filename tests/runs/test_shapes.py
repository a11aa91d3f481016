"""Tasks of every shape: recipes reach their floors, and one picture shows all four."""

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from docs.figures import shapes
from short_runs import short_run

QUIET = "trainer.progress=false"
FOUR = {"xor": (1, 1), "unfold": (1, 10), "count": (10, 1), "echo": (10, 10)}  # inputs, targets


def test_a_feed_forward_network_reaches_the_floor_of_xor(train):
    outcome = train("task=xor", "model=mlp", QUIET)
    (result,) = outcome.results
    assert result["rung"] == result["nearest"] == "both"
    assert result["mistakes"] == 0
    assert result["loss"] < 0.005
    assert "knows both bits" in outcome.out


def test_a_recurrent_network_reaches_the_floor_of_unfold(train):
    outcome = train("task=unfold", QUIET)
    (result,) = outcome.results
    assert result["rung"] == result["nearest"] == "both"
    assert result["mistakes"] == 0
    assert result["loss"] < 0.005
    passed = [rung["reached_at"] for rung in result["rungs"]]
    assert passed == sorted(passed)


def test_a_network_without_memory_stays_on_the_ceiling_of_unfold(train):
    """It knows the first target, and at the nine others a chance of 45 in 99: 0.6201 at best."""
    (result,) = train("task=unfold", "model=mlp", QUIET).results
    assert result["rung"] == "none"
    assert 0.6200 < result["loss"] < 0.6301


@pytest.mark.slow
def test_the_worked_example_ends_where_the_article_would_with_simultaneous_updates(train):
    outcome = train("experiment=worked_example", QUIET)
    (result,) = outcome.results
    assert (result["engine"], result["steps"], result["parameters"]) == ("fused", 10_000, 8)
    assert result["engine_why"] == "the fastest that fits"
    assert result["loss"] == pytest.approx(3.510188e-5, rel=1e-3)  # in float32
    assert result["rung"] == "example"
    assert result["unit"] == "half squared error"
    assert "3.51" in outcome.out
    assert "nats" not in outcome.out
    assert result["curve"]["loss"][0] < 0.2984


@pytest.mark.slow
def test_every_other_network_starts_the_worked_example_from_drawn_weights(train):
    words = ("task=worked_example", "trainer.max_steps=200", QUIET)
    outcome = train("-m", "model=rnn,lstm,gru", *words)
    assert outcome.code == 0
    # nine tenths of the way, and not yet within a hundredth of each target
    assert all(0.9 < result["share"] < 0.9999 for result in outcome.results)
    assert {result["standing"] for result in outcome.results} == {"between"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "models"), [("xor", "mlp,rnn,lstm,gru"), ("unfold", "rnn,lstm,gru")]
)
def test_the_floor_is_reached_over_ten_seeds(task, models, train):
    outcome = train("-m", f"task={task}", f"model={models}", "seed=range(10)", QUIET)
    assert {result["rung"] for result in outcome.results} == {"both"}
    assert {result["mistakes"] for result in outcome.results} == {0}


# --- the picture of the four shapes ---------------------------------------------------------


@pytest.fixture(scope="module")
def four(tmp_path_factory) -> list[Path]:
    """A short run of a task of each shape, one to one first."""
    logs = tmp_path_factory.mktemp("four")
    return [short_run(logs, task, "trainer.max_steps=20") for task in FOUR]


@pytest.mark.slow
def test_the_picture_shows_which_steps_carry_input_and_which_are_scored(four):
    figure = shapes.draw(four)
    figure.draw_without_rendering()
    sequences, curves = figure.axes[::2], figure.axes[1::2]
    shown = [axes.get_title().strip() for axes in sequences]
    assert shown == ["one to one", "one to many", "many to one", "many to many"]
    for axes, (inputs, targets) in zip(sequences, FOUR.values(), strict=True):
        rows = [text.get_position()[1] for text in axes.texts if text.get_text().isdigit()]
        assert (rows.count(0), rows.count(2)) == (inputs, targets)
        boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert len(boxes) == inputs + targets
    for axes in curves:
        assert any(text.get_text().startswith("none: ") for text in axes.texts)
    words = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [word.get_window_extent() for word in words]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_the_picture_is_made_from_run_folders_by_a_command(four, tmp_path, capsys):
    out = tmp_path / "shapes.png"
    shapes.main([*map(str, four), "--out", str(out)])
    assert f"picture {out}" in capsys.readouterr().err
    assert out.stat().st_size < 150_000
    with pytest.raises(SystemExit) as ended:
        shapes.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "no.png")])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert "there is no such folder" in line
    assert not (tmp_path / "no.png").exists()
