"""A wrong request: one line that names key, value and what is allowed; exit 2; nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from doors import SHORT
from lossladder.cli.main import run

TASKS = ", ".join(
    sorted(path.stem for path in (Path(__file__).parents[2] / "conf/task").glob("*.yaml"))
)
REQUESTS = {
    "task=ecko": [
        "task=ecko",
        TASKS,
        "did you mean echo?",
    ],
    "task=": ["task=", TASKS],
    "model=lsmt": ["model=lsmt", "gru_cell", "did you mean lstm?"],
    "engine=autogard": ["engine=autogard", "did you mean autograd?"],
    "model.hiden_size=3": ["model.hiden_size=3", "did you mean model.hidden_size?"],
    "sead=3": ["sead=3", "did you mean seed?"],
    "launch=slurm": ["launch=slurm", "add -m"],
    "launch=ray": ["launch=ray", "add -m"],
    "-m launch=slurm launch.workers=0": ["launch.workers=0", "at least 1"],
    "-m launch=slurm launch.setup=x": ["launch.setup='x'", "[module load python]"],
    "-m launch=slurm launch.nodes=2": ["launch.nodes=2", "launch.workers"],
    "-m launch=ray launch.gpus=-1": ["launch.gpus=-1", "at least 0"],
    "-m launch.workers=2": ["launch.workers=2", "no such key"],
    "launch=moon": ["launch=moon", "here, ray, slurm, stacked"],
    "+foo=1": ["foo=1", "allowed: ", " task", "readout"],
    "+trainer.fast=1": ["trainer.fast=1", "max_epochs"],
    "+model.depth=2": ["model.depth=2", "hidden_size"],
    "seed=x=y": ["seed=x=y", "key=value"],
    "seed=-1": ["seed=-1", "from 0 to 4294967295"],
    "seed=one": ["seed='one'", "whole number"],
    "model.hidden_size=0": ["model.hidden_size=0", "at least 1"],
    "model.hidden_size=-4": ["model.hidden_size=-4", "at least 1"],
    "model.hidden_size=1.5": ["model.hidden_size=1.5", "whole number"],
    "model.hidden_size=big": ["model.hidden_size='big'", "whole number"],
    "data.batch_size=0": ["data.batch_size=0", "at least 1"],
    "data.bptt_steps=6000": ["data.bptt_steps=6000", "stream_steps=5000"],
    "data.windows_per_chunk=none": ["data.windows_per_chunk='none'", "whole number"],
    "data=split": ["task=echo", "data=streams"],
    "task.base=1.5": ["task.base=1.5", "from 0 to 1"],
    "task.chance_of_one=-0.1": ["task.chance_of_one=-0.1", "from 0 to 1"],
    "task.effects={-1: 0.5}": ["task.effects", "lag=-1", "at least 0"],
    "task.effects={2.5: 0.5}": ["task.effects", "lag=2.5", "whole number"],
    "task.effects={3: much}": ["task.effects", "'much'", "finite number"],
    "task.effects=3": ["task.effects=3", "must be a mapping"],
    "optimizer.lr=fast": ["optimizer.lr='fast'", "above 0"],
    "optimizer.lr=-1": ["optimizer.lr=-1", "above 0"],
    "trainer.stop_at=lag 3": ["3: cannot be read", "quote both: 'trainer.stop_at=lag 3'"],
    "logs=übung": ["logs=übung", "quote the value: \"logs='übung'\""],
    "++sead=3": ["sead=3", "did you mean seed?"],
    "+seed=3": ["seed: is in the config already", "leave the + out"],
    "seed=1 --multirun model=rnn,gruu": ["model=rnn,gruu", "did you mean gru?"],
    "task.effects={2:0.3": ["task.effects={2:0.3", "brackets"],
    "task.effects.3=0.5": ["task.effects is one value"],
    "+task.effects.3=0.5": ["task.effects is one value"],
    "+foo.bar=1": ["foo.bar=1: no such key"],
    "model.hidden_size": ["model.hidden_size: cannot be read", "give it a value"],
    "model.zoneout=0.1": ["model.layers, model.dropout, model.bits", "+model.zoneout=0.1"],
    "model.dropout=0.1": ["model.dropout=0.1", "between layers", "take layers=2"],
    "model.layers=2 model.dropout=1": ["model.dropout=1", "below 1"],
    "model.layers=2 model.dropout=-1": ["model.dropout=-1", "from 0 to 1"],
    "model.layers=0": ["model.layers=0", "at least 1"],
    "model.layers=two": ["model.layers='two'", "whole number"],
    "model.layers=2 model.dropout=0.1 engine=fused": ["engine=fused", "dropout between its layers"],
    "model.bits=0": ["model.bits=0", "from 1 to 16"],
    "model.bits=two": ["model.bits='two'", "whole number"],
    "model=lstm model.bits=2": ["model.bits=2", "whole windows", "take model=lstm_cell"],
    "model=gru model.bits=2": ["model.bits=2", "take model=gru_cell"],
    "model.reader=deep": ["model.reader='deep'", "linear, mlp"],
    "model.reader_size=8": ["model.reader_size=8", "take model.reader=mlp"],
    "model.reader=mlp model.reader_size=0": ["model.reader_size=0", "at least 1"],
    "model=mlp model.train_biases=none model.reader=mlp": ["MLP has a readout of its own"],
    "model.state=0": ["model.state=0", "at least 1"],
    "model.state=many": ["model.state='many'", "whole number"],
    "model=lstm model.state=33": ["32 with hidden_size=16, or of 34 with hidden_size=17"],
    "model=lstm model.state=1": ["a state of 2 with hidden_size=1"],
    "model=attention model.state=8": ["a state of 9 numbers, whatever its hidden_size"],
    "model=lstm model.state=32 model.hidden_size=8": ["model.hidden_size=8", "it is 16"],
    "-m model=lstm model.state=32 model.hidden_size=8,9": ["model.hidden_size=8", "it is 16"],
    "schedule=cosin": ["schedule=cosin", "constant, cosine, step", "did you mean cosine?"],
    "schedule.lowest=0.1": ["schedule.lowest=0.1"],
    "schedule=cosine schedule.lowest=2": ["schedule.lowest=2", "from 0 to 1"],
    "schedule=cosine schedule.steps=1.5": ["schedule.steps=1.5", "whole number"],
    "schedule=warmup_cosine schedule.warmup_steps=5000": [
        "schedule.warmup_steps=5000",
        "below the 1500 updates",
    ],
    "schedule=step schedule.every=0": ["schedule.every=0", "at least 1"],
    "schedule=step +schedule.everyy=3": ["schedule.everyy=3", "did you mean schedule.every?"],
    "schedule._target_=lossladder.models.RNN": ["is no LearningRateSchedule"],
    "optimizer.weight_decay=0.1": ["if Adam takes it, +optimizer.weight_decay=0.1"],
    "logger=csv": ["no such key; allowed: ", "callbacks", "experiment", "resume"],
    "trainer.precision=16": ["trainer.precision=16", "float32"],
    "+trainer.strategy=ddp": ["trainer.strategy=ddp", "docs/scale.md"],
    "trainer.profiler=simple": ["trainer.profiler=simple", "callback"],
    "-m seed=interval(0,1)": ["seed: an interval"],
    "hydra.run.dirr=x": ["hydra.run.dirr=x", "did you mean hydra.run.dir?"],
    "callbacks=cvs": ["callbacks=cvs", "csv, none", "did you mean csv?"],
    "+callbacks.own._target_=os.system": ["callbacks.own._target_=os.system", "allowed packages"],
    "+callbacks.own._target_=lossladder.models.RNN": ["is no Callback or Logger"],
    "+callbacks.own=3": ["callbacks.own=3", "_target_"],
    "callbacks=csv +callbacks.csv.nam=x": [
        "callbacks.csv.nam=x",
        "did you mean callbacks.csv.name?",
    ],
    "--cfg": ["--cfg", "see --help"],
    "trainer.max_steps=0": ["trainer.max_steps=0", "at least 1"],
    "trainer.max_epochs=null": ["trainer.max_epochs", "give one"],
    "trainer.gradient_clip=-1": ["trainer.gradient_clip=-1", "above 0"],
    "trainer.stop_at=lag9": ["trainer.stop_at='lag9'", "floor, none, lag 8, lag 3"],
    "trainer.threads=0": ["trainer.threads=0", "from 1 to 1024"],
    "trainer.devices=2": ["trainer.devices=2", "must be 1", "one device", "docs/scale.md"],
    "trainer.devices=auto": ["trainer.devices=auto", "must be 1"],
    "trainer.devices=true": ["trainer.devices=True", "must be 1"],
    "-m trainer.threads=1000000000 seed=0,1 trainer.progress=false": [
        "trainer.threads=1000000000",
        "from 1 to 1024",
    ],
    "--info nope": ["--info", "'nope'", "'all', 'config', 'defaults'"],
    "trainer.devices=[0,1]": ["trainer.devices=[0, 1]", "one index in brackets"],
    "-m trainer.devices=2 seed=0,1 trainer.progress=false": ["trainer.devices=2", "must be 1"],
    "trainer.accelerator=warp": ["trainer.accelerator=warp", "Available names"],
    "task._target_=os.system": ["task._target_=os.system", "lossladder, torch.optim"],
    "task._target_=lossladder.cli.os.system": ["_target_", "No module named"],
    "task._target_=lossladder.models.RNN": ["task._target_=lossladder.models.RNN", "is no Task"],
    "optimizer._target_=torch.optim.Optimizer": ["optimizer"],
    "readout.std=-1": ["readout.std=-1", "above 0"],
    "+readout.sdt=1": ["readout.sdt=1", "readout.std, readout.bias"],
    "readout.alone=yes_please": ["readout.alone='yes_please'", "true or false"],
    "resume=nowhere": ["resume=nowhere", "no such folder"],
    "resume=": ["resume=", "name the folder"],
    "logs=": ["logs=", "must name a folder"],
    "logs=null": ["logs=null", "must name a folder"],
    "hydra.run.dir=": ["hydra.run.dir=", "must name a folder"],
    "-m hydra.sweep.dir= seed=0,1": ["hydra.sweep.dir=", "must name a folder"],
    "hydra.run.dir=/dev/null/x": ["hydra.run.dir=/dev/null/x", "cannot be made"],
    "-m hydra.sweep.dir=/dev/null/x seed=0,1": ["hydra.sweep.dir=/dev/null/x", "cannot be made"],
    "model=null": ["model=null", "gru, gru_cell, lru, lstm"],
    "task=null": ["task=null", TASKS],
    "optimizer=3": ["optimizer=3", "adagrad, adam, adamw, sgd"],
    "-m model=rnn,null": ["model=rnn,null", "gru, gru_cell, lru, lstm"],
    "~model": ["~model", "every run needs one", "gru, gru_cell, lru, lstm"],
    "~data": ["~data", "streams"],
    "~schedule": ["~schedule", "every run needs one", "constant, cosine"],
    "~seed": ["seed: is missing"],
    "~trainer.max_epochs": ["trainer.max_epochs: is missing"],
    "~model.hidden_size": ["model.hidden_size: is missing", "lossladder.models.RNN needs it"],
    "readout=null": ["readout=None", "keys of its own"],
    "seed=99999999999999999999999": ["seed=99999999999999999999999", "from 0 to 4294967295"],
    "seed=0,1": ["seed=0,1", "add -m"],
    "-m resume=nowhere seed=0,1": ["resume=nowhere", "no such folder"],
    "optimizer.betas=3": ["optimizer.betas=3", "default is (0.9, 0.999)"],
    "optimizer.betas=[0.9]": ["optimizer.betas=[0.9]", "default is (0.9, 0.999)"],
    "optimizer=sgd optimizer.momentum=-1": ["optimizer.momentum=-1", "default is 0"],
    "model._target_=lossladder.models.LSMT": ["no such class", "GRUCell", "did you mean LSTM?"],
    "model._target_=unfinished.Leaky": ["NameError", "'Cell' is not defined (unfinished.py, line"],
    "model._target_=unwritten.Leaky": ["model._target_=unwritten.Leaky", "No module named"],
    "data.batch_size=100000000000": ["data.batch_size=100000000000", "at most 4,000,000,000"],
    "model=rnn_by_hand +model.gain=0.1": ["model.gain=0.1", "RNNByHand has no such key"],
    "-m model=rnn,rnn_by_hand model.gain=0.1,0.5": ["model=rnn_by_hand has no such key"],
    "--foo": ["--foo", "no such option"],
    "task.effects=3 -0.3}": ["-0.3}", "quote the whole key=value"],
    "--config-name=other": ["Cannot find primary config 'other'"],
    "task=count data.train_size=2000": ["data.train_size=2000", "1024", "at most 1023"],
    "task=count data.batch_size=600": ["data.batch_size=600", "train_size=500", "try 500"],
    "task=count data.batch_size=90": ["data.batch_size=90", "does not divide", "try 50"],
    "task=count task.num_steps=20": ["task.num_steps=20", "data=fresh"],
    "task=count task.chance_of_one=0.3": ["task.chance_of_one=0.3", "data=fresh"],
    "task=count data=streams": ["task=count", "no streams", "data=fresh"],
    "task=parity task.num_steps=0": ["task.num_steps=0", "at least 1"],
    "task=parity task.every_step=maybe": ["task.every_step='maybe'", "true or false"],
    "task=count data=fresh data.bptt_steps=20": ["data.bptt_steps=20", "task.num_steps=10"],
    "model=rnn_by_hand engine=fused": ["engine=fused does not fit", "RNNByHand", "engine=autograd"],
    "task=words task.group=Q8": ["task.group='Q8'", "Z6, D4, S3"],
    "task=words task.group=6": ["task.group=6", "a name like S3"],
    "task=words data=streams data.restarts=5": ["data.restarts=5", "{0: 0.5"],
    "task=source task.transitions=[[[0.5]],[[0.4]]]": ["task: transitions", "must sum to 1"],
    "task=source task.transitions=abc": ["task: transitions", "must be numbers"],
    "task=copy task.kind=selective task.length=5 task.delay=3": ["task.length=5", "delay=3"],
    "task=copy data.bptt_steps=5": ["data.bptt_steps=5", "sequences of 16 steps only"],
    "task=copy data=curriculum": ["data.start_length=2", "sequences of 16 steps only"],
    "task=adding data=curriculum": ["task=adding", "real targets", "data=fresh"],
    "task=unfold task.num_steps=0": ["task.num_steps=0", "at least 1"],
    "experiment=worked_example model.hidden_size=3": [
        "model.weights=[[0.15",
        "3 rows of 2 numbers",
    ],
    "experiment=worked_example model.train_biases=all": [
        "train_biases='all'",
        "none, shared, unit",
    ],
    "experiment=worked_example readout.weights=[[1]]": [
        "readout.weights=[[1]]",
        "2 rows of 2 numbers",
    ],
    "data=curriculum": ["task=echo", "data=fresh"],
    "task=parity data=curriculum data.start_length=51": ["data.start_length=51", "from 1 to 50"],
    "task=parity data=curriculum data.promote_at=1": ["data.promote_at=1", "0.999"],
    "task=parity data=curriculum data.windows_per_chunk=null": ["windows_per_chunk=None", "whole"],
    "task=parity data=curriculum data.bptt_steps=9": ["data.bptt_steps=9", "start_length"],
    "model=rnn_by_hand model.learn_initial_state=2": ["model.learn_initial_state=2", "true or"],
    "model=rnn_by_hand model.learn_initial_state=true engine=fused": ["fused", "whole windows"],
    "data=fresh": ["data.bptt_steps=null", "give one"],
    "model=[rnn,lstm]": ["model=[rnn,lstm]", "must be one of attention"],
    "-m model=glob(zz*)": ["model=glob(zz*)", "must be one of attention"],
    "+=1": ["+=1: cannot be read"],
    "logs=[1]": ["logs=[1]", "must name a folder"],
    "--cfg job -p nope": ["--package=nope", "no such part"],
    "-sc": ["install", "uninstall", "query"],
    "-m readout=-1 trainer.progress=false": ["readout=-1", "keys of its own"],
    "-m trainer.progress=x": ["trainer.progress='x'", "true or false"],
    "-m ~trainer.accelerator": ["trainer.accelerator: is missing"],
    "-m task=-1": ["task=-1", TASKS],
    "search=optuna": ["search=optuna: a search is a sweep; add -m"],
    "hydra.verbose={-1:0.3}": ["hydra.verbose={-1:0.3}", "Hydra cannot use it"],
    "-m hydra.verbose=[1]": ["hydra.verbose=[1]", "A logger name must be a string"],
    "hydra.job_logging.root=3": ["hydra.job_logging.root=3", "Unable to configure root logger"],
    "-m launch=here hydra.job_logging.root=3": ["hydra.job_logging.root=3", "Unable to configure"],
    "hydra.job.env_copy=[NOPE]": ["hydra.job.env_copy=[NOPE]", "KeyError"],
    "hydra.job.num=x": ["hydra.job.num=x", "no such key"],
    "hydra.mode=x": ["hydra.mode=x", "expected one of [RUN, MULTIRUN]"],
    "-m hydra.sweeper=3": ["hydra.sweeper=3", "TypeError"],
    "-m hydra.launcher=3": ["hydra.launcher=3", "TypeError"],
    "-m hydra.launcher.x=1": ["hydra.launcher.x=1", "allowed: none"],
    "hydra.job=${seed}": ["hydra.job=${seed}", "AttributeError"],
    "hydra.run=${seed}": ["hydra.run.dir=null", "must name a folder"],
    "-m hydra.sweeper.max_batch_size=-1": ["hydra.sweeper.max_batch_size=-1", "at least 1"],
    "-m hydra.sweeper.jobs=[['hydra.verbose=true']]": ["hydra.verbose=true", "hydra.sweeper.jobs"],
    "hydra.job.chdir=true": ["hydra.job.chdir=true", "leave it out"],
    "-m hydra.job.chdir=true launch=here": ["hydra.job.chdir=true", "leave it out"],
    "-m hydra.sweep.subdir=x": ["hydra.sweep.subdir=x", "leave it out", "hydra.sweep.dir="],
    "hydra.output_subdir=x": ["hydra.output_subdir=x", "leave it out", "config.yaml"],
}


def _words(request_line: str) -> list[str]:
    return [request_line] if "{" in request_line else request_line.split(" ")


def _asked(request_line: str, logs: Path) -> list[str]:
    words = _words(request_line)
    return words if words[0].startswith("logs=") and "=" in words[0] else [f"logs={logs}", *words]


@pytest.fixture(scope="module")
def logs_of_all(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("requests") / "logs"


@pytest.fixture(scope="module")
def answers(request, logs_of_all) -> dict[str, tuple[int, str]]:
    """What the requests that are tried this time are answered, all by one process."""
    tried = [getattr(item, "callspec", None) for item in request.session.items]
    lines = [
        each.params["request_line"] for each in tried if each and "request_line" in each.params
    ]
    asked = json.dumps([_asked(line, logs_of_all) for line in lines])
    own = logs_of_all.parent
    (own / "unfinished.py").write_text("class Leaky(Cell): ...\n")  # an import is missing
    environment = {
        **os.environ,
        "LOSSLADDER_PACKAGES": "unfinished,unwritten",
        "PYTHONPATH": os.pathsep.join([str(own), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("ask.py"))],
        cwd=own,
        env=environment,
        input=asked,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(lines, json.loads(done.stdout), strict=True))


@pytest.mark.sampled(30)
@pytest.mark.parametrize("request_line", REQUESTS)
def test_a_wrong_request_is_answered_in_one_line_and_exit_2(request_line, answers):
    code, err = answers[request_line]
    assert code == 2
    (complaint,) = err.splitlines()
    for expected in REQUESTS[request_line]:
        assert expected in complaint


def test_wrong_requests_leave_nothing_behind(answers, logs_of_all):
    assert answers
    beside = {path.name for path in logs_of_all.parent.iterdir()}
    assert beside <= {"unfinished.py", "__pycache__"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", [(), ("-m",), ("-m", "launch=here")], ids=" ".join)
@pytest.mark.parametrize("kept", ["logs", "hydra.run.dir", "hydra.sweep.dir"])
@pytest.mark.parametrize("wrong", ["seed=-1", "task=ecko", "resume=nowhere"])
def test_a_wrong_request_leaves_no_folder_it_made_and_each_that_was_there(
    tmp_path, monkeypatch, mode, kept, wrong
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "notes").mkdir(parents=True)
    (tmp_path / "mine" / "list.txt").write_text("milk")
    before = left_in(tmp_path)
    for folder in ("new/in/it", "mine"):
        assert run([*mode, wrong, f"{kept}={folder}"]).code == 2
        assert left_in(tmp_path) == before, folder


@pytest.mark.sampled(1)
@pytest.mark.parametrize("launch", ["stacked", "here"])
def test_a_wrong_command_leaves_a_sweep_as_it_was(train, tmp_path, launch):
    words = ("-m", f"launch={launch}", f"hydra.sweep.dir={tmp_path / 'sweep'}", *SHORT)
    assert train(*words, "seed=0").code == 0
    before = left_in(tmp_path)
    assert train(*words, "seed=-1").code == 2
    assert train(*words, "seed=0,-1").code == 2
    assert left_in(tmp_path) == before


def test_a_folder_is_named_by_anything_in_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = "runs/${hydra:runtime.choices.model}/${seed}"
    assert run(["seed=3", "logs=runs", f"hydra.run.dir={folder}", *SHORT]).code == 0
    assert (tmp_path / "runs" / "rnn" / "3" / "config.yaml").exists()
    assert run(["seed=-1", "logs=runs", f"hydra.run.dir={folder}", *SHORT]).code == 2
    assert not (tmp_path / "runs" / "rnn" / "-1").exists()


def left_in(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_wrong_target_runs_nothing(train, tmp_path):
    mark = tmp_path / "mark"
    train("+task.command=x", "task._target_=pathlib.Path.touch", f"+task.self={mark}")
    assert not mark.exists()


def test_a_sweep_of_wrong_requests_leaves_nothing(train):
    outcome = train("-m", "seed=-1,-2")
    assert outcome.code == 2
    assert "seed=-2" in outcome.err
    assert not outcome.anything


def test_logs_that_cannot_be_made_are_a_wrong_request(train, logs):
    logs.parent.mkdir(exist_ok=True)
    logs.write_text("a file, no folder")
    outcome = train()
    assert outcome.code == 2
    assert str(logs) in outcome.complaint


def test_no_space_is_said_before_anything_is_trained(train, logs, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(yaml, "dump", full)
    outcome = train()
    assert outcome.code == 2
    assert "No space left on device" in outcome.complaint
    assert "Hydra" not in outcome.complaint
    assert not outcome.anything


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("seed=5",), "seed=5: was 0 when the run began"),
        (("model.hidden_size=4",), "model.hidden_size=4: was 16 when"),
        (("task.base=0.4",), "task.base=0.4: was 0.5 when"),
        (("data.batch_size=50",), "data.batch_size=50: was 200 when"),
        (("readout.bias=1",), "readout.bias=1: was 0.0 when"),
        (("optimizer.lr=0.5",), "optimizer.lr=0.5: was"),
        (("optimizer._target_=torch.optim.SGD",), "optimizer._target_=torch.optim.SGD: was"),
        (("model=lstm",), "model=lstm: was chosen when the run began"),
        (("-m", "seed=5,6"), "seed=5: was 0 when the run began"),
    ],
)
def test_what_would_make_another_run_cannot_change_when_one_goes_on(train, tmp_path, changes, said):
    folder = tmp_path / "begun"
    train("trainer.max_steps=50", "trainer.progress=false", f"hydra.run.dir={folder}")
    outcome = train(*changes, f"resume={folder}", "trainer.max_steps=60")
    assert outcome.code == 2
    assert said in outcome.complaint
    assert "cannot change" in outcome.complaint
    assert not outcome.anything


def test_what_is_as_it_was_may_be_said_again_when_a_run_goes_on(train, tmp_path):
    folder = tmp_path / "begun"
    words = ("seed=0", "model.hidden_size=8", "trainer.progress=false")
    train(*words, "trainer.max_steps=50", f"hydra.run.dir={folder}")
    outcome = train(*words, f"resume={folder}", "trainer.max_steps=60")
    assert outcome.code == 0
    assert outcome.results[-1]["steps"] == 60


def test_a_damaged_run_is_named_as_it_was_asked_for(train, tmp_path):
    folder = tmp_path / "begun"
    train("trainer.max_steps=50", "trainer.progress=false", f"hydra.run.dir={folder}")
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"torn")
    outcome = train(f"resume={folder}", "trainer.max_steps=60")
    assert outcome.code == 2
    assert outcome.complaint.startswith(f"lossladder: resume={folder}: ")
