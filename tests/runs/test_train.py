"""Runs from end to end: what they leave, that they go on exactly, how they end."""

import contextlib
import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl

import lossladder
from doors import SHORT
from lossladder.models import RNN

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkout_door():
    """`python train.py`, in a process of its own."""

    def start(*words: str, **settings) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "train.py"), *words]
        return subprocess.Popen(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings
        )

    return start


def test_a_run_leaves_its_config_result_events_checkpoint_and_log(train):
    outcome = train(*SHORT)
    assert outcome.code == 0
    (folder,) = outcome.folders
    left = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert [name for name in left if not name.startswith("events")] == [
        "checkpoints/last.ckpt",
        "config.yaml",
        "result.json",
        "run.log",
        "tensorboard.html",
    ]
    assert any(name.startswith("events.out.tfevents") for name in left)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["names"] == {"task": "echo", "model": "rnn", "engine": "auto"}
    assert config["data"]["bptt_steps"] == 10


def test_a_result_says_what_was_asked_and_what_came_of_it(train):
    (result,) = train(*SHORT, "seed=3").results
    expected = {"task", "model", "engine", "seed", "status", "loss", "floor", "above_floor", "rung"}
    expected |= {"rungs", "steps", "steps_per_second", "seconds", "versions"}
    assert expected <= set(result)
    assert (result["task"], result["model"], result["seed"]) == ("echo", "rnn", 3)
    assert (result["status"], result["steps"]) == ("done", 100)
    assert result["above_floor"] == pytest.approx(result["loss"] - result["floor"])
    assert result["floor"] == pytest.approx(0.454454367449, abs=1e-12)
    assert [rung["name"] for rung in result["rungs"]] == ["none", "lag 8", "lag 3", "lags 3 and 8"]
    assert result["versions"]["torch"] == torch.__version__


def test_the_default_run_learns_both_lags(train):
    outcome = train("trainer.progress=false")
    (result,) = outcome.results
    assert 0.4530 < result["loss"] < 0.4645
    assert result["rung"] == result["nearest"] == "lags 3 and 8"
    assert "knows the inputs 3 and 8 steps back" in outcome.out


def test_a_hidden_size_of_four_stops_on_the_rung_of_lag_three(train):
    outcome = train("-m", "experiment=echo_lag3", "seed=0,1,2", "trainer.progress=false")
    after_one_epoch = [result["validation"]["loss"][0] for result in outcome.results]
    after_three = [result["loss"] for result in outcome.results]
    # 0.5206 ± 0.0051 and 0.5176 ± 0.0025 over 32 seeds: bounds at four standard deviations
    assert all(0.500 < loss < 0.541 for loss in after_one_epoch)
    assert all(0.505 < loss < 0.530 for loss in after_three)
    assert {result["rung"] for result in outcome.results} == {"lag 3"}
    assert "3 runs" in outcome.out.split("sweep\n")[1]
    assert "3 on lag 3" in outcome.out


def test_a_run_is_read_back_with_its_weights(train):
    (folder,) = train(*SHORT, "model=lstm").folders
    run = lossladder.load_run(folder)
    assert run.result["model"] == "lstm"
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, checkpoint["state_dict"][f"network.{name}"])


def test_a_resumed_run_ends_bit_for_bit_where_an_undisturbed_one_does(train, tmp_path):
    words = ("trainer.progress=false", "data.stream_steps=1000", "data.batch_size=20")
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    train(*words, "trainer.max_epochs=4", f"hydra.run.dir={whole}")
    train(*words, "trainer.max_epochs=2", f"hydra.run.dir={part}")
    outcome = train(f"resume={part}", "trainer.max_epochs=4", f"hydra.run.dir={rest}")
    assert outcome.code == 0
    expected, resumed = (lossladder.load_run(folder) for folder in (whole, rest))
    for name, value in expected.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)
    for key in ("loss", "steps", "curve", "rungs"):
        assert resumed.result[key] == expected.result[key]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (30, 100),
        pytest.param(120, 300, marks=pytest.mark.slow),
        (120, 180),
    ],
)
def test_a_run_goes_on_wherever_it_stopped(train, tmp_path, first, then):
    """Also between two validations, and if it was shorter than the way to the first."""
    words = ("trainer.progress=false", "data.batch_size=20", "trainer.max_epochs=null")
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    train(
        *words, "trainer.validate_every=100", f"trainer.max_steps={then}", f"hydra.run.dir={whole}"
    )
    train(
        *words, "trainer.validate_every=100", f"trainer.max_steps={first}", f"hydra.run.dir={part}"
    )
    outcome = train(f"resume={part}", f"trainer.max_steps={then}", f"hydra.run.dir={rest}")
    assert outcome.code == 0, outcome.err
    expected, resumed = (lossladder.load_run(folder) for folder in (whole, rest))
    assert resumed.result["steps"] == then
    for name, value in expected.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)
    validated = resumed.result["validation"]["updates"]
    assert [u for u in validated if u != first] == expected.result["validation"]["updates"]


