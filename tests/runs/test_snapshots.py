"""`trainer.snapshots=true`: what a run was like on its way, in its result and in TensorBoard."""

import json
from io import BytesIO

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from doors import SHORT
from lossladder.runs.load import load_run
from lossladder.runs.result import Result
from lossladder.training import snapshots
from lossladder.training.learner import validation_score
from lossladder.training.snapshots import Snapshots

ON = (*SHORT, "trainer.snapshots=true", "trainer.validate_every=20", "data.batch_size=16")
IMAGES = {"echo/snapshot_behaviour", "echo/snapshot_horizon", "echo/snapshot_decoding"}


@pytest.fixture
def folder(made_once):
    """Of a run that keeps and draws them."""
    return made_once("task=echo", *ON)


def kept(folder):
    return json.loads((folder / "result.json").read_text())


def shown(folder):
    return EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()


def test_each_validation_is_kept_and_some_are_drawn(folder):
    result = kept(folder)
    found = result["snapshots"]
    assert found["updates"] == result["validation"]["updates"] == [20, 40, 60, 80, 100]
    # of the last one the result says the same
    last = {name: away[-1] for name, away in found["divergences"].items()}
    assert last == result["divergences"]
    assert (found["nearest"][-1], found["share"][-1]) == (result["nearest"], result["share"])
    events = shown(folder)
    assert {*events.Tags()["images"]} == IMAGES
    for tag in IMAGES:
        assert [image.step for image in events.Images(tag)] == [20, 40, 80, 100]
        image = events.Images(tag)[-1]
        with Image.open(BytesIO(image.encoded_image_string)) as picture:
            assert picture.size == (image.width, image.height) == (560, 350)
    points = events.Scalars("echo/snapshot_divergence/lag 3")
    assert [point.value for point in points] == pytest.approx(found["divergences"]["lag 3"])


@pytest.mark.slow
def test_they_change_nothing_of_what_is_learnt(train):
    words = ("task=words", "model=gru", *ON[:-1], "data.batch_size=8", "model.dropout=0.1")
    with_them = kept(train(*words, "model.layers=2").folders[0])
    without = kept(train(*words, "model.layers=2", "trainer.snapshots=false").folders[1])
    assert with_them["curve"] == without["curve"]
    assert with_them["loss"] == without["loss"]
    assert "snapshots" not in without


@pytest.mark.slow
def test_members_keep_what_a_run_alone_keeps_and_the_first_is_drawn(train):
    alone = kept(train("task=echo", "seed=1", *ON).folders[0])
    members = train("-m", "task=echo", "seed=0,1", *ON).folders[1:]
    found = {
        kept(folder)["seed"]: folder for folder in members if (folder / "result.json").exists()
    }
    own, together = alone["snapshots"], kept(found[1])["snapshots"]
    assert together["updates"] == own["updates"]
    for name, away in own["divergences"].items():
        assert together["divergences"][name] == pytest.approx(away, rel=1e-3)
    assert {*shown(found[0]).Tags()["images"]} == IMAGES
    assert not shown(found[1]).Tags()["images"]


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_those_of_before(train):
    whole = train("task=echo", *ON, "engine=autograd").folders[0]
    cut = train("task=echo", *ON, "engine=autograd", "trainer.max_steps=40").folders
    (half,) = {*cut} - {whole}
    longer = train(f"resume={half}", "trainer.max_steps=100").folders
    (rest,) = {*longer} - {whole, half}
    assert kept(rest)["snapshots"] == kept(whole)["snapshots"]


def test_of_many_the_older_become_fewer(train, monkeypatch):
    monkeypatch.setattr(snapshots, "_MOST", 4)
    run = load_run(train("task=echo", *SHORT, "data.batch_size=16").folders[0])
    data = run.parts.data
    taken, measured = Snapshots(data.ladder()), validation_score(run.network, data)
    drawn = []
    for update in range(1, 11):
        taken.take(update, measured, data)
        drawn += [update] * taken.is_drawn
        again = Snapshots(data.ladder())
        again.restore(taken.state())
        assert again.record() == taken.record()
    assert taken.record().updates == [6, 8, 9, 10]
    assert drawn == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "broken",
    [{"share": []}, {"nearest": [1]}, {"divergences": {"none": [0.1, 0.2]}}, {"updates": 3}],
)
def test_a_result_whose_snapshots_are_torn_is_damaged(folder, broken):
    result = kept(folder)
    result["snapshots"] |= broken
    with pytest.raises(ValueError, match="by its snapshots"):
        Result.parse(result)


def test_what_is_no_flag_is_refused(train):
    outcome = train("task=echo", *SHORT, "trainer.snapshots=often")
    assert outcome.code == 2
    assert "trainer.snapshots='often': must be true or false" in outcome.complaint
