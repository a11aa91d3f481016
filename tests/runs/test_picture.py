"""Pictures: curves go through their data, rungs lie at their losses, no words cover others."""

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from docs.figures.curves import main
from left_runs import ECHO, UPDATES, leave
from lossladder.drawing import COLOURS, png
from lossladder.report import figure as figures
from lossladder.report.figure import curves_scene, draw, outcome_scene, spread
from lossladder.report.summary import Line, Row, rows
from lossladder.report.summary import read_lines as read
from lossladder.report.sweep_folder import BINS, binned, labels, read_sweep, settings
from lossladder.report.sweep_folder import LadderRecord as Ladder
from lossladder.runs.result import CurveRecord
from lossladder.runs.result import RungRecord as Rung
from short_runs import short_run


def falling(ladder: list[Rung], runs: int = 1, label: str = "rnn") -> Line:
    updates = np.arange(10.0, 3000.0, 10.0)
    curve = np.linspace(ladder[0].loss * 1.05, ladder[-1].loss, len(updates))
    return Line(label, updates, np.array([curve + 0.01 * run for run in range(runs)]))


def covered(figure) -> list[tuple[str, str]]:
    """Pairs of words of which one covers the other, and words cut off at the edge."""
    (axes,) = figure.axes
    figure.draw_without_rendering()
    words = [*figure.texts, *axes.texts, *axes.get_legend().get_texts(), axes.xaxis.label]
    first, last = axes.get_xlim()
    words += [label for label in axes.get_xticklabels() if first <= label.get_position()[0] <= last]
    boxes = {word: word.get_window_extent() for word in words if word.get_text()}
    pairs = [
        (one.get_text(), other.get_text())
        for one, other in combinations(boxes, 2)
        if boxes[one].overlaps(boxes[other])
    ]
    edge = figure.bbox
    return pairs + [
        (word.get_text(), "the edge")
        for word, box in boxes.items()
        if box.x0 < edge.x0 or box.x1 > edge.x1 or box.y0 < edge.y0 or box.y1 > edge.y1
    ]


@pytest.fixture(scope="module")
def ladders(built) -> dict[str, list[Rung]]:
    return {
        task: [Rung(rung.name, rung.loss) for rung in built(f"task={task}").data.ladder()]
        for task in ("echo", "count", "parity")
    }


def test_a_curve_goes_through_its_points_and_rungs_lie_at_their_losses(tmp_path):
    figure = draw(curves_scene(*read([leave(tmp_path / "run")])))
    (axes,) = figure.axes
    (curve,) = (line for line in axes.lines if line.get_label() == "rnn")
    assert curve.get_xdata().tolist() == UPDATES
    assert curve.get_ydata() == pytest.approx([0.7, 0.6, 0.5, 0.5, 0.46])
    across = [line.get_ydata() for line in axes.lines if tuple(line.get_xdata()) == (0, 1)]
    assert [tuple(heights) for heights in across] == [(rung.loss, rung.loss) for rung in ECHO]
    words = {text.get_text() for text in (*axes.texts, *figure.texts)}
    assert {"none: 0.6616", "lag 3: 0.5192", "lags 3 and 8: 0.4545", "echo"} <= words


def test_seeds_of_one_setting_become_their_median_and_other_settings_other_lines(tmp_path):
    runs = [
        leave(tmp_path / f"{seed}", seed=seed, loss=(0.7 + seed / 10, 0.6)) for seed in range(3)
    ]
    runs.append(leave(tmp_path / "lstm", names={"task": "echo", "model": "lstm"}))
    ladder, lines = read(runs)
    assert [(line.label, len(line.losses)) for line in lines] == [("rnn", 3), ("lstm", 1)]
    (axes,) = draw(curves_scene(ladder._replace(unit="half squared error"), lines)).axes
    assert ladder.unit == "nats"  # a result that says none has nats
    assert axes.get_ylabel() == "loss, half squared error a step"
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert drawn["rnn"] == pytest.approx([0.8, 0.6])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.max(), band[band > 0.65].min()) == pytest.approx((0.85, 0.75))


