"""A project of one's own, made by `lossladder new`: trained, swept and scored from its folder."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import lossladder
from lossladder.cli.main import Outcome, main, run
from lossladder.cli.new import main as new
from lossladder.models import Recurrent
from lossladder.tasks import Task
from lossladder.testing import check_network, check_task
from lossladder.training.locate import allow_packages

ROOT = Path(__file__).parents[2]
README = (ROOT / "template/README.md").read_text()
COMMANDS = [
    command
    for command in re.findall(r"^python train\.py.*?(?=\s*#|$)", README, re.MULTILINE)
    # these have tests of their own
    if not re.search("--help|evaluate|report", command)
]
QUICK = ("trainer.progress=false", "trainer.max_steps=20", "data.batch_size=20")


@dataclass(frozen=True)
class Project:
    """A project and its door.

    Args:
        folder: of the project, with spaces and more in its path.
        logs: where its runs go.
    """

    folder: Path
    logs: Path

    def run(self, *words: str) -> Outcome:
        return run([*words, f"logs='{self.logs}'"], self.folder / "conf", ("own",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("größe 1, it's") / "a project"
    new([str(folder), "--name", "own"])
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    return Project(made, tmp_path / "logs")


@pytest.fixture
def write(made: Path) -> Iterator[Callable[[str, str], None]]:
    """Writes files into the project, which are gone after the test."""
    written: list[Path] = []

    def into_project(name: str, text: str) -> None:
        written.append(made / name)
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text)

    yield into_project
    for path in written:
        path.unlink()


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `lossladder new` says against a request."""
    with pytest.raises(SystemExit) as end:
        new(words)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    return line


# --- lossladder new -------------------------------------------------------------------------


def test_a_new_project_is_the_template_under_its_own_name(made):
    def files(folder: Path) -> set[str]:
        every = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        return {name for name in every if "cache" not in name}

    expected = files(ROOT / "template")
    assert {"train.py", "mine/onset.py", ".gitignore", ".github/workflows/test.yml"} <= expected
    assert files(made) == {re.sub("mine(?=[/.])", "own", name) for name in expected}
    for name in files(made):
        assert not re.search(r"\bmine\b", (made / name).read_text())
    assert 'packages=("own",)' in (made / "train.py").read_text()
    assert "_target_: own.onset.Onset" in (made / "conf/task/onset.yaml").read_text()


def test_the_console_script_makes_projects_named_like_their_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My Cells").mkdir()  # an empty one will do
    monkeypatch.setattr(sys, "argv", ["lossladder", "new", "My Cells"])
    main()
    assert (
        "from my_cells.onset import" in (tmp_path / "My Cells/tests/test_my_cells.py").read_text()
    )
    assert "cd 'My Cells'" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["My Cells"]


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "class": "is no name for a Python package",
        "3d": "is no name for a Python package",
        "größe": "is no name for a Python package",
        "a.b": "is no name for a Python package",
        "torch": "would hide the module torch",
        "lossladder": "would hide the module lossladder",
        "json": "would hide the module json",
        "conf": "lies beside the package",
    }.items(),
)
def test_a_name_that_cannot_be_had_is_refused(name, said, tmp_path, capsys):
    line = refused(capsys, str(tmp_path / "project"), "--name", name)
    assert line.startswith(f"lossladder: --name={name}: {said}")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_had_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("years")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = sorted(tmp_path.rglob("*"))
    assert "is not empty" in refused(capsys, str(tmp_path / "full"))
    assert "is a file" in refused(capsys, str(tmp_path / "full/thesis.txt"))
    assert f"no folder {tmp_path / 'missing'}" in refused(capsys, str(tmp_path / "missing/project"))
    assert "is where you are" in refused(capsys, ".")
    assert "DIR" in refused(capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_leaves_no_half_project(tmp_path, monkeypatch, capsys):
    write_text, written = Path.write_text, []

    def fills_up(path: Path, *arguments: str) -> int:
        written.append(path)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments)

    monkeypatch.setattr(Path, "write_text", fills_up)
    assert "No space left on device" in refused(capsys, str(tmp_path / "project"))
    assert len(written) == 5
    assert not any(tmp_path.iterdir())


# --- one's own config and packages ----------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_training_in_the_templates_readme_runs(command, project):
    words = shlex.split(command.replace("range(4)", "range(2)"))[2:]
    outcome = project.run(*words, *QUICK, "engine=autograd")  # no kernel is compiled for this
    assert outcome.code == 0
    if not words:  # it trains what is the project's own
        (result,) = outcome.results
        assert (result.task, result.model) == ("onset", "two_speeds")
        assert [rung.name for rung in result.rungs] == ["none", "lag 2", "now", "both"]


