"""The building: who may import whom, what stays light, and what files are called."""

import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FLOORS_0_TO_2 = ("checks", "ladder", "tasks", "models", "engines", "diagnostics", "theory")


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh Python holds after a statement."""
    program = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_imports_go_down_the_floors_only(capsys):
    broken = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert not broken, capsys.readouterr().out


@pytest.mark.parametrize(
    "module", ["lossladder", "lossladder.cli.main", "lossladder.sweeps.launch"]
)
def test_what_a_command_line_needs_imports_nothing_heavy(module):
    assert not modules_after(f"import {module}") & {"torch", "lightning", "numpy", "tensorboard"}


def test_floors_0_to_2_load_neither_lightning_nor_hydra_nor_tensorboard():
    modules = (*FLOORS_0_TO_2, "diagnostics.figures")
    statement = "\n".join(f"import lossladder.{module}" for module in modules)
    loaded = modules_after(statement)
    assert "torch" in loaded
    unwanted = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "tensorboard", "matplotlib"}
    assert not loaded & unwanted


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_says_what_it_is_and_is_named_by_what_it_holds(path):
    text = path.read_text()
    assert path.stem not in {"utils", "util", "common", "helpers", "helper", "base", "misc"}
    assert not text or text.startswith('"""')


def test_what_one_looks_for_is_where_the_page_says():
    page = (ROOT / "docs/layout.md").read_text()
    rows = re.findall(r"^\| ([^|`]+) \| `([\w/]+\.py)` \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) == 73
    for looked_for, file, name in rows:
        text = (ROOT / "src/lossladder" / file).read_text()
        defined = rf"^\s*(class|def) {name}\b|^(\w+, )*{name}(, \w+)* ="
        assert re.search(defined, text, re.MULTILINE), (looked_for, file, name)


def test_no_public_class_is_defined_twice():
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(), re.MULTILINE):
            found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_few_files_share_a_name():
    names = Counter(path.name for path in SOURCES if path.name != "__init__.py")
    assert sum(count > 1 for count in names.values()) <= 4


def test_every_public_name_leads_to_something():
    """`__all__` is what a notebook sees."""
    for name in ("", *(f".{floor}" for floor in FLOORS_0_TO_2), ".data"):
        module = import_module(f"lossladder{name}")
        for public in getattr(module, "__all__", ()):
            assert getattr(module, public) is not None


def test_every_choice_of_a_config_group_is_named_like_the_file_of_its_class():
    """One word finds everything: `task=count` is conf/task/count.yaml and tasks/count.py.

    A layer of torch's and its twin written step by step share a file: `model=lstm_cell` is in
    models/lstm.py.
    """
    for group, floor in (("task", "tasks"), ("model", "models")):
        for path in (ROOT / "conf" / group).glob("*.yaml"):
            name = path.stem.removesuffix("_cell")
            assert (ROOT / "src/lossladder" / floor / f"{name}.py").is_file()