def test_the_folder_of_a_sweep_stands_for_its_runs(tmp_path):
    for seed in range(2):
        leave(tmp_path / "sweep" / f"{seed}", seed=seed)
    (tmp_path / "sweep" / "multirun.yaml").touch()
    (line,) = read([tmp_path / "sweep"])[1]
    assert line.losses.shape == (2, 5)


def test_an_interrupted_seed_shortens_its_line(tmp_path):
    runs = [leave(tmp_path / "0"), leave(tmp_path / "1", seed=1, loss=(0.7, 0.6, 0.5))]
    (line,) = read(runs)[1]
    assert line.updates.tolist() == UPDATES[:3]


@pytest.mark.parametrize("task", ["echo", "count", "parity"])
@pytest.mark.parametrize("lines", [1, 4, 8])
def test_no_word_covers_another(ladders, task, lines):
    ladder = ladders[task]
    drawn = [falling(ladder, runs=3, label=f"lstm, hidden size {n}") for n in range(lines)]
    assert covered(draw(curves_scene(Ladder(task, tuple(ladder)), drawn))) == []


def test_words_would_cover_others_if_they_stood_at_their_lines(ladders, monkeypatch):
    """The check of the test before can fail."""
    monkeypatch.setattr(figures, "spread", lambda places, gap: places)
    pairs = covered(
        draw(curves_scene(Ladder("count", tuple(ladders["count"])), [falling(ladders["count"])]))
    )
    assert ("none: 1.8760", "last 1: 1.8229") in pairs


def test_a_curve_above_the_ladder_is_seen():
    line = Line("rnn", np.array([10.0, 20.0]), np.array([[3.0, 2.0]]))
    (axes,) = draw(curves_scene(Ladder("echo", tuple(ECHO)), [line])).axes
    assert axes.get_ylim()[1] > 2.0
    near = Line("gru", np.array([10.0, 20.0]), np.array([[0.7, 0.5]]))
    (axes,) = draw(curves_scene(Ladder("echo", tuple(ECHO)), [line, near])).axes
    assert axes.get_ylim()[1] < 1.0  # beside one that came near, it would hide the ladder


def ending(tmp_path, key: str, values: tuple[object, ...], **more: object) -> list[Row]:
    """Rows of settings 0.01, 0.02, … from the exact law; the second seed 0.002 further."""
    group, _, name = key.partition(".")
    for number, value in enumerate(values):
        for seed in (0, 1):
            loss = (0.7, 0.4545 + 0.01 * (number + 1) + 0.002 * seed)
            config = {group: {name: value}, **more}
            leave(tmp_path / f"{number}-{seed}", loss=loss, seed=seed, **config)
    return rows(read_sweep(tmp_path))


def places(scene) -> list[float]:
    """Where the means lie across the picture, relative to the first and the last."""
    (trace,) = scene.traces
    at = scene.x.place(trace.x)
    return ((at - at[0]) / (at[-1] - at[0])).tolist()


def test_outcomes_lie_where_a_number_lies_and_their_line_goes_through_means(tmp_path):
    made = ending(tmp_path, "optimizer.lr", (0.1, 0.2, 0.4))
    scene = outcome_scene("optimizer.lr", ("0.1", "0.2", "0.4"), made)
    assert places(scene) == pytest.approx([0, 1 / 3, 1])
    (trace,) = scene.traces
    assert trace.middle == pytest.approx([0.011, 0.021, 0.031])
    assert np.sort(trace.seeds, axis=0).T.ravel() == pytest.approx(
        [0.01, 0.012, 0.02, 0.022, 0.03, 0.032]
    )
    assert [tick.words for tick in scene.x.ticks] == ["0.1", "0.2", "0.4"]
    assert scene.x.ticks[1].value == 0.2
    assert scene.y.name == "divergence from the exact law, nats a step"
    assert [line.rung.name for line in scene.rungs] == ["lags 3 and 8"]  # others lie above
    assert scene.rungs[0].value == 0
    assert scene.y.last < 0.05


