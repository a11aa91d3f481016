"""Streams that restart: where they begin, and what a run makes of them."""

import json

import pytest
import torch

from lossladder.data import Streams
from lossladder.data.starts import Starts
from lossladder.tasks import Echo, Words

RESTARTS = {0: 0.5, 12: 0.1}


def data(restarts=RESTARTS, task=None, **changes) -> Streams:
    given = {"batch_size": 4, "bptt_steps": 5, "stream_steps": 10_000, "windows_per_chunk": None}
    return Streams(task or Words("S3"), **{**given, **changes}, seed=0, restarts=restarts)


def test_starts_are_spread_evenly_and_do_not_depend_on_how_long_a_run_is():
    starts = Starts(1000, {0: 0.5, 800: 0.2, 1600: 0.02})
    asked_late = Starts(1000, {0: 0.5, 800: 0.2, 1600: 0.02})
    asked_late.begins(50_000)
    begins = [update for update in range(4000) if starts.begins(update)]
    assert begins == [update for update in range(4000) if asked_late.begins(update)]
    counts = [sum(first <= b < end for b in begins) for first, end in ((0, 800), (800, 1600))]
    assert counts == [400, pytest.approx(160, abs=1)]
    assert {1000, 2000, 3000} <= {*begins}  # an epoch begins new streams in any case
    assert 45 <= sum(b >= 1600 for b in begins) <= 52


@pytest.mark.parametrize("update", range(0, 40, 7))
def test_a_start_lies_at_or_before_what_follows_it(update):
    starts = Starts(15, RESTARTS)
    begun, following = starts.around(update)
    assert begun <= update < following
    assert starts.begins(begun)
    assert starts.begins(following)
    assert starts.number(update) == sum(starts.begins(u) for u in range(update + 1)) - 1


def test_a_product_goes_on_until_its_stream_starts_anew():
    streams, task = data(), Words("S3")
    letters: list[torch.Tensor] = []
    for update in range(40):
        chunk = streams.chunk(range(update, update + 1))
        letters = [] if streams.streams.begins(update) else letters
        letters.append(chunk.inputs[0])
        inputs = task.features(torch.cat(letters, dim=1))
        products = task.probabilities(inputs).argmax(dim=-1)[:, -5:]
        assert torch.equal(products, chunk.targets[0].long())


def test_a_chunk_is_the_same_however_a_run_is_cut():
    """From 22 to 32 no stream starts, with the schedule above."""
    whole = data().chunk(range(22, 32))
    parts = [data().chunk(range(first, first + 2)) for first in range(22, 32, 2)]
    for name in ("inputs", "targets"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(getattr(whole, name), joined)


def test_a_training_loss_that_knows_the_start_says_nothing_of_rungs():
    assert data(restarts=None, task=Echo()).training_tells
    assert not data(task=Echo()).training_tells
    assert not data(restarts=None).training_tells
    measured = [update for update in range(2100) if data().measured_at(update)]
    assert all(data().streams.begins(update) for update in measured)
    # the first start after each 250 updates
    assert len(measured) == 8


def test_a_run_goes_on_where_it_was_cut_and_engines_agree(train, tmp_path):
    words = ("experiment=words_endless", "model.hidden_size=6", "data.batch_size=8")
    words += ("trainer.progress=false", "data.stream_steps=4000", "data.restarts={0: 0.3}")

    def losses(name: str, *more: str) -> list[float]:
        # each in a folder of its own: names in `logs` tell runs of one second apart by their hashes
        outcome = train(*more, f"hydra.run.dir={tmp_path / name}")
        assert outcome.code == 0, outcome.err
        return json.loads((tmp_path / name / "result.json").read_text())["curve"]["loss"]

    expected = losses("autograd", *words, "engine=autograd", "trainer.max_steps=60")
    whole = losses("whole", *words, "engine=fused", "trainer.max_steps=60")
    assert whole == pytest.approx(expected, rel=1e-4)
    losses("cut", *words, "engine=fused", "trainer.max_steps=31")
    assert losses("rest", f"resume={tmp_path / 'cut'}", "trainer.max_steps=60") == whole


@pytest.mark.parametrize(
    ("restarts", "complaint"),
    [
        ({-1: 0.5}, "restarts: update=-1: must be a whole number of at least 0"),
        ({0: 2.0}, "restarts: share from update 0 on=2: must be a number from 0 to 1"),
    ],
)
def test_what_is_no_schedule_of_restarts_is_told(restarts, complaint):
    with pytest.raises(ValueError, match=complaint):
        data(restarts=restarts)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("task=source",), ("task=source", "data.restarts={0: 0.1}")])
def test_members_of_a_sweep_pass_the_rungs_that_each_passes_alone(train, words):
    words = *words, "trainer.max_epochs=null", "trainer.max_steps=520", "trainer.progress=false"
    for seed in (0, 1):
        train(*words, f"seed={seed}")
    results = train("-m", *words, "seed=0,1").results
    for seed in (0, 1):
        alone, member = (
            [rung["reached_at"] for rung in result["rungs"]]
            for result in results
            if result["seed"] == seed
        )
        assert alone == member
        assert alone[0] is not None
