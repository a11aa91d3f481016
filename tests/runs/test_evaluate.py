"""A trained network is scored again, and a folder that is no run is answered in one line."""

import json
import shutil

import pytest
import torch

from doors import SHORT


@pytest.fixture
def parity_run(left):
    return left("task=parity", "task.num_steps=10", *SHORT, "data.batch_size=16")


def test_a_run_scores_as_it_did_when_it_ended(parity_run, evaluated):
    measured = json.loads(evaluated(f"run={parity_run}", "--json").out)
    recorded = json.loads((parity_run / "result.json").read_text())
    for key in ("loss", "rung", "mistakes", "nearest"):
        assert measured[key] == recorded[key]


def test_a_run_can_be_scored_on_longer_sequences(parity_run, evaluated):
    measured = json.loads(evaluated(f"run={parity_run}", "task.num_steps=100", "--json").out)
    assert "last 64" in [rung["name"] for rung in measured["rungs"]]


@pytest.fixture
def count_run(left):
    return left("task=count", "model.hidden_size=4", "trainer.max_steps=50", "engine=autograd")


@pytest.mark.parametrize("change", ["seed=1", "data.split_seed=3", "data.train_size=400"])
def test_a_run_is_never_tested_on_what_it_was_trained_on(count_run, evaluated, change):
    """A split drawn anew would have training strings in its test set."""
    outcome = evaluated(f"run={count_run}", change)
    assert outcome.code == 2
    assert "when the run began and cannot change" in outcome.complaint
    assert "validation_seed" not in outcome.complaint


def test_other_validation_sequences_are_drawn_by_a_key_that_says_so(parity_run, evaluated):
    assert (
        "data.validation_seed=1 draws other" in evaluated(f"run={parity_run}", "seed=1").complaint
    )
    ours, same, other = (
        json.loads(evaluated(f"run={parity_run}", *words, "--json").out)["loss"]
        for words in ((), ("data.validation_seed=0",), ("data.validation_seed=1",))
    )
    assert ours == same != other
    assert ours == pytest.approx(other, abs=0.05)


def test_help_needs_no_run(evaluated):
    outcome = evaluated("--help")
    assert outcome.code == 0
    assert "task.num_steps=500" in outcome.out


def _truncated(folder):
    path = folder / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1000])


def _from_another_version(folder):
    path = folder / "checkpoints" / "last.ckpt"
    # those of the first had no seal
    torch.save({**torch.load(path, weights_only=True), "lossladder_format": 1}, path)


def _with_a_harmful_target(folder):
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("lossladder.tasks.Parity", "os.system"))


def _with_a_torn_config(folder):
    (folder / "config.yaml").write_text("task: [")


def _with_a_torn_result(folder):
    (folder / "result.json").write_text('{"loss": ')


def _without_a_checkpoint(folder):
    shutil.rmtree(folder / "checkpoints")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncated, "truncated"),
        (_from_another_version, "another version"),
        (_with_a_harmful_target, "allowed packages"),
        (_with_a_torn_config, "config.yaml cannot be read"),
        (_with_a_torn_result, "result.json cannot be read"),
        (_without_a_checkpoint, "no finished run"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(parity_run, evaluated, damage, said):
    damage(parity_run)
    outcome = evaluated(f"run={parity_run}")
    assert outcome.code == 2
    assert said in outcome.complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run=nowhere",), "no such folder"),
        (("/",), "if it is the folder of a run, run=/"),
        ((), "name the folder"),
        (("seed=1",), "name the folder"),
        (("run=a", "run=b"), "name the folder"),
        (("fast",), "key=value"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(evaluated, words, said):
    outcome = evaluated(*words)
    assert outcome.code == 2
    assert said in outcome.complaint


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("task.num_stesp=500", "no such key"),
        ("model=lstm", "cannot change"),
        ("model.hidden_size=3", "do not fit"),
        ("task.base=0.5", "no such key; allowed: task.num_steps, task.chance_of_one"),
    ],
)
def test_a_change_the_run_cannot_take_is_refused(parity_run, evaluated, change, said):
    outcome = evaluated(f"run={parity_run}", change)
    assert outcome.code == 2
    assert said in outcome.complaint


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("echo", "this run has no such key; allowed: task.effects, task.base, task.chance_of_one"),
        ("count", "the data of a run cannot be changed to others"),
    ],
)
def test_a_way_out_that_the_run_does_not_have_is_not_named(train, evaluated, task, said):
    (folder,) = train(f"task={task}", *SHORT).folders
    outcome = evaluated(f"run={folder}", "task.num_steps=500")
    assert outcome.code == 2
    assert outcome.complaint.startswith("lossladder: task.num_steps=500: ")
    assert said in outcome.complaint
    assert "data=fresh" not in outcome.complaint
