"""`lossladder new DIR`: a project of one's own, made from `template/`."""

import re
import secrets
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from shutil import rmtree
from unicodedata import normalize

from lossladder.cli.resolvers import shipped
from lossladder.console import Parser, echo

_NAME = "mine"  # of the package in the template
_TAKEN = ("conf", "tests", "train", "logs")  # beside the package
# left by somebody who has tried the template in place
_LEFT_OUT = {"__pycache__", ".pytest_cache", ".venv", "logs"}


def main(words: Sequence[str]) -> None:
    """Make a project as the command line says; exit 2, and leave nothing, where that is wrong."""
    parser = Parser(prog="lossladder new", description="Make a project of your own.")
    parser.add_argument("dir", metavar="DIR", type=Path, help="folder to make")
    parser.add_argument("--name", help="of its Python package; default: that of the folder")
    asked = parser.parse_args(words)
    folder: Path = asked.dir.resolve()
    name = asked.name or _name_for(folder.name)
    wrong = _wrong_name(name) or _wrong_folder(folder)
    if wrong is not None:
        parser.error(wrong)
    try:
        _write(folder, name)
    except OSError as problem:
        parser.error(f"{folder}: cannot be made: {problem.strerror}")
    echo(f"a project with a package {name}; its README.md says how to go on:")
    echo(f"  cd {shlex.quote(str(asked.dir))}\n  python train.py\n  python -m pytest")


def _name_for(folder: str) -> str:
    """Return a name for the package in a folder.

    >>> [_name_for(folder) for folder in ("project", "My Cells (2)", "übung", "3rd", "json")]
    ['project', 'my_cells_2', 'ubung', 'mine', 'mine']
    """
    # NFKD parts an umlaut from its dots, which are no ASCII
    plain = normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"\W+", "_", plain).strip("_")
    return name if _wrong_name(name) is None else _NAME


def _wrong_name(name: str) -> str | None:
    if not (name.isidentifier() and name.isascii()) or iskeyword(name):
        return f"--name={name}: is no name for a Python package; letters, digits and _ make one"
    if name in _TAKEN:
        return f"--name={name}: lies beside the package already; choose another"
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        return f"--name={name}: would hide the module {name} that is installed; choose another"
    return None


def _wrong_folder(folder: Path) -> str | None:
    # the new folder takes its place, and whoever stands in the old one is left in the void
    if folder == Path.cwd():
        return f"{folder}: is where you are; name a folder in it"
    if folder.exists() and not folder.is_dir():
        return f"{folder}: is a file; name a new folder"
    if folder.is_dir() and any(folder.iterdir()):
        return f"{folder}: is not empty; name a new folder"
    if not folder.parent.is_dir():
        return f"{folder}: there is no folder {folder.parent} to make it in"
    return None


def _write(folder: Path, name: str) -> None:
    """Write the whole project, or nothing."""
    # beside its place, because only within one file system is a folder moved in one step
    scratch = folder.with_name(f".{secrets.token_hex(6)}-{folder.name}")
    template = shipped("template")
    try:
        scratch.mkdir()
        for path in template.rglob("*"):
            place = path.relative_to(template)
            if path.is_file() and not _LEFT_OUT & set(place.parts):
                target = scratch / _renamed(str(place), name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_renamed(path.read_text("utf-8"), name), "utf-8")
        # in one step; an empty folder may lie there already
        scratch.replace(folder)
    finally:
        rmtree(scratch, ignore_errors=True)


def _renamed(text: str, name: str) -> str:
    """Return a text, or a path, in which the package has another name.

    >>> _renamed("tests/test_mine.py: from mine.onset import determined", "own")
    'tests/test_own.py: from own.onset import determined'
    """
    return re.sub(rf"(?<![A-Za-z]){_NAME}(?![A-Za-z])", name, text)