def test_help_shows_ones_own_choices_among_the_others(project, capsys):
    assert project.run("--help").code == 0
    out = capsys.readouterr().out
    assert re.search(r"^task: .*modular, onset", out, re.MULTILINE)
    assert re.search(r"^model: .*torch_rnn, two_speeds", out, re.MULTILINE)


@pytest.mark.slow
def test_members_that_differ_in_their_start_are_trained_together(project):
    sweep = project.run("-m", *QUICK, "model.gain=0.5,1", "seed=0,1")
    assert len(sweep.results) == 4
    assert {result.engine for result in sweep.results} == {"fused"}
    alone = project.run(*QUICK, "model.gain=0.5", "seed=1").results[0]
    (config,) = sweep.folder.glob("*gain-0.5*seed-1*/result.json")
    assert json.loads(config.read_text())["loss"] == pytest.approx(alone.loss, abs=1e-5)


def test_jobs_can_run_here_one_after_another(project):
    sweep = project.run("-m", *QUICK, "launch=here", "task.lag=1,2")
    assert [result.status for result in sweep.results] == ["done", "done"]


@pytest.mark.slow
def test_from_any_folder_and_in_workers_that_start_afresh(project, tmp_path):
    """`-P` keeps Python from looking for packages beside the program; spawned workers do not."""
    words = ("-m", *QUICK, "trainer.threads=2", "hydra.sweep.dir=sweep")
    command = [sys.executable, "-P", project.folder / "train.py", *words]
    # threads that wait for each other in a loop take the cores of all other tests
    patient = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    subprocess.run(command, cwd=tmp_path, env=patient, check=True)
    (result,) = tmp_path.glob("sweep/*/result.json")
    assert json.loads(result.read_text())["task"] == "onset"