def _newest(folder: Path) -> Path:
    return max(folder.rglob("config.yaml"), key=lambda path: path.stat().st_mtime).parent


def test_the_same_seed_gives_the_same_loss_and_seed_zero_is_a_seed(train):
    first, second, other = (train(*SHORT, f"seed={seed}") for seed in (0, 0, 1))
    losses = sorted(result["loss"] for result in other.results)
    assert len(losses) == 3
    assert (
        sum(losses[0] == loss for loss in losses) + sum(losses[2] == loss for loss in losses) == 3
    )
    assert first.code == second.code == 0


@pytest.mark.parametrize(
    "other", [pytest.param("data.windows_per_chunk=7", marks=pytest.mark.slow), "engine=fused"]
)
def test_when_a_rung_was_passed_depends_on_neither_chunks_nor_engine(train, tmp_path, other):
    words = ("trainer.max_steps=390", "trainer.validate_every=130", "trainer.progress=false")
    train("engine=autograd", *words, f"hydra.run.dir={tmp_path / 'first'}")
    train("engine=autograd", *words, other, f"hydra.run.dir={tmp_path / 'second'}")
    first, second = (
        json.loads((tmp_path / name / "result.json").read_text()) for name in ("first", "second")
    )
    assert first["curve"]["updates"] == second["curve"]["updates"]
    assert not {130, 260} <= {*first["curve"]["updates"]}  # validation cuts no point
    assert first["curve"]["loss"] == pytest.approx(second["curve"]["loss"], abs=1e-4)
    passed = [[rung["reached_at"] for rung in run["rungs"]] for run in (first, second)]
    assert passed[0] == passed[1]


@pytest.mark.parametrize("how", ["alone", "together"])
def test_a_loss_far_above_that_of_who_knows_nothing_is_no_good_end(train, how):
    """It was "done" once, with a loss of 445 and the behaviour of the floor."""
    words = ("optimizer.lr=1000", "model.hidden_size=16", *SHORT)
    outcome = train("-m", *words, "seed=0,1") if how == "together" else train(*words)
    assert outcome.code == 1
    for result in outcome.results:
        assert (result["status"], result["loss"], result["rung"]) == ("diverged", None, None)
        assert "before the first update the loss was 0." in result["why"]
        assert "standing" not in result


def test_a_network_that_is_merely_bad_has_not_diverged(train):
    (result,) = train("trainer.max_steps=1", "trainer.progress=false").results
    assert result["status"] == "done"
    assert result["share"] < 0.5


@pytest.mark.parametrize("every", ["1000", "7"])
def test_a_result_is_json_whatever_became_of_the_run(train, every):
    """Also where the loss is no number, or was none when it was validated."""

    def no_constant(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    words = ("optimizer=sgd", "optimizer.lr=1e30", f"trainer.validate_every={every}", *SHORT)
    outcome = train(*words, "engine=autograd", "data.windows_per_chunk=7")
    text = (outcome.folders[0] / "result.json").read_text()
    result = json.loads(text, parse_constant=no_constant)
    assert result["status"] == "diverged"
    assert lossladder.runs.result.read_result(outcome.folders[0]).status == "diverged"


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "task",
    [
        ("task=echo", "data.stream_steps=300", "data.batch_size=50"),  # streams start anew
        ("task=parity", "task.num_steps=20", "data=fresh"),
        ("task=parity", "task.num_steps=12", "data=curriculum", "data.batch_size=64"),  # they grow
        ("task=count", "model.hidden_size=4", "trainer.max_steps=700"),  # a split
    ],
    ids=["echo", "parity", "curriculum", "count"],
)
def test_no_number_depends_on_when_one_validates(train, task):
    """Points of the curve lie where updates say; lengths grow and rungs are passed likewise."""
    words = ("trainer.max_steps=400", *task, "trainer.progress=false")
    found = [
        train(*words, *every).results[-1]
        for every in ((), ("trainer.validate_every=33",), ("trainer.validate_every=250",))
    ]
    first, *others = found
    for other in others:
        for key in ("curve", "rungs", "loss", "standing", "divergence"):
            assert other[key] == first[key], key
    assert any(rung["reached_at"] for rung in first["rungs"])


