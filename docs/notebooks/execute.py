"""Execute the chapters and keep their outputs in them, so that they read as they lie there.

python docs/notebooks/execute.py                      all of them, in full: minutes
python docs/notebooks/execute.py 1_echo.ipynb         one of them

The first code cell of a chapter holds its settings, plain assignments and nothing else. The
chapter's metadata `fast` has other values for some of them, with which the tests execute it.
A chapter runs in its own folder; what it trains goes to logs/chapters and is not trained again
while it lies there.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

HERE = Path(__file__).parent
_SECONDS = 1800  # that a cell may take


def chapters() -> list[Path]:
    """Return the notebooks here, in order."""
    return sorted(HERE.glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    """Return a chapter as it lies there."""
    return nbformat.read(path, as_version=4)


def code(chapter: NotebookNode) -> list[NotebookNode]:
    """Return the cells of code, the settings first."""
    return [cell for cell in chapter.cells if cell.cell_type == "code"]


def settings(chapter: NotebookNode) -> set[str]:
    """Return the names that the first cell of code assigns.

    Raises:
        ValueError: if it does anything else.
    """
    names: set[str] = set()
    for line in ast.parse(code(chapter)[0].source).body:
        if not (isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)):
            raise ValueError(
                f"first cell of code: must hold settings only, not {ast.unparse(line)}"
            )
        names.add(line.targets[0].id)
    return names


def faster(chapter: NotebookNode) -> NotebookNode:
    """Return the chapter with its `fast` settings.

    Raises:
        ValueError: if there are none, or one names no setting.
    """
    fast = chapter.metadata.get("fast")
    if not fast or fast.keys() - settings(chapter):
        known = ", ".join(sorted(settings(chapter)))
        raise ValueError(f"metadata fast={fast}: must give new values to some of {known}")
    first = code(chapter)[0]
    first.source += "".join(f"\n{name} = {value!r}" for name, value in fast.items())
    return chapter


def execute(chapter: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells in a folder, in a process of their own; an error ends it."""
    # executed by the Python that executes this, with the sources it has, and with docs.notebooks
    found = [str(HERE.parents[1]), *filter(None, sys.path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
    with TemporaryDirectory() as sockets:  # files, because ports are open to others
        client = NotebookClient(
            chapter,
            timeout=_SECONDS,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
        return client.execute(env=env)


def digest(chapter: NotebookNode) -> str:
    """Return what tells whether the outputs that are kept are those of this code.

    Comments and docstrings are left out: better words make no other numbers.
    """
    trees = [ast.parse(cell.source) for cell in code(chapter)]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256("\0".join(map(ast.unparse, trees)).encode()).hexdigest()[:12]


def keep(chapter: NotebookNode, path: Path) -> None:
    """Write a chapter with its outputs, and nothing that differs from one machine to another."""
    fast = chapter.metadata["fast"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    chapter.metadata = NotebookNode(
        fast=fast, executed=digest(chapter), kernelspec=kernel, language_info={"name": "python"}
    )
    for number, cell in enumerate(chapter.cells):
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode()
    nbformat.write(chapter, path)


def main(names: Sequence[str]) -> None:
    """Execute the chapters named; none named: all."""
    for path in [HERE / name for name in names] or chapters():
        print(path.name, flush=True)
        chapter = read(path)
        faster(read(path))  # complains before an hour has gone by
        keep(execute(chapter, HERE), path)


if __name__ == "__main__":
    main(sys.argv[1:])
