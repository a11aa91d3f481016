"""Signals: what asks a run or a sweep to stop is obeyed at once, and nothing of it is lost."""

import csv
import json
import os
import pty
import random
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from alike import differences
from processes import Start, at_most

from lossladder import signals

SMALL = (
    *("trainer.max_epochs=null", "model.hidden_size=4", "data.batch_size=20"),
    *("data.stream_steps=1500", "trainer.validate_every=200"),
)
RUN = (*SMALL, "engine=autograd", "trainer.max_steps=600")
SWEEP = (
    *("-m", *SMALL[:-1], "engine=fused", "seed=0,1"),
    *("trainer.max_steps=6000", "trainer.validate_every=1000"),
)
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")


def steps_of(folder: Path) -> int:
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["lossladder"]["updates"]


@pytest.mark.parametrize(
    ("name", "times"),
    [
        *(
            pytest.param(name, 1, id=name, marks=[pytest.mark.slow] * (name != "SIGTERM"))
            for name in STOPS
        ),
        *(pytest.param(name, 19, id=f"{name}, again", marks=pytest.mark.slow) for name in STOPS),
    ],
)
def test_a_run_that_is_told_to_stop_keeps_what_it_has_learnt(
    start: Start, tmp_path, tmp_path_factory, name, times
):
    whole = tmp_path_factory.getbasetemp() / "whole"
    if not whole.exists():
        assert start(*RUN, f"hydra.run.dir={whole}").end() == 0
    chance, stopped = random.Random(name), 0
    for number in range(times):
        cut = tmp_path / f"cut-{number}"
        program = start(*RUN, f"hydra.run.dir={cut}")
        program.wait_until(lambda cut=cut: any(cut.glob("events*")))
        time.sleep(chance.random() * at_most(1 / 2, whole))
        program.send(getattr(signal, name))
        code, said = program.end(seconds=10), program.out.read_text()
        result = json.loads((cut / "result.json").read_text())
        assert "Traceback" not in said
        if code:  # it may have ended before
            stopped += 1
            assert (result["status"], result["why"], code) == ("interrupted", name, 1)
            assert steps_of(cut) == result["steps"]  # not those of its last validation
        assert start(*RUN, f"hydra.run.dir={cut}").end() == 0
        assert differences(cut, whole) == []
    assert stopped


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "SIGINT")) for name in STOPS]
)
def test_a_sweep_that_is_told_to_stop_tells_its_workers(start: Start, tmp_path, name):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(*SWEEP, f"hydra.sweep.dir={whole}").end() == 0
    program = start(*SWEEP, f"hydra.sweep.dir={cut}")
    program.wait_until(lambda: any(cut.glob("*/events*")))
    workers = program.workers()
    program.send(getattr(signal, name))  # to the parent alone, as a scheduler would
    code = program.end(seconds=15)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert code == 1
    for result in cut.glob("*/result.json"):
        assert json.loads(result.read_text())["status"] == "interrupted"
    assert start(*SWEEP, f"hydra.sweep.dir={cut}").end() == 0
    for run in whole.glob("*/result.json"):
        assert differences(cut / run.parent.name, run.parent) == []


SUITE = {
    "tasks": {
        "short": {"echo": ["task=echo", "trainer.max_steps=400"]},
        "long": {"echo": ["task=echo", "trainer.max_steps=12000"]},
    },
    "words": [*SMALL[:-1], "trainer.validate_every=1000000", "engine=fused"],
    "seeds": 2,
    "tuning_seeds": 1,
    "learning_rates": [0.003, 0.03],
}