def test_other_processes_find_the_packages_while_they_are_allowed(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.delenv("LOSSLADDER_PACKAGES", raising=False)
    program = "import own, os; print(os.environ['LOSSLADDER_PACKAGES'], own.__path__[0])"
    with allow_packages(("own", "json")):
        told = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        # json is found anyway: no folder of the standard library may come before others
        assert os.environ["PYTHONPATH"] == os.pathsep.join([str(project.folder), "elsewhere"])
    assert told.stdout.split(maxsplit=1) == ["own,json", f"{project.folder / 'own'}\n"]
    assert os.environ["PYTHONPATH"] == "elsewhere"
    assert "LOSSLADDER_PACKAGES" not in os.environ


def test_a_yaml_of_ones_own_comes_before_the_librarys(project, write, capsys):
    write("conf/model/lstm.yaml", "_target_: own.two_speeds.TwoSpeeds\nhidden_size: 3\n")
    assert project.run("--cfg", "job", "model=lstm").code == 0
    assert "_target_: own.two_speeds.TwoSpeeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [("task=on", ["task=onset"]), ("model=two", ["model=two_speeds"]), ("task.la", ["task.lag="])],
)
def test_the_shell_completes_ones_own_choices(line, expected, project, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", f"python train.py {line}")
    monkeypatch.setenv("COMP_POINT", str(len(f"python train.py {line}")))
    assert run(["-sc", "query=bash"], project.folder / "conf", ("own",)).code == 0
    assert capsys.readouterr().out.split() == expected


BROKEN = """
from lossladder.tasks import Task
from own.two_speeds import TwoSpeeds


class Unfinished(Task):
    def draw(self, generator, batch_size, num_steps): ...


class Slip(TwoSpeeds):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.words = [].apend(1)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    {
        "task=onst": ["modular, onset, parity", "did you mean onset?"],
        "task.lagg=2": ["task.lagg=2", "task.num_steps, task.lag, task.noise", "mean task.lag?"],
        "task.lag=0": ["task.lag=0", "at least 1"],
        "model._target_=yours.Cell": ["yours.Cell", "packages=('yours',)", "PACKAGES=yours"],
        "model._target_=own.two_speeds.TwoSpeed": ["no such class", "did you mean TwoSpeeds?"],
        "model._target_=own.onset.Onset": ["is no Recurrent", "own.onset has none"],
        "task=bare": ["task._target_: is missing", "# @package _global_"],
        "task=torn": ["conf/task/torn.yaml", "line 2"],
        "task=unfinished": ["own.broken.Unfinished", "does not define ladder, probabilities"],
        "model=slip": ["AttributeError", "'apend'", "broken.py, line 13"],
        "experiment=null": ["experiment=null", "default", "~experiment for none"],
    }.items(),
)
def test_what_is_wrong_with_ones_own_is_said_in_one_line(words, said, project, write, capsys):
    write("own/broken.py", BROKEN)
    write("conf/task/bare.yaml", "task:\n  _target_: own.onset.Onset\n")
    write("conf/task/torn.yaml", "# @package _global_\ntask: {lag: 2\n")
    whole = "# @package _global_\ntask:\n  _target_: own.broken.Unfinished\n"
    write("conf/task/unfinished.yaml", whole)
    write("conf/model/slip.yaml", "_target_: own.broken.Slip\nhidden_size: 3\n")
    outcome = project.run(*words.split())
    assert outcome.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    for expected in said:
        assert expected in line
    assert not project.logs.exists()


def test_a_cluster_of_ones_own_says_what_to_install(project, write, capsys):
    page = dict(recipes("docs/your_own.md"))
    write("conf/launch/short.yaml", page["conf/launch/short.yaml"])
    assert project.run("-m", "launch=short", "seed=0", "--cfg", "job").code == 0
    assert "partition: short" in capsys.readouterr().out
    outcome = project.run("-m", "launch=short", "seed=0,1", "launch.dry=true")
    out, err = capsys.readouterr()
    if find_spec("submitit"):
        assert outcome.code == 0
        assert "--partition=short" in out
    else:
        assert outcome.code == 2
        assert "pip install -e '.[slurm]'" in err


def recipes(page: str) -> Iterator[tuple[str, str]]:
    """Files that a page shows, and their text; the package is `own`."""
    for block in re.findall(r"```(?:python|yaml)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
        named = re.search(r"# ((?:mine|project|conf/\w+)/\w+\.(?:py|yaml))\b", block)
        if named:
            path = re.sub("^(mine|project)/", "own/", named[1])
            yield path, re.sub(r"_target_: (mine|project)\b", "_target_: own", block)


@pytest.mark.parametrize("page", ["README.md", "docs/your_own.md"])
def test_the_recipes_of_a_page_work(page, project, write):
    shown = dict(recipes(page))
    for path, text in shown.items():
        write(path, text)
    modules = [import_module(f"own.{Path(path).stem}") for path in shown if path.endswith(".py")]
    choices = re.findall(r"conf/(task|model|schedule|callbacks)/(\w+)", " ".join(shown))
    for thing in (thing for module in modules for thing in vars(module).values()):
        if not inspect.isclass(thing) or not thing.__module__.startswith("own."):
            continue
        if issubclass(thing, Task):
            check_task(thing())
        elif issubclass(thing, Recurrent):
            check_network(thing(input_size=2, hidden_size=5))
    if modules:
        words = [f"{group}={choice}" for group, choice in choices]
        sweep = project.run("-m", *QUICK, *words, "seed=0,1")
        assert [result.status for result in sweep.results] == ["done", "done"]


# --- reading runs back ----------------------------------------------------------------------


def test_a_notebook_sweeps_and_reads_runs_of_ones_own(project, tmp_path):
    own = {"conf": project.folder / "conf", "packages": ("own",)}
    runs = lossladder.sweep(*QUICK, "seed=0,1", folder=tmp_path / "two", **own)
    assert [*runs["status"]] == ["done", "done"]
    back = lossladder.load_run(runs["folder"][0], packages=("own",))
    assert type(back.task).__name__ == "Onset"
    with pytest.raises(ValueError, match=r"must lie in one of the allowed.*packages=\('own',\)"):
        lossladder.load_run(runs["folder"][0])


def test_a_project_scores_its_own_runs(project, tmp_path, monkeypatch, capsys):
    folder = project.run(*QUICK, f"hydra.run.dir='{tmp_path}/run'").folder
    written = capsys.readouterr()
    # as train.py of the project does it
    program = (project.folder / "train.py").read_text()
    monkeypatch.setattr(sys, "argv", ["train.py", "evaluate", f"run={folder}", "--json"])
    code = compile(program, str(project.folder / "train.py"), "exec")
    exec(code, {"__name__": "__main__"})
    scored = json.loads(capsys.readouterr().out)
    assert f"loss   {scored['loss']:.4f}" in written.out
    assert scored["task"] == "onset"


@pytest.mark.slow
def test_a_report_is_written_again_in_a_project(project, capsys, monkeypatch):
    sweep = project.run("-m", *QUICK, "seed=0,1").folder
    (sweep / "report.html").unlink()
    monkeypatch.setattr("sys.argv", ["train.py", "report", str(sweep)])
    main()
    assert (sweep / "report.html").exists()
    monkeypatch.setattr("sys.argv", ["train.py", "report", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "usage: python train.py report" in capsys.readouterr().out
