"""README's commands work word for word, and its examples run."""

import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import lossladder
from doors import SHORT
from lossladder.cli import report

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "bash"
    for line in block.splitlines()
    if line.startswith("python ")
]
TRAININGS = [line for line in COMMANDS if line.startswith("python train.py")]
EVALUATIONS = [line for line in COMMANDS if line.startswith("python evaluate.py")]
REPORTS = [line for line in COMMANDS if line.startswith("python report.py")]


def _words(command: str, run: Path) -> list[str]:
    return shlex.split(re.sub(r"logs/<[\w ]*run>", str(run), command))[2:]


@pytest.fixture
def run(left) -> Path:
    return left(*SHORT, "task=parity", "task.num_steps=8")


def test_readme_shows_commands():
    assert len(TRAININGS) >= 10
    assert EVALUATIONS
    assert REPORTS
    assert len(COMMANDS) == len(TRAININGS) + len(EVALUATIONS) + len(REPORTS)


def test_no_command_of_the_makefile_says_a_key_without_its_value():
    (targets,) = re.findall(r"^\.PHONY: (env .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = ["make", "--dry-run", "--always-make", *targets.split()]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "suite.seeds=10" in said
    assert not re.findall(r"[\w.]+=(?=\s|$)", said)


# a suite is a sweep of sweeps: test_passport.py has smaller ones
@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=[pytest.mark.slow] * ("suite=" in c)) for c in TRAININGS],
)
def test_every_training_in_readme_runs(command, train, request):
    words = _words(command, request.getfixturevalue("run") if "resume=" in command else Path())
    if "--cfg" not in words:
        updates = 150 if "resume" in command else 20
        words += [f"trainer.max_steps={updates}", "trainer.progress=false"]
        words = [word.replace("range(10)", "range(2)") for word in words]
        if "suite=quick" in words:
            words += ["suite.seeds=1", "suite.learning_rates=[0.01]"]
        if "search=optuna" in words:
            words += ["search.seeds=1", "search.trials=2"]
    outcome = train(*words)
    if "trainer=gpu" in words and not torch.cuda.is_available():
        assert outcome.code == 2
        assert "trainer.accelerator=gpu" in outcome.complaint
    elif "launch=slurm" in words:
        assert outcome.code == 2
        lacks = "sbatch" if find_spec("submitit") else "pip install -e '.[slurm]'"
        assert lacks in outcome.complaint
    else:
        assert outcome.code == 0, outcome.err


@pytest.mark.sampled(1)
@pytest.mark.parametrize("command", EVALUATIONS)
def test_every_evaluation_in_readme_runs(command, evaluated, run):
    assert evaluated(*_words(command, run)).code == 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize("command", REPORTS)
def test_every_report_in_readme_is_written(command, run):
    sweep = run.parent  # a sweep of one
    report.main(shlex.split(command.replace("logs/<sweep>", str(sweep)))[2:])
    assert (sweep / "report.html").exists()
    assert len(lossladder.results(sweep)) == 1


def test_the_ladder_of_the_task_in_readme_is_as_its_comments_say():
    (source,) = [block for _, block in BLOCKS if "(Task)" in block]
    names: dict[str, Any] = {}
    exec(source, names)  # with the imports it shows, and no other
    said = re.findall(r'_rung\("(\w+)", .*# (0\.\d+)', source)
    assert [(rung.name, f"{rung.loss:.4f}") for rung in names["Ends"]().ladder()] == said
    assert len(said) == 4


def test_every_file_readme_links_to_is_there():
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target
