"""Sweeps: what members leave, what is done twice (nothing), and what failures cost (themselves)."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from doors import Door
from lossladder import signals
from lossladder.cli.resolvers import conf_dir, register_resolvers
from lossladder.runs.identity import identity
from lossladder.runs.verdict import standing
from lossladder.sweeps.bar import Advance, SweepBar
from lossladder.sweeps.compose import Composer, resolved, without_hydra
from lossladder.sweeps.grouping import groups
from lossladder.sweeps.job import Job, JobOutcome
from lossladder.sweeps.lock import job_lock
from mischief import DIVERGES, IS_KILLED, RAISES

ROOT = Path(__file__).parents[2]
SHORT = ("trainer.max_epochs=null", "trainer.max_steps=120", "trainer.progress=false")
SMALL = ("data.batch_size=20", "data.stream_steps=300", "trainer.validate_every=50")
SWEEPS = {
    "seeds of echo": ("task=echo", *SMALL, "engine=fused", "seed=0,1"),
    "momentum and readout": (
        *("task=echo", *SMALL, "engine=fused", "optimizer=sgd", "optimizer.lr=0.1"),
        *("optimizer.momentum=0.0,0.5", "readout.bias=0.0,0.2"),
    ),
    "rates of count, with its two sets": (
        *("task=count", "model=lstm", "engine=fused", "optimizer.lr=0.001,0.01"),
    ),
    "parity, every length": ("task=parity", "model=gru", "engine=fused", "seed=3,4"),
    "a cell of one's own": ("task=echo", *SMALL, "model=gru_cell", "engine=stacked", "seed=0,1"),
    "starts of a cell": (
        *("task=echo", *SMALL, "model=lstm_cell", "engine=stacked"),
        *("model.forget_bias=0.0,1.0", "readout.std=0.1,0.2"),
    ),
    "the readout alone, and all of it": (
        *("task=echo", *SMALL, "engine=stacked", "readout.alone=true,false", "seed=0,1"),
    ),
    "schedules of their own": (
        *("task=echo", *SMALL, "engine=fused", "optimizer=adamw", "schedule=constant,cosine,step"),
        "optimizer.weight_decay=0.0,0.1",
    ),
    "layers": ("task=echo", *SMALL, "model=lstm", "model.layers=2", "engine=stacked", "seed=0,1"),
    "readers with a layer": (
        *(
            "task=echo",
            *SMALL,
            "model=rnn",
            "model.reader=mlp",
            "engine=fused",
            "readout.std=0.1,1",
        ),
    ),
    "few bits": ("task=echo", *SMALL, "model=gru_cell", "model.bits=3", "engine=fused", "seed=0,1"),
    "reservoirs": (
        *("task=echo", *SMALL, "model=reservoir", "model.hidden_size=8", "engine=fused"),
        "model.spectral_radius=0.5,0.9",
    ),
    "two groups and one alone": ("task=echo", *SMALL, "model=rnn,gru_cell", "seed=0,1"),
}

# by one engine, by the other, and apart; the others are slow
TRIED = ("seeds of echo", "the readout alone, and all of it", "two groups and one alone")


def runs_of(sweep: Path) -> dict[str, Path]:
    """Folders of runs by name."""
    return {path.parent.name: path.parent for path in sorted(sweep.glob("*/config.yaml"))}


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


# --- members --------------------------------------------------------------------------------


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in TRIED)) for name in SWEEPS],
)
def test_a_member_leaves_what_it_would_have_left_alone(train: Door, tmp_path, name):
    words = ("-m", *SWEEPS[name], *SHORT)
    together, apart = tmp_path / "together", tmp_path / "apart"
    assert train(*words, f"hydra.sweep.dir={together}").code == 0
    assert train(*words, "launch=here", f"hydra.sweep.dir={apart}").code == 0
    assert runs_of(together).keys() == runs_of(apart).keys()
    for folder, member in runs_of(together).items():
        alone = apart / folder
        ours, theirs = result_of(member), result_of(alone)
        assert ours.keys() == theirs.keys()
        for key in ("status", "task", "model", "seed", "rung", "steps", "parameters", "nearest"):
            assert ours[key] == theirs[key], key
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        for curve in ("curve", "validation"):
            assert ours[curve]["updates"] == theirs[curve]["updates"]
            assert ours[curve]["loss"] == pytest.approx(theirs[curve]["loss"], abs=1e-4)
        configs = [yaml.safe_load((run / "config.yaml").read_text()) for run in (member, alone)]
        assert configs[0] == configs[1]
        checkpoints = [
            torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (member, alone)
        ]
        assert checkpoints[0].keys() == checkpoints[1].keys()
        for key, value in checkpoints[1]["state_dict"].items():
            assert torch.allclose(checkpoints[0]["state_dict"][key], value, atol=1e-3)
        for count in ("epoch", "global_step"):
            assert checkpoints[0][count] == checkpoints[1][count]
        sizes = [(run / "checkpoints/last.ckpt").stat().st_size for run in (member, alone)]
        assert sizes[0] < 1.1 * sizes[1]  # nothing of the others is in it
        left = [{p.name.split(".")[0] for p in run.iterdir()} for run in (member, alone)]
        assert left[0] == left[1]
        assert "verdict" in (member / "run.log").read_text()


def test_a_member_is_resumed_where_it_stopped(train: Door, tmp_path):
    words = (*SMALL, "engine=fused", "trainer.progress=false", "trainer.max_epochs=null")
    whole, part, rest = tmp_path / "whole", tmp_path / "part", tmp_path / "rest"
    train(*words, "seed=1", "trainer.max_steps=100", f"hydra.run.dir={whole}")
    train("-m", *words, "seed=0,1", "trainer.max_steps=50", f"hydra.sweep.dir={part}")
    member = next(run for run in runs_of(part).values() if result_of(run)["seed"] == 1)
    outcome = train(f"resume={member}", "trainer.max_steps=100", f"hydra.run.dir={rest}")
    assert outcome.code == 0, outcome.err
    assert result_of(rest)["loss"] == pytest.approx(result_of(whole)["loss"], abs=1e-6)
    assert result_of(rest)["curve"]["updates"] == result_of(whole)["curve"]["updates"]


def test_members_that_stand_on_their_rung_stop_and_others_go_on(train: Door, tmp_path):
    words = ("-m", "model=rnn", "engine=fused", "seed=0,1,2", "trainer.max_epochs=1")
    limits = ("trainer.validate_every=5", "trainer.stop_at='lag 3'", "trainer.progress=false")
    together, apart = tmp_path / "together", tmp_path / "apart"
    train(*words, *limits, f"hydra.sweep.dir={together}")
    train(*words, *limits, "launch=here", f"hydra.sweep.dir={apart}")
    steps = {run: result_of(together / run)["steps"] for run in runs_of(together)}
    assert steps == {run: result_of(apart / run)["steps"] for run in runs_of(apart)}
    assert len(set(steps.values())) > 1  # they did not all stop at once


def test_jobs_are_grouped_by_what_members_share():
    lstm = {"_target_": "lossladder.models.LSTM", "hidden_size": 4}

    def job(number: int, **changes) -> Job:
        config = {
            "seed": 0,
            "task": {"_target_": "a"},
            "model": {**lstm, "forget_bias": 1.0},
            "optimizer": {"_target_": "c", "lr": 0.1},
            "readout": {"std": None},
            "schedule": {"_target_": "d"},
        }
        return Job(number, {**config, **changes}, Path())

    jobs = [
        job(0),
        job(1, seed=1),
        job(2, optimizer={"_target_": "c", "lr": 0.2}),
        job(3, optimizer={"_target_": "d", "lr": 0.1}),
        job(4, model={**lstm, "forget_bias": 0.0}),
        job(5, model={**lstm, "forget_bias": 1.0, "hidden_size": 8}),
        job(6, schedule={"_target_": "e", "warmup_steps": 10}),
        job(7, model={**lstm, "forget_bias": 1.0, "layers": 2}),
    ]
    together = [[0, 1, 2, 4, 6], [3], [5], [7]]
    assert [[j.number for j in group] for group in groups(jobs)] == together


# --- composing ------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "jobs",
    [
        [["seed=1", "model=rnn"], ["seed=2", "model=rnn"], ["seed=2", "model=lstm"]],
        [["task=count", "optimizer.lr=0.1"], ["task=count", "optimizer.lr=1e-3"]],
        [["task.effects={1:0.25}"], ["task.effects={2:0.25,4:-0.125}"], ["task.effects=null"]],
        [["optimizer.betas=[0.8,0.9]", "seed=3"], ["optimizer.betas=[0.7,0.9]", "seed=4"]],
        [["trainer.stop_at=floor"], ["trainer.stop_at=none"], ["trainer.stop_at=null"]],
        [["experiment=echo_lag3", "seed=5"], ["experiment=echo_lag3", "seed=6"]],
    ],
)
def test_a_job_is_composed_as_hydra_composes_it(jobs):
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config_loader = GlobalHydra.instance().config_loader()
        config = config_loader.load_configuration("train", overrides=[], run_mode=RunMode.MULTIRUN)
        composer = Composer(config_loader, config)
        for job in jobs:
            composed = config_loader.load_sweep_config(config, job)
            expected = resolved(without_hydra(composed), composed.hydra.runtime.choices)
            assert composer.plain(job) == expected


# --- nothing twice --------------------------------------------------------------------------


@pytest.mark.sampled(1)
@pytest.mark.parametrize("launch", ["stacked", "here"])
def test_what_is_done_is_not_done_again_and_what_is_new_is_added(train: Door, tmp_path, launch):
    words = ("-m", *SMALL, *SHORT, f"launch={launch}", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    train(*words, "seed=0,1")
    before = {
        name: (run / "result.json").stat() for name, run in runs_of(tmp_path / "sweep").items()
    }
    train(*words, "seed=0,1,2")
    after = runs_of(tmp_path / "sweep")
    assert len(before) == 2
    assert len(after) == 3
    for name, stat in before.items():
        assert (after[name] / "result.json").stat().st_mtime_ns == stat.st_mtime_ns


def test_a_job_asked_for_twice_in_one_sweep_is_done_once(train: Door, tmp_path):
    words = ("-m", *SMALL, *SHORT, "engine=fused", "seed=0,1,0", f"hydra.sweep.dir={tmp_path}")
    outcome = train(*words)
    assert outcome.code == 0, outcome.err
    logs = [(run / "run.log").read_text() for run in runs_of(tmp_path).values()]
    assert [log.count("verdict") for log in logs] == [1, 1]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("launch", ["stacked", "here"])
def test_a_job_is_known_in_whatever_words_it_is_asked_for(train: Door, tmp_path, launch):
    words = ("-m", *SMALL, *SHORT, "engine=fused", f"launch={launch}", "seed=0,1")
    train(*words, f"hydra.sweep.dir={tmp_path}")
    before = {run: result_of(run) for run in runs_of(tmp_path).values()}
    rate = yaml.safe_load((next(iter(before)) / "config.yaml").read_text())["optimizer"]["lr"]
    train(*words, f"optimizer.lr={rate}", "task.base=0.5", f"hydra.sweep.dir={tmp_path}")
    assert {run: result_of(run) for run in runs_of(tmp_path).values()} == before


@pytest.mark.slow
def test_what_was_asked_is_noted_once_for_each_command(train: Door, tmp_path):
    words = ("-m", *SMALL, *SHORT, "engine=fused", f"hydra.sweep.dir={tmp_path}")
    for seeds in ("0", "0,1", "0,1"):
        train(*words, f"seed={seeds}")
    lines = [json.loads(line) for line in (tmp_path / ".asked").read_text().splitlines()]
    assert ["seed=0 " in line["command"] for line in lines] == [True, False]
    ids = {name[-12:] for name in runs_of(tmp_path)}
    assert {*lines[1]["jobs"]} == ids
    assert lines[0]["jobs"] == lines[1]["jobs"][:1]


def test_an_empty_range_is_a_wrong_request(train: Door, tmp_path):
    outcome = train("-m", "seed=range(3,1)", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert outcome.code == 2
    assert "asks for no run" in outcome.complaint
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_does_not_move_into_the_folder_of_a_run(train: Door, tmp_path):
    train(*SMALL, *SHORT, f"hydra.run.dir={tmp_path / 'run'}")
    before = {path.name for path in (tmp_path / "run").iterdir()}
    outcome = train("-m", *SMALL, *SHORT, "seed=0,1", f"hydra.sweep.dir={tmp_path / 'run'}")
    assert outcome.code == 2
    assert "is the folder of a run" in outcome.complaint
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {*before, "multirun.yaml"}


@pytest.mark.slow
def test_the_same_command_again_finds_its_folder(train: Door, logs):
    words = ("-m", *SMALL, *SHORT, "seed=0,1")
    train(*words)
    (sweep,) = logs.glob("sweep-*")
    before = {path: path.stat().st_mtime_ns for path in sweep.glob("*/result.json")}
    outcome = train(*reversed(words[1:]), "-m")
    assert outcome.code == 0
    assert "2 of 2 runs were done before" in outcome.out
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("result.json")} == before


def test_an_identity_depends_on_what_a_run_is_and_on_nothing_else():
    plain = {"seed": 0, "model": {"a": 1.0}, "trainer": {"max_steps": 5, "progress": True}}
    assert identity(plain) == identity({**plain, "logs": "x", "names": {"model": "rnn"}})
    assert identity(plain) == identity({**plain, "trainer": {"max_steps": 5, "progress": False}})
    assert identity(plain) != identity({**plain, "trainer": {"max_steps": 6, "progress": True}})
    assert identity(plain) != identity({**plain, "model": {"a": 2.0}})


def test_a_job_belongs_to_one_process_until_it_ends_or_dies(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from lossladder.sweeps.lock import job_lock\n"
        "with job_lock(Path(sys.argv[1]), 'ab', wait=False) as ours:\n"
        "    print(ours, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with job_lock(tmp_path, "ab", wait=False) as ours:
            assert not ours
        with job_lock(tmp_path, "cd", wait=False) as ours:  # another job
            assert ours
        (tmp_path / ".claims").rename(tmp_path / "gone")  # somebody made the folder anew
        with job_lock(tmp_path, "ab", wait=False) as ours:
            assert ours
        (tmp_path / "gone").rename(tmp_path / ".claims")
        other.kill()
        other.wait()
        with job_lock(tmp_path, "ab", wait=True) as ours:
            assert ours


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["fused", "autograd"])
def test_one_bar_tells_updates_and_rungs_of_runs_together_and_alone(train: Door, tmp_path, engine):
    words = ("-m", *SMALL, *SHORT[:2], f"engine={engine}", "seed=0,1")
    outcome = train(*words, "trainer.progress=true", f"hydra.sweep.dir={tmp_path / 'sweep'}")
    last = outcome.err.splitlines()[-1]
    assert "2/2" in last
    (speed,) = re.findall(r"([\d,]+) updates/s", last)
    assert int(speed.replace(",", "")) > 0
    stand = [standing(result_of(run)) for run in runs_of(tmp_path / "sweep").values()]
    for where in stand:
        assert f"{stand.count(where)} {where}" in last


def test_the_bar_tells_how_it_goes_before_any_run_has_ended(capsys):
    bar = SweepBar(2, shown=True)
    bar.interval = 0.0
    bar.note(7, Advance(100, Counter({"past lag 3": 2})))
    assert "updates/s; 2 past lag 3" in capsys.readouterr().err
    bar.close()


def test_the_bar_forgets_where_the_members_of_a_dead_process_stood():
    bar = SweepBar(2, shown=False)
    bar.note(7, Advance(100, Counter({"past lag 3": 2})))
    assert bar.whereabouts() == Counter({"past lag 3": 2})
    bar.lose(7)
    assert bar.whereabouts() == Counter()
    bar.note(8, JobOutcome(0, "failed"))
    bar.note(9, JobOutcome(1, "done", 0.5, "on lag 8"))
    assert bar.whereabouts() == Counter({"failed": 1, "on lag 8": 1})


# --- failures -------------------------------------------------------------------------------


def test_a_sweep_survives_what_its_jobs_do(train: Door, tmp_path, monkeypatch):
    """One raises, one diverges, one kills its process; then the same sweep on a better day."""
    bad_day = tmp_path / "bad day"
    monkeypatch.setenv("LOSSLADDER_PACKAGES", "mischief")
    monkeypatch.setenv("BAD_DAY", str(bad_day))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    words = ("-m", *SMALL, *SHORT, "engine=autograd", "model._target_=mischief.Moody")
    sweep, undisturbed = tmp_path / "sweep", tmp_path / "undisturbed"
    settings = [
        [f"seed={s}", f"model.hidden_size={h}"] for s, h in (RAISES, IS_KILLED, DIVERGES, (1, 16))
    ]
    asked = (*words, f"hydra.sweeper.jobs={settings}")
    bad_day.touch()
    assert train(*asked, f"hydra.sweep.dir={sweep}").code == 1
    status, logs, ended = {}, {}, {}
    for name, run in runs_of(sweep).items():
        config = yaml.safe_load((run / "config.yaml").read_text())
        who = config["seed"], config["model"]["hidden_size"]
        status[who] = result_of(run)["status"]
        logs[who] = (run / "run.log").read_text()
        ended[name] = (run / "result.json").stat().st_mtime_ns
    assert len(status) == 4
    assert {who for who in status if status[who] == "failed"} == {RAISES}
    assert {who for who in status if status[who] == "interrupted"} == {IS_KILLED}
    assert {who for who in status if status[who] == "diverged"} == {DIVERGES}
    assert {*status.values()} == {"failed", "interrupted", "diverged", "done"}
    assert "the cell is in a mood" in logs[RAISES]
    assert "was killed by SIGKILL" in logs[IS_KILLED]

    bad_day.unlink()
    train(*asked, f"hydra.sweep.dir={sweep}")
    train(*asked, f"hydra.sweep.dir={undisturbed}")
    assert runs_of(sweep).keys() == runs_of(undisturbed).keys()
    for name, run in runs_of(undisturbed).items():
        ours, theirs = result_of(sweep / name), result_of(run)
        assert ours["status"] == theirs["status"]
        assert theirs["status"] in ("done", "diverged")
        assert ours["curve"]["updates"] == theirs["curve"]["updates"]
        assert ours["curve"]["loss"] == pytest.approx(theirs["curve"]["loss"], nan_ok=True)
        assert ours["loss"] == theirs["loss"]
    redone = {
        name
        for name, run in runs_of(sweep).items()
        if (run / "result.json").stat().st_mtime_ns != ended[name]
    }
    assert len(redone) == 2  # those that failed, and no other


def test_members_that_diverge_leave_the_others_untouched(train: Door, tmp_path):
    sweep, healthy = tmp_path / "sweep", tmp_path / "healthy"
    words = ("-m", *SMALL, *SHORT, "engine=fused", "seed=0,1")
    assert train(*words, "optimizer.lr=0.01,1e38", f"hydra.sweep.dir={sweep}").code == 1
    assert train(*words, "optimizer.lr=0.01", f"hydra.sweep.dir={healthy}").code == 0
    found = {}
    for run in runs_of(sweep).values():
        config = yaml.safe_load((run / "config.yaml").read_text())
        found[float(config["optimizer"]["lr"]), config["seed"]] = result_of(run)
    assert {found[1e38, seed]["status"] for seed in (0, 1)} == {"diverged"}
    for run in runs_of(healthy).values():
        alone = result_of(run)
        assert found[0.01, alone["seed"]]["curve"] == alone["curve"]


def test_a_wrong_request_in_a_sweep_costs_the_others_nothing(train: Door, tmp_path):
    words = ("-m", *SMALL, *SHORT, "engine=fused", "optimizer.lr=0.01,-1", "seed=0,1")
    outcome = train(*words, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert outcome.code == 2
    assert "optimizer.lr=-1" in outcome.err
    runs = runs_of(tmp_path / "sweep")
    assert len(runs) == 2
    assert {result_of(run)["status"] for run in runs.values()} == {"done"}


def start(*words: str) -> subprocess.Popen:
    command = [sys.executable, "train.py", "-m", *words, "trainer.progress=false"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_as_from_a_terminal,
    )


def _as_from_a_terminal() -> None:
    """Who runs the tests in the background ignores Ctrl-C, and so would all they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_two_processes_share_a_sweep_and_one_may_die(tmp_path):
    sweep = tmp_path / "sweep"
    words = (*SMALL, *SHORT[:1], "trainer.max_steps=200", "engine=autograd", "model=rnn,gru_cell")
    asked = (*words, "seed=range(4)", f"hydra.sweep.dir={sweep}")
    first, second = start(*asked), start(*asked)
    until(lambda: any(sweep.glob("*/result.json")))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    runs = runs_of(sweep)
    assert len(runs) == 8
    for run in runs.values():
        assert result_of(run)["status"] == "done"
        log = (run / "run.log").read_text()
        # ended once; workers whose sweep died say so, and the other goes on with what was theirs
        assert log.count("verdict\n") - log.count("The run was interrupted") == 1