@pytest.mark.parametrize("words", [(), ("trainer.validate_every=30",)], ids=["by itself", "asked"])
def test_a_run_can_be_asked_to_stop_on_a_rung(train, words):
    (result,) = train("trainer.stop_at=lag 3", *words, "trainer.progress=false").results
    (reached,) = (rung["reached_at"] for rung in result["rungs"] if rung["name"] == "lag 3")
    # when the training loss passed it, or before, if it was only validated on the rung
    assert reached is None or result["steps"] <= reached + 50
    assert result["loss"] < 0.5192 + 0.011


def test_a_run_that_goes_on_is_named_after_its_own_task_and_network(train, tmp_path):
    words = ("task=count", "model=lstm", "trainer.max_steps=20", "trainer.progress=false")
    train(*words, f"hydra.run.dir={tmp_path / 'begun'}")
    outcome = train(f"resume={tmp_path / 'begun'}", "trainer.max_steps=30")
    assert outcome.code == 0, outcome.err
    assert outcome.folders[0].name.startswith("count-lstm-")


def test_a_door_opened_without_the_environment_says_in_one_line_what_to_do():
    for door in ("train.py", "evaluate.py", "report.py"):
        command = [sys.executable, "-S", door]  # no installed packages
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "make env" in line
        assert line.endswith(f".venv/bin/python {door}")


@pytest.mark.slow
def test_without_file_locks_a_run_is_made_and_a_sweep_says_what_is_missing(tmp_path):
    code = "import sys; sys.modules['fcntl'] = None; sys.argv[0] = 'train.py'; import lossladder"
    words = [*SHORT, "model=gru_cell", f"hydra.run.dir={tmp_path / 'run'}"]
    for extra, expected in (([], 0), (["-m", "seed=0,1", f"hydra.sweep.dir={tmp_path / 's'}"], 2)):
        command = [sys.executable, "-c", f"{code}; lossladder.main()", *words, *extra]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr
    (line,) = done.stderr.splitlines()
    assert "file locks" in line
    assert "WSL" in line