def test_the_axis_of_a_key_is_logarithmic_from_a_decade_on(tmp_path):
    made = ending(tmp_path / "log", "optimizer.lr", (0.0003, 0.003, 0.03))
    scene = outcome_scene("optimizer.lr", ("0.0003", "0.003", "0.03"), made)
    assert places(scene) == pytest.approx([0, 0.5, 1])
    made = ending(tmp_path / "sizes", "model.hidden_size", (4, 16, 64))
    assert places(outcome_scene("model.hidden_size", ("4", "16", "64"), made)) == pytest.approx(
        [0, 0.5, 1]
    )
    made = ending(tmp_path / "linear", "optimizer.lr", (0, 0.003, 0.03))  # no logarithm of 0
    scene = outcome_scene("optimizer.lr", ("0", "0.003", "0.03"), made)
    assert places(scene) == pytest.approx([0, 0.1, 1])


def test_values_that_are_no_numbers_stand_side_by_side(tmp_path):
    made = ending(tmp_path, "model.kind", ("10", "", "odd"))
    scene = outcome_scene("model.kind", ("10", "", "odd"), made)
    assert places(scene) == pytest.approx([0, 0.5, 1])
    assert [tick.words for tick in scene.x.ticks] == ["10", "unset", "odd"]
    assert scene.named  # so that no line joins them


def test_names_of_ticks_have_room():
    ticks = [(float(n), "a long name") for n in range(20)]
    axis = figures._axis("", 0, 19, ticks)
    at = axis.place([tick.value for tick in axis.ticks])
    assert 5 <= len(at) < 10
    assert (np.diff(at) > 0.1).all()
    plain = axis.place([tick.value for tick in axis.ticks if not tick.spare])
    assert len(plain) < len(at)
    assert (np.diff(plain) > 0.4).all()


def test_what_a_folder_says_is_drawn_as_it_stands(tmp_path):
    """No mathematics, no name that matplotlib hides, no letter that stops it."""
    odd = ("_hidden", "$x^$", "\ud800", "\u6f22", "two\nlines")
    rungs = [Rung("a$^$", 0.7), Rung("\ud800\u6f22", 0.4545)]
    for number, name in enumerate(odd):
        names = {"task": "$echo", "model": name.encode("utf-8", "replace").decode()}
        leave(tmp_path / f"{number}", rungs=rungs, task="$echo", names=names)
    ladder, lines = read(sorted(tmp_path.iterdir()))
    figure = draw(curves_scene(ladder, lines))
    assert len(png(figure, 50)) > 1000
    (axes,) = figure.axes
    words = [text.get_text().strip() for text in axes.get_legend().get_texts()]
    assert words == ["_hidden", "$x^$", "?", "\u6f22", "two lines"]


def test_a_path_steps_from_point_to_point():
    y = figures.Axis("loss", 0.0, 2.0)
    scene = figures.Scene("", figures.Axis("updates", 1, 100, log=True), y, (), ())
    x, losses = np.array([1.0, 10.0, 100.0]), np.array([2.0, 1.0, 0.0])
    assert scene.path(x, losses) == "M0 0l500 500 500 500"
    assert scene.path(x, losses, losses + np.nan) == "M0 0l500 500 500 500z"
    assert scene.path(x[:1], losses[:1]) == "M0 0l0 0"
    assert scene.path(x, losses + np.nan) == ""
    assert scene.path(x, np.array([9.0, 1.0, -9.0])) == "M0 -50l500 550 500 550"  # just outside