def test_ctrl_c_waits_for_what_must_not_be_cut_off():
    written = []

    def write() -> None:
        with signals.held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            written.append("all of it")

    with signals.handled(), pytest.raises(KeyboardInterrupt):
        write()
    assert written


@pytest.mark.slow
def test_ctrl_c_while_workers_are_begun_and_results_written_loses_nothing(tmp_path):
    """Sent at any time: the sweep ends, and every run has a result or will be made anew."""
    words = (*SMALL, "engine=fused", "seed=range(24)", "trainer.max_epochs=40")
    complete = 0
    for number, when in enumerate(("", "*/config.yaml", "*/result.json")):
        sweep = tmp_path / str(number)
        with start(*words, f"hydra.sweep.dir={sweep}") as process:
            until(lambda at=sweep, seen=when: any(at.glob(seen)) if seen else children(process.pid))
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 1, err
        assert "Exception" not in err
        for run in sweep.glob("*/result.json"):
            result = json.loads(run.read_text())
            assert result["status"] == ("done" if result["steps"] == 1200 else "interrupted")
            assert (run.parent / "checkpoints/last.ckpt").is_file() == (result["steps"] > 0)
            complete += result["status"] == "done"
    assert complete


def children(process: int) -> str:
    return Path(f"/proc/{process}/task/{process}/children").read_text()


@pytest.mark.slow
def test_ctrl_c_ends_within_seconds_and_leaves_everything_usable(tmp_path):
    sweep = tmp_path / "sweep"
    words = ("task=echo", "engine=fused", "seed=range(8)", "trainer.max_epochs=3000")
    with start(*words, f"hydra.sweep.dir={sweep}") as process:
        try:
            until(lambda: len(runs_of(sweep)) == 8)
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers as well, if some are left
    assert process.returncode == 1
    assert err.strip().endswith("interrupted")
    for run in runs_of(sweep).values():
        assert result_of(run)["status"] == "interrupted"
        assert (run / "checkpoints/last.ckpt").is_file()