@pytest.mark.slow  # three commands, each with its summing up
def test_a_suite_that_is_interrupted_leaves_a_page_and_ends_with_the_same_table(
    start: Start, tmp_path
):
    (tmp_path / "conf/suite").mkdir(parents=True)
    (tmp_path / "conf/suite/tiny.yaml").write_text(yaml.safe_dump(SUITE))

    def suite(folder: str):
        words = ("-m", "suite=tiny", "-cd", str(tmp_path / "conf"))
        return start(*words, f"hydra.sweep.dir={tmp_path / folder}")

    def table(folder: str) -> list[dict[str, str]]:
        with (tmp_path / folder / "passport.csv").open(newline="") as file:
            beside = ("seconds", "tuning_seconds", "microseconds", "command")
            rows = csv.DictReader(file)
            return [{key: value for key, value in row.items() if key not in beside} for row in rows]

    def cut(ready: str) -> str:
        """The page of a suite that is interrupted once there is such a file."""
        program = suite("cut")
        assert program.wait_until(lambda: any((tmp_path / "cut").glob(ready)))
        program.send(signal.SIGINT)
        assert program.end(seconds=15) == 1
        assert "Traceback" not in program.out.read_text()
        assert "passport " in program.out.read_text()
        assert "to report are missing; the same command goes on." in program.out.read_text()
        return (tmp_path / "cut/passport.html").read_text()

    assert suite("whole").end() == 0
    page = cut("*long*seed-1000*/events*")  # a learning rate is being chosen
    assert "Not finished: 4 of 4 runs to report are missing; the same command goes on." in page
    page = cut("*short*seed-0*/result.json")
    assert "Not finished: 2 of 4 runs to report are missing; the same command goes on." in page
    assert [row["entry"] for row in table("cut")] == ["short/echo"] * 2
    assert suite("cut").end() == 0
    assert "Not finished" not in (tmp_path / "cut/passport.html").read_text()
    assert table("cut") == table("whole")


@pytest.mark.parametrize("name", ["SIGUSR1", pytest.param("SIGUSR2", marks=pytest.mark.slow)])
def test_a_warning_of_a_cluster_makes_a_checkpoint_and_training_goes_on(
    start: Start, tmp_path, name
):
    words = (*SMALL, "engine=autograd", "trainer.max_steps=1200", "trainer.validate_every=1200")
    program = start(*words, f"hydra.run.dir={tmp_path / 'run'}")
    checkpoint = tmp_path / "run/checkpoints/last.ckpt"
    program.wait_until(lambda: any((tmp_path / "run").glob("events*")))
    assert not checkpoint.exists()
    program.send(getattr(signal, name))
    program.wait_until(checkpoint.exists)
    assert steps_of(tmp_path / "run") < 1200
    assert program.end() == 0
    assert steps_of(tmp_path / "run") == 1200


def test_the_workers_of_a_sweep_are_warned_as_well(start: Start, tmp_path):
    words = (*SWEEP, "trainer.validate_every=8000")
    program = start(*words, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    program.wait_until(lambda: any(tmp_path.glob("sweep/*/events*")))
    program.send(signal.SIGUSR1)
    assert program.wait_until(lambda: any(tmp_path.glob("sweep/.groups/*/last.ckpt")))
    assert program.end() == 0


def test_who_ignores_a_signal_goes_on_ignoring_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with signals.handled():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.stop_asked() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_waits_for_nothing_but_what_is_being_written():
    def impatient() -> None:
        with signals.noted():
            os.kill(os.getpid(), signal.SIGINT)
            with signals.held():
                os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it went on")

    with signals.handled(), pytest.raises(KeyboardInterrupt):
        impatient()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_request_to_stop_ends_with_the_run_that_it_was_meant_for():
    with signals.handled(), signals.noted():
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.stop_asked() == "SIGINT"
    assert signals.stop_asked() is None


@pytest.mark.slow
def test_a_run_outlives_its_terminal(start: Start, tmp_path):
    """Its progress bar has nowhere to be drawn any more; HUP lets it write a checkpoint."""
    ours, theirs = pty.openpty()
    words = (*RUN, f"hydra.run.dir={tmp_path / 'run'}", "trainer.progress=true")
    program = start(*words, terminal=os.ttyname(theirs))
    os.close(theirs)
    program.wait_until(lambda: any((tmp_path / "run").glob("events*")))
    os.close(ours)
    program.send(signal.SIGHUP)
    program.end(seconds=15)
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["status"] == "interrupted"
    assert steps_of(tmp_path / "run") == result["steps"] > 0