def test_the_bar_shows_updates_a_second_and_the_rung(train):
    outcome = train("trainer.max_steps=200")
    assert " updates/s" in outcome.err
    assert "lag 3: 0.5192" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["seed=0"], id="a run"),
        pytest.param(["-m", "seed=0,1"], id="a sweep", marks=pytest.mark.slow),
    ],
)
def test_a_reader_who_has_read_enough_is_no_failure(tmp_path, words):
    folders = (f"hydra.run.dir={tmp_path / 'run'}", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    command = [sys.executable, "train.py", *words, *SHORT, *folders]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == 0
    for result in tmp_path.rglob("result.json"):
        assert json.loads(result.read_text())["status"] == "done"


@pytest.mark.sampled(2)
def test_clipping_and_every_optimizer_are_had_by_name(train, optimizer_yaml):
    outcome = train(*SHORT, f"optimizer={optimizer_yaml}", "trainer.gradient_clip=0.1")
    (result,) = outcome.results
    assert result["status"] == "done"
    assert math.isfinite(result["loss"])


def test_a_run_that_diverges_says_so_and_fails(train):
    outcome = train(*SHORT, "optimizer=sgd", "optimizer.lr=1e30")
    assert outcome.code == 1
    assert outcome.results[0]["status"] == "diverged"
    assert "diverged" in outcome.err


def test_a_failing_run_logs_its_traceback_and_takes_no_other_with_it(train, monkeypatch):
    def fail(self, *_):
        if self.hidden_size == 5:
            raise RuntimeError("the cell is broken")
        return forward(self, *_)

    forward = RNN.forward
    monkeypatch.setattr(RNN, "forward", fail)
    outcome = train("-m", "model.hidden_size=5,6", *SHORT)
    assert outcome.code == 1
    failed, done = outcome.results
    assert (failed["status"], done["status"]) == ("failed", "done")
    log = (outcome.folders[0] / "run.log").read_text()
    assert "Traceback" in log
    assert "the cell is broken" in log
    assert "1 failed" in outcome.out


def test_a_library_that_silences_all_loggers_does_not_silence_a_run(train, monkeypatch):
    # as logging.config.dictConfig does with those that it does not name
    monkeypatch.setattr(logging.getLogger("lossladder"), "disabled", True)
    outcome = train(*SHORT)
    assert "verdict\n" in (outcome.folders[0] / "run.log").read_text()


def test_the_verdict_of_a_failed_run_says_why(train, monkeypatch):
    def fail(*_):
        raise RuntimeError("the cell is broken")

    monkeypatch.setattr(RNN, "forward", fail)
    outcome = train("engine=autograd", *SHORT)
    assert outcome.code == 1
    assert outcome.results[0]["why"] == "RuntimeError: the cell is broken"
    assert "RuntimeError: the cell is broken" in outcome.out


def test_a_network_that_sees_the_answers_raises_the_alarm(train, monkeypatch):
    from lossladder.tasks import Echo

    draw = Echo.draw

    def leak(self, generator, batch_size, num_steps, past=None):
        drawn = draw(self, generator, batch_size, num_steps, past)
        return drawn._replace(targets=drawn.inputs.clone())  # not what the law says

    monkeypatch.setattr(Echo, "draw", leak)
    outcome = train(*SHORT)
    assert outcome.code == 1
    assert outcome.results[0]["leaks"]
    assert "ALARM" in outcome.out


@pytest.mark.slow
def test_runs_that_start_in_the_same_second_get_folders_of_their_own():
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from lossladder.cli.resolvers import register_resolvers

    register_resolvers()

    def folder(_):
        config = compose("train", return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        return OmegaConf.to_container(config.hydra.run, resolve=True)["dir"]

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        assert len({folder(i) for i in range(25)}) == 25


def test_help_and_completion_load_no_torch(checkout_door):
    for words in (["--help"], ["--cfg", "job"], ["-sc", "query=bash"]):
        code = (
            "import sys, runpy\n"
            f"sys.argv = ['train.py', *{words!r}]\n"
            "try: runpy.run_path('train.py', run_name='__main__')\n"
            "except SystemExit: pass\n"
            "assert 'torch' not in sys.modules, 'torch was imported'\n"
        )
        environment = {**os.environ, "COMP_LINE": "python train.py ta", "COMP_POINT": "18"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "once"), [(("seed=3",), 1), (("-m", "seed=0,1", "model=gru"), 2)]
)
def test_hydra_composes_no_more_than_it_must(train, tmp_path, monkeypatch, words, once):
    """A run's config once; a sweep's, and that of its first job."""
    compose, composed = ConfigLoaderImpl._load_configuration_impl, []

    def counted(*arguments, **more):
        composed.append(more)
        return compose(*arguments, **more)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    short = ("trainer.max_epochs=null", "trainer.max_steps=5", "trainer.progress=false")
    assert train(*words, *short, f"hydra.sweep.dir={tmp_path}").code == 0
    assert len(composed) == once


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_it_had_learnt(checkout_door, tmp_path):
    process = checkout_door(f"logs={tmp_path}", "trainer.max_epochs=10000")
    _wait_for(tmp_path, "last.ckpt")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "interrupted" in out
    folder = _newest(tmp_path)
    assert json.loads((folder / "result.json").read_text())["status"] == "interrupted"
    assert lossladder.load_run(folder).result["steps"] > 0


@pytest.mark.slow
def test_a_kill_leaves_no_torn_file(checkout_door, tmp_path):
    process = checkout_door(f"logs={tmp_path}", "trainer.max_epochs=10000", "data.stream_steps=500")
    checkpoint = _wait_for(tmp_path, "last.ckpt")
    for _ in range(50):
        torch.load(checkpoint, weights_only=True)  # whole, whenever one looks
    process.kill()
    process.communicate(timeout=60)
    torch.load(checkpoint, weights_only=True)
    assert not list(tmp_path.rglob("result.json"))


def _wait_for(folder: Path, name: str) -> Path:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):  # what is written at the moment comes and goes
            if found := list(folder.rglob(name)):
                return found[0]
        time.sleep(0.05)
    raise AssertionError(f"{name} did not appear in {folder}")


def test_a_run_with_nothing_left_to_do_is_not_resumed(train):
    (folder,) = train(*SHORT).folders
    outcome = train(f"resume={folder}")
    assert outcome.code == 2
    assert "100 updates already" in outcome.complaint
    assert outcome.folders == [folder]
