"""Whatever is killed, whenever: the same command ends it bit for bit where it would have ended."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from alike import differences
from processes import Start, at_most

HERE = Path(__file__).parent
SMALL = (
    *("trainer.max_epochs=null", "trainer.checkpoint_seconds=0.2", "model.hidden_size=4"),
    *("data.batch_size=20", "trainer.validate_every=300"),
)
ECHO = ("task=echo", "data.stream_steps=1500", *SMALL)
RUNS = {
    "autograd, streams": (*ECHO, "engine=autograd", "trainer.max_steps=500"),
    "fused lstm, streams": (*ECHO, "engine=fused", "model=lstm", "trainer.max_steps=3000"),
    "auto, split": (
        *("task=count", "model=rnn", *SMALL, "data.train_size=400", "trainer.max_steps=3000"),
    ),
    "stacked gru, fresh": (
        *("task=parity", "task.num_steps=6", *SMALL, "engine=stacked", "model=gru_cell"),
        "trainer.max_steps=400",
    ),
    "curriculum": (
        *("task=parity", "task.num_steps=12", "data=curriculum", *SMALL, "engine=autograd"),
        *("data.promote_at=0.5", "trainer.max_steps=600"),
    ),
    "dropout, a schedule": (
        *(*ECHO, "model=lstm", "model.layers=2", "model.dropout=0.2", "schedule=cosine"),
        *("optimizer=adamw", "trainer.max_steps=400"),
    ),
    "own random numbers": (
        *ECHO,
        *("model._target_=noisy.Noisy", "trainer.max_steps=600"),
    ),
}
# who keeps what a checkpoint must: a kernel's memory, and Lightning with a network's own numbers
SHORT = ("fused lstm, streams", "own random numbers")
KILLS = [
    *(pytest.param(n, 1, id=n, marks=[pytest.mark.slow] * (n not in SHORT)) for n in RUNS),
    *(pytest.param(name, 17, id=f"{name}, again", marks=pytest.mark.slow) for name in RUNS),
]


@pytest.mark.parametrize(("name", "kills"), KILLS)
def test_a_run_that_is_killed_ends_where_it_would_have(start: Start, tmp_path, name, kills):
    shutil.copy(HERE / "noisy.py", tmp_path)
    words = {"packages": ("noisy",)}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole_run = start(*RUNS[name], f"hydra.run.dir={whole}", **words)
    assert whole_run.end() == 0, whole_run.out.read_text()
    chance, killed, gone_on = random.Random(name), 0, 0
    while killed < kills:
        shutil.rmtree(cut, ignore_errors=True)
        while killed < kills:
            program = start(*RUNS[name], f"hydra.run.dir={cut}", **words)
            # every second one before there is anything to go on with
            sign = cut / ("run.log" if killed % 2 else "checkpoints/last.ckpt")
            program.wait_until(sign.exists)
            time.sleep(chance.random() * at_most(1 / 4, whole))
            if not program.lives():
                assert program.end() == 0, program.out.read_text()
                break
            program.send(signal.SIGKILL)
            program.end()
            killed += 1
        program = start(*RUNS[name], f"hydra.run.dir={cut}", **words)
        assert program.end() == 0, program.out.read_text()
        assert differences(cut, whole) == []
        gone_on += (cut / "run.log").read_text().count("going on from update")
        assert not list(cut.rglob(".[0-9a-f]*-*"))  # nothing half written is left
    assert gone_on


SWEEPS = {
    "fused": (*ECHO, "engine=fused", "seed=range(3)", "trainer.max_steps=3000"),
    "stacked": (
        *ECHO,
        *("model=gru_cell", "engine=stacked", "seed=range(4)", "trainer.max_steps=500"),
    ),
    "dropout": (
        *(*ECHO, "model=gru", "model.layers=2", "model.dropout=0.2", "schedule=warmup_cosine"),
        *("schedule.warmup_steps=10,100", "seed=0,1", "optimizer=adamw", "trainer.max_steps=300"),
    ),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp("undisturbed") / name for name in SWEEPS}


def kills(count: int, slow: bool) -> list:
    again = ", again" if slow else ""
    pairs = [(name, who) for name in SWEEPS for who in ("parent", "worker", "all")]
    return [
        pytest.param(name, who, count, id=f"{who} of {name}{again}",
                     marks=[pytest.mark.slow] * (slow or (name, who) != ("fused", "all")))
        for name, who in pairs
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "who", "kills"), [*kills(1, False), *kills(10, True)])
def test_a_sweep_that_is_killed_ends_where_it_would_have(
    start: Start, tmp_path, undisturbed, name, who, kills
):
    whole, cut, words = undisturbed[name], tmp_path / "cut", ("-m", *SWEEPS[name])
    if not whole.exists():
        assert start(*words, f"hydra.sweep.dir={whole}").end() == 0
    chance, killed, gone_on = random.Random(f"{name} {who}"), 0, 0
    while killed < kills:
        shutil.rmtree(cut, ignore_errors=True)
        while True:
            program = start(*words, f"hydra.sweep.dir={cut}")
            # every second one before there is anything to go on with
            sign = "*/run.log" if killed % 2 else ".groups/*/last.ckpt"
            program.wait_until(lambda sign=sign: any(cut.glob(sign)))
            time.sleep(chance.random() * at_most(1 / 4, whole))
            if killed == kills or not program.lives():
                break
            victims = program.workers()
            if who == "parent":
                program.send(signal.SIGKILL)
            elif who == "all":
                program.kill_all()
            elif victims:
                os.kill(chance.choice(victims), signal.SIGKILL)
            killed += 1
            if who == "worker":
                break
            program.end()
        assert program.end() == 0, program.out.read_text()
        left = sorted(path.parent.name for path in cut.glob("*/result.json"))
        assert left == sorted(path.parent.name for path in whole.glob("*/result.json"))
        assert [line for name in left for line in differences(cut / name, whole / name)] == []
        assert not (cut / ".groups").exists()
        gone_on += sum("going on" in path.read_text() for path in cut.glob("*/run.log"))
    assert gone_on
