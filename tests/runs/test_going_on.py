"""A run goes on: with the command it began with, with resume=, and only as the run that it was."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from doors import Door
from lossladder.report.summary import failures
from lossladder.report.sweep_folder import read_sweep
from lossladder.runs.checkpoint import write_checkpoint
from lossladder.runs.folder import CHECKPOINT, EVENTS, claim
from lossladder.runs.group import Group, in_group, kept_groups, read_left, remove_ended_groups
from lossladder.sweeps.job import Job, give_up
from lossladder.tasks import Echo
from lossladder.tensorboard.reference_lines import write_references

SMALL = ("model.hidden_size=4", "data.batch_size=20", "trainer.progress=false", "engine=autograd")


def updates(folder: Path) -> int:
    return json.loads((folder / "result.json").read_text())["steps"]


@pytest.fixture
def cut(left: Callable[..., Path]) -> Path:
    """The folder of a run of 100 updates that was cut off: its result is gone."""
    folder = left(*SMALL, "trainer.max_steps=100")
    (folder / "result.json").unlink()
    return folder


def test_a_run_that_was_cut_off_goes_on_where_it_lives(train: Door, logs, cut):
    before = sorted(logs.glob("*/config.yaml"))
    for words in ((f"resume={cut}",), ("resume=latest",), (*SMALL, f"hydra.run.dir={cut}")):
        (cut / "result.json").unlink(missing_ok=True)
        outcome = train(*words, *(["trainer.max_steps=100"] if len(words) > 1 else []))
        assert outcome.code == 0, outcome.err
        assert updates(cut) == 100
        assert sorted(logs.glob("*/config.yaml")) == before  # in no other folder
    assert not [path for path in logs.iterdir() if path.is_dir() and not any(path.iterdir())]


@pytest.mark.slow
def test_a_longer_run_is_another(train: Door, logs, cut, tmp_path):
    for words in (("trainer.max_steps=150",), (f"hydra.run.dir={tmp_path / 'here'}",)):
        outcome = train(f"resume={cut}", *words)
        assert not (cut / "result.json").exists()
        assert (outcome.code == 0) == (words[0] == "trainer.max_steps=150"), outcome.err
    assert {updates(path.parent) for path in logs.glob("*/result.json")} == {150}


def test_the_same_command_tells_again_of_a_run_that_is_done(train: Door, tmp_path):
    words = (*SMALL, "trainer.max_steps=50", f"hydra.run.dir={tmp_path / 'run'}")
    first = train(*words)
    written = (tmp_path / "run/result.json").stat().st_mtime_ns
    again = train(*words)
    assert (first.code, again.code) == (0, 0)
    assert "done already" in again.out
    assert first.out.splitlines()[:5] == again.out.splitlines()[:5]
    assert (tmp_path / "run/result.json").stat().st_mtime_ns == written


def test_another_run_finds_the_folder_taken(train: Door, tmp_path):
    folder = tmp_path / "run"
    train(*SMALL, "trainer.max_steps=50", f"hydra.run.dir={folder}")
    left = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    outcome = train(*SMALL, "trainer.max_steps=50", "seed=1", f"hydra.run.dir={folder}")
    assert outcome.code == 2
    assert "holds config.yaml of another run; choose another" in outcome.complaint
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == left


def test_what_others_have_left_in_a_folder_is_neither_taken_nor_removed(train: Door, cut, tmp_path):
    folder = tmp_path / "of others"
    (folder / "checkpoints").mkdir(parents=True)
    theirs = (cut / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(theirs)
    outcome = train(*SMALL, "trainer.max_steps=100", f"hydra.run.dir='{folder}'")
    assert outcome.code == 2
    assert "holds checkpoints of another run" in outcome.complaint
    assert [path.name for path in folder.rglob("*")] == ["checkpoints", "last.ckpt"]
    assert (folder / CHECKPOINT).read_bytes() == theirs


def test_a_refused_request_leaves_an_empty_folder_that_was_there(train: Door, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    assert train(*SMALL, "model.hidden_size=-1", f"hydra.run.dir={folder}").code == 2
    assert list(folder.iterdir()) == []


def test_what_is_kept_of_a_group_goes_when_all_have_ended(tmp_path):
    config = {"seed": 0, "names": {"task": "echo", "model": "rnn", "engine": "auto"}}
    jobs = [Job(number, {**config, "seed": number}, tmp_path / f"{number}") for number in (0, 1)]
    group = Group(tmp_path, ["0", "1"])
    group.write({name: {"moment": 5, "checkpoint": {"updates": 5}} for name in ("0", "1")})
    assert in_group(jobs[0].folder)
    give_up(jobs[0], "failed", "its own fault")
    give_up(jobs[1], "interrupted", "was killed")
    remove_ended_groups(tmp_path)
    assert kept_groups(tmp_path) == [["0", "1"]]
    assert read_left(jobs[1].folder, "run=here") == {"updates": 5}
    give_up(jobs[1], "failed", "its own fault")
    remove_ended_groups(tmp_path)
    assert not (tmp_path / ".groups").exists()


def test_two_processes_are_not_at_one_run(train: Door, cut):
    with claim(cut, yaml.safe_load((cut / "config.yaml").read_text())):
        outcome = train(f"resume={cut}")
    assert outcome.code == 2
    assert "another process is at this run" in outcome.complaint


def test_gradients_are_clipped_as_they_were(train: Door, cut):
    outcome = train(f"resume={cut}", "trainer.gradient_clip=0.01", "trainer.max_steps=200")
    assert outcome.code == 2
    assert "was null when the run began and cannot change" in outcome.complaint


def test_a_schedule_that_depends_on_the_length_is_not_changed_in_silence(train: Door, tmp_path):
    """Who stops on a rung is validated every hundredth of the run: a longer one less often."""
    run = tmp_path / "run"
    train(*SMALL, "trainer.max_steps=120", "trainer.stop_at=floor", f"hydra.run.dir={run}")
    outcome = train(f"resume={run}", "trainer.max_steps=9000")
    assert outcome.code == 2
    assert "add trainer.validate_every=50" in outcome.complaint
    assert train(f"resume={run}", "trainer.max_steps=160", "trainer.validate_every=50").code == 0


@pytest.mark.slow
def test_the_rate_of_a_run_goes_on_as_it_would_have(train: Door, tmp_path):
    """Bit by bit; a longer run keeps the schedule it began with, or says that it would not."""
    words = (*SMALL, "schedule=cosine", "trainer.max_epochs=null")
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(*words, "schedule.steps=60", "trainer.max_steps=90", f"hydra.run.dir={whole}")
    train(*words, "trainer.max_steps=60", f"hydra.run.dir={run}")
    outcome = train(f"resume={run}", "trainer.max_steps=90")
    assert outcome.code == 2
    assert "a schedule of 60 updates, and would go through one of 90" in outcome.complaint
    assert "add ++schedule.steps=60" in outcome.complaint
    for wrong in ("++schedule.lowest=0.5", "schedule=step"):
        outcome = train(f"resume={run}", "trainer.max_steps=90", "++schedule.steps=60", wrong)
        assert outcome.code == 2
        assert "cannot change" in outcome.complaint
    longer = tmp_path / "longer"
    words = ("trainer.max_steps=90", "++schedule.steps=60", f"hydra.run.dir={longer}")
    assert train(f"resume={run}", *words).code == 0
    assert_same_end(longer, whole)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["autograd", "stacked"])
def test_dropout_goes_on_as_it_would_have(train: Door, tmp_path, engine):
    words = ("model=lstm", "model.layers=2", "model.dropout=0.3", *SMALL, f"engine={engine}")
    words = (*words, "optimizer=adamw", "trainer.max_epochs=null", "data.windows_per_chunk=10")
    whole, run, longer = tmp_path / "whole", tmp_path / "run", tmp_path / "longer"
    train(*words, "trainer.max_steps=60", f"hydra.run.dir={whole}")
    # measuring more often changes nothing either
    every = "trainer.validate_every=20"
    train(*words, "trainer.max_steps=40", every, f"hydra.run.dir={run}")
    assert train(f"resume={run}", "trainer.max_steps=60", f"hydra.run.dir={longer}").code == 0
    assert_same_end(longer, whole)


def assert_same_end(one: Path, other: Path) -> None:
    left, right = (torch.load(run / CHECKPOINT, weights_only=True) for run in (one, other))
    for name, weight in left["state_dict"].items():
        assert torch.equal(weight, right["state_dict"][name]), name
    groups = [run["optimizer_states"][0]["param_groups"] for run in (left, right)]
    assert groups[0] == groups[1]  # with the optimizer's own rate
    curves = [json.loads((run / "result.json").read_text())["curve"] for run in (one, other)]
    assert curves[0] == curves[1]


def test_there_is_no_latest_run_in_an_empty_folder(train: Door):
    outcome = train("resume=latest")
    assert outcome.code == 2
    assert "no run in" in outcome.complaint
    assert not outcome.anything


def test_a_run_goes_on_with_the_engine_it_began_with(train: Door, tmp_path):
    """Whatever `auto` would take now."""
    words = ("model.hidden_size=4", "data.batch_size=20", "trainer.progress=false")
    run, longer = tmp_path / "run", tmp_path / "longer"
    train(*words, "trainer.max_steps=60", f"hydra.run.dir={run}")
    began = json.loads((run / "result.json").read_text())["engine"]
    other = {"fused": "autograd", "autograd": "fused"}[began]
    checkpoint = torch.load(run / CHECKPOINT, weights_only=True)
    checkpoint["lossladder"]["engine"] = other
    write_checkpoint(checkpoint, run / CHECKPOINT)
    train(f"resume={run}", "trainer.max_steps=90", f"hydra.run.dir={longer}")
    result = json.loads((longer / "result.json").read_text())
    assert result["engine"] == other
    assert result["engine_why"] == "the engine that the run began with"


def test_a_result_that_was_written_is_not_overwritten_by_a_death(tmp_path):
    config = {"seed": 0, "names": {"task": "echo", "model": "rnn", "engine": "auto"}}
    job = Job(0, config, tmp_path / "job")
    assert give_up(job, "interrupted", "killed").status == "interrupted"
    done = {**json.loads((job.folder / "result.json").read_text()), "status": "done"}
    (job.folder / "result.json").write_text(json.dumps(done))
    assert give_up(job, "interrupted", "killed").status == "done"
    assert json.loads((job.folder / "result.json").read_text())["status"] == "done"


def test_a_reference_line_comes_back_that_a_kill_has_cost(tmp_path):
    ladder = Echo().ladder()
    write_references(tmp_path, "echo/loss", ladder, updates=10)
    lines = sorted(tmp_path.rglob(f"{EVENTS}*"))
    content = [line.read_bytes() for line in lines]
    lines[0].unlink()  # between its claim and itself
    write_references(tmp_path, "echo/loss", ladder, updates=10)
    assert sorted(tmp_path.rglob(f"{EVENTS}*")) == lines
    assert [len(line.read_bytes()) for line in lines] == list(map(len, content))


def test_a_report_tells_of_a_run_whose_process_died(tmp_path):
    """It has a result without a ladder, which is no damage."""
    config = {"seed": 0, "names": {"task": "echo", "model": "rnn", "engine": "auto"}}
    give_up(Job(0, config, tmp_path / "job"), "interrupted", "was killed by SIGKILL")
    sweep = read_sweep(tmp_path)
    assert sweep.damaged == []
    assert list(failures(sweep)) == [("interrupted", "was killed by SIGKILL")]
