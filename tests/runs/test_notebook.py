"""What a notebook calls: sweeps from Python, and pictures that stay small."""

from io import BytesIO
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from PIL import Image

import lossladder
from lossladder import notebook
from lossladder.cli.main import Outcome
from lossladder.notebook import Picture, curves, panels

ROOT = Path(__file__).parents[2]
SHORT = ("model=rnn", "trainer.max_steps=30", "trainer.max_epochs=null", "data.batch_size=20")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sweep"


def test_a_sweep_is_a_table_with_a_row_for_each_run(folder, capfd):
    runs = lossladder.sweep(*SHORT, "seed=0,1", "optimizer.lr=0.01,0.02", folder=folder)
    assert sorted(zip(runs["optimizer.lr"], runs["seed"], strict=True)) == [
        (0.01, 0), (0.01, 1), (0.02, 0), (0.02, 1)
    ]  # fmt: skip
    assert set(runs["status"]) == {"done"}
    assert lossladder.load_run(runs["folder"][0]).result["steps"] == 30
    assert capfd.readouterr() == ("", "")


def test_a_sweep_makes_nothing_twice_and_adds_what_is_missing(folder):
    lossladder.sweep(*SHORT, "seed=0", folder=folder)
    (first,) = folder.glob("*/result.json")
    written = first.stat().st_mtime_ns
    runs = lossladder.sweep(*SHORT, "seed=0,1", folder=folder)
    assert sorted(runs["seed"]) == [0, 1]
    assert first.stat().st_mtime_ns == written


def test_a_wrong_request_raises_with_the_line_of_the_command(folder):
    with pytest.raises(ValueError, match=r"lossladder: model=rnm.*did you mean rnn"):
        lossladder.sweep("model=rnm", folder=folder)
    assert not folder.exists()
    assert len(lossladder.sweep(*SHORT, "seed=0", folder=folder)) == 1  # and goes on after it


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name",
    [
        "a=b, it's {c}",
        "übung",
        "two words",
        "${x}",
        "back\\slash",
        "ends\\",
        '"both\' kinds"',
        "[1]",
    ],
)
def test_a_folder_may_have_any_name(tmp_path, name):
    folder = tmp_path / name
    assert len(lossladder.sweep(*SHORT, "seed=0", folder=folder)) == 1
    assert len(list(folder.glob("*/result.json"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_settings_may_be_listed_besides_the_cross_product(folder):
    jobs = [
        {"optimizer.lr": 0.02, "model.hidden_size": 4},
        {"optimizer.lr": 0.01, "model": "gru", "task.effects": {2: 0.25}},
    ]
    runs = lossladder.sweep(*SHORT[1:], "seed=0,1", jobs=jobs, folder=folder)
    assert sorted(zip(runs["seed"], runs["optimizer.lr"], runs["model"], strict=True)) == [
        (0, 0.01, "gru"), (0, 0.02, "rnn"), (1, 0.01, "gru"), (1, 0.02, "rnn"),
    ]  # fmt: skip
    assert lossladder.load_run(runs[runs.model == "gru"]["folder"].iloc[0]).task.effects == {
        2: 0.25
    }
    with pytest.raises(ValueError, match=r"model=gru has no such key; allowed: model.layers"):
        lossladder.sweep(jobs=[*jobs, {"model": "gru", "model.gain": 0.5}], folder=folder)


def test_what_the_notebook_did_before_changes_no_number_and_is_there_afterwards(folder, tmp_path):
    words = (*SHORT, "engine=autograd", "seed=0")
    plain = lossladder.sweep(*words, folder=tmp_path / "plain")
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            before = compose("train", overrides=["seed=5"], return_hydra_config=True)
            HydraConfig.instance().set_config(before)
            runs = lossladder.sweep(*words, folder=folder)
            assert HydraConfig.get().overrides.task == ["seed=5"]
            assert compose("train", overrides=["seed=6"]).seed == 6
        assert torch.get_default_dtype() == torch.float64
        assert torch.empty(1).device.type == "meta"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert list(runs["loss"]) == list(plain["loss"])


def test_ctrl_c_stops_the_cells_that_follow_as_well(folder, monkeypatch):
    lossladder.sweep(*SHORT, "seed=0", folder=folder)
    monkeypatch.setattr(notebook, "run", lambda *_: Outcome(1, folder, (), interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        lossladder.sweep(*SHORT, "seed=0,1", folder=folder)


def test_a_run_that_diverges_is_a_row_as_well(folder):
    runs = lossladder.sweep(*SHORT, "optimizer=sgd", "optimizer.lr=1e9,0.1", folder=folder)
    assert dict(zip(runs["optimizer.lr"], runs["status"], strict=True)) == {
        1e9: "diverged",
        0.1: "done",
    }


@pytest.mark.slow
def test_curves_are_a_picture_of_a_page(folder):
    lossladder.sweep(*SHORT, "seed=0,1", folder=folder)
    picture = curves(folder)
    png = Image.open(BytesIO(picture._repr_png_()))
    assert png.size == (840, 470)
    assert repr(picture) == "<a picture of 840 by 470 points>"
    assert len(picture._repr_png_()) < 60_000
    assert len(png.convert("RGB").getcolors()) > 10  # something is drawn


def test_panels_are_side_by_side():
    figure, axes = panels(3, height=2)
    places = [one.get_subplotspec().colspan.start for one in axes]
    assert places == [0, 1, 2]
    axes[1].plot([0, 1], [0, 1])
    assert Image.open(BytesIO(Picture(figure)._repr_png_())).size == (840, 200)