def test_spread_places_keep_their_order_and_distance():
    generator = np.random.default_rng(0)
    for _ in range(50):
        wanted = np.sort(generator.random(11))[::-1].tolist()
        places = np.array(spread(wanted, gap=0.06))
        assert (-np.diff(places) > 0.06 - 1e-9).all()
        assert places.mean() == pytest.approx(np.mean(wanted))  # crowds stay where they were
    assert spread([0.9, 0.5, 0.1], gap=0.2) == pytest.approx([0.9, 0.5, 0.1])


def test_binned_points_are_means_of_theirs():
    updates, losses = np.arange(1.0, 10_001.0), np.random.default_rng(0).random(10_000)
    last, means = binned(CurveRecord(updates.astype(int).tolist(), losses.tolist()))
    assert len(last) <= BINS
    ends = last.astype(int)
    assert means[-1] == pytest.approx(losses[ends[-2] :].mean())
    weights = np.diff(ends, prepend=0)
    assert (means * weights).sum() == pytest.approx(losses.sum())


def test_settings_say_what_tells_runs_apart_and_no_more():
    def config(model: str, hidden: int, lr: float, seed: int) -> dict[str, str]:
        values = {"names.model": model, "model.hidden_size": hidden, "optimizer.lr": lr}
        return {**{key: str(value) for key, value in values.items()}, "seed": str(seed)}

    found = settings([config("rnn", 4, 0.1, 0), config("rnn", 9, 0.2, 0), config("gru", 9, 0.1, 1)])
    assert found[0] == (("model", "rnn"), ("model.hidden_size", "4"))  # says its lr as well
    assert list(labels(found).values()) == ["rnn, hidden size 4", "rnn, hidden size 9", "gru"]
    fast = {**config("gru", 9, 0.1, 0), "names.engine": "fused"}
    assert settings([config("rnn", 4, 0.1, 0), fast]) == [(("model", "rnn"),), (("model", "gru"),)]
    alike = settings([config("rnn", 4, 0.1, 0), config("rnn", 4, 0.1, 1)])
    assert alike == [(), ()]


@pytest.mark.slow
def test_a_real_run_becomes_a_small_picture_on_white(tmp_path, capsys):
    run = short_run(tmp_path / "logs", "echo")
    out = tmp_path / "deep" / "echo.png"
    main([str(run), "--out", str(out)])
    assert f"picture {out}" in capsys.readouterr().err
    pixels = imread(out)[..., :3]
    assert out.stat().st_size < 150_000
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
    colours = {to_hex(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0)}
    assert COLOURS[0].lower() in colours


def test_wrong_requests_are_answered_in_one_line(tmp_path, capsys):
    run, out = leave(tmp_path / "run"), str(tmp_path / "out.png")
    other = leave(tmp_path / "other", rungs=ECHO[1:])
    unborn, torn, foreign = (leave(tmp_path / name) for name in ("unborn", "torn", "foreign"))
    empty = json.loads((unborn / "result.json").read_text())
    (unborn / "result.json").write_text(json.dumps({**empty, "curve": {"updates": [], "loss": []}}))
    (torn / "result.json").write_text('{"task": ')
    (foreign / "result.json").write_text("[]")
    for words, complaint in (
        ([str(tmp_path / "nowhere"), "--out", out], "is no finished run, it has no result.json"),
        ([str(run), str(other), "--out", out], "one picture, one ladder"),
        ([str(unborn), "--out", out], "has no curve"),
        ([str(torn), "--out", out], "cannot be read"),
        ([str(foreign), "--out", out], "is no result of a run"),
        ([str(run), "--out", str(tmp_path / "out.nothing")], "'nothing' is not supported"),
        ([str(run), "--out", str(run / "result.json" / "out.png")], "result.json: "),
        ([str(run)], "required: --out"),
        (["--out", out], "required: RUN"),
        ([str(run), "--out", out, "--colour", "red"], "unrecognized arguments: --colour red"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        (line,) = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2
        assert complaint in line
    assert not Path(out).exists()


def test_matplotlib_is_imported_when_something_is_drawn():
    ask = "import sys, lossladder.report.figure; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", ask], timeout=60).returncode == 0
