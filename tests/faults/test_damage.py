"""Whatever becomes of a file: the same command says so in a line at most, and ends as it should."""

import json
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import Start

SMALL = (
    *("trainer.max_epochs=null", "model.hidden_size=4", "data.batch_size=20"),
    *("data.stream_steps=1500", "trainer.checkpoint_seconds=0.1"),
)
RUN = (*SMALL, "engine=autograd", "trainer.max_steps=450", "trainer.validate_every=50")
SWEEP = (
    *("-m", *SMALL, "engine=fused", "seed=0,1"),
    *("trainer.max_steps=3000", "trainer.validate_every=500"),
)


def _flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :] if content else b"x"


WAYS: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda content: None,
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "a bit flipped": _flipped,
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda content: random.Random(0).randbytes(max(len(content), 100)),
    "a list": lambda content: b"[1]",
    "null": lambda content: b"null",
    "deep nesting": lambda content: b"[" * 100_000,
    "a text, no object": lambda content: b'"x"',
    "another object": lambda content: b'{"status": "done"}',
    "not UTF-8": lambda content: b"\xff\xfe" + content,
}


def damage(path: Path, way: str) -> None:
    new = WAYS[way](path.read_bytes())
    path.unlink()
    if new is not None:
        path.write_bytes(new)


def losses(folder: Path) -> dict[str, tuple[str, float]]:
    found = [json.loads(path.read_text()) for path in folder.rglob("result.json")]
    return {result["seed"]: (result["status"], result["loss"]) for result in found}


def some(files: list[str], count: int) -> list:
    """Every way with every file; the first of them, drawn by chance, in the short tests."""
    every = [(file, way) for file in files for way in WAYS]
    random.Random(1).shuffle(every)
    return [
        pytest.param(*pair, id=" ".join(pair), marks=[] if n < count else [pytest.mark.slow])
        for n, pair in enumerate(every)
    ]


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> dict[str, Path]:
    """Folders that a first test fills and the others copy."""
    home = tmp_path_factory.mktemp("left")
    return {name: home / name for name in ("run", "killed run", "sweep", "killed sweep")}


def fill(start: Start, left: dict[str, Path]) -> None:
    if left["run"].exists():
        return
    assert start(*RUN, f"hydra.run.dir={left['run']}").end() == 0
    assert start(*SWEEP, f"hydra.sweep.dir={left['sweep']}").end() == 0
    for name, words, sign in (
        ("killed run", (*RUN, f"hydra.run.dir={left['killed run']}"), "checkpoints/previous.ckpt"),
        ("killed sweep", (*SWEEP, f"hydra.sweep.dir={left['killed sweep']}"), ".groups/*/prev*"),
    ):
        program = start(*words)
        assert program.wait_until(lambda n=name, s=sign: any(left[n].glob(s)))
        program.send(signal.SIGKILL)
        program.kill_all()
        program.end()


OF_RUN = [
    "config.yaml",
    "run.log",
    "events.*",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
]
# what nothing can make good: who lives in a folder
MUST_BE_REFUSED = "config.yaml"


def again(start: Start, left: Path, file: str, way: str, *words: str) -> tuple[int, str]:
    """Damage a file in the folder that the words name, filled like `left`; run them again."""
    folder = Path(words[-1].partition("=")[2])
    shutil.copytree(left, folder)
    found = sorted(folder.glob(file))
    if not found:
        pytest.skip("this one leaves none")
    damage(found[0], way)
    program = start(*words)
    code, said = program.end(), program.out.read_text()
    assert "Traceback" not in said
    return code, said


@pytest.mark.parametrize("name", ["run", "killed run"])
@pytest.mark.parametrize(("file", "way"), some([*OF_RUN, "result.json"], 2))
def test_a_damaged_file_of_a_run(start: Start, tmp_path, left, name, file, way):
    fill(start, left)
    folder = tmp_path / "run"
    code, said = again(start, left[name], file, way, *RUN, f"hydra.run.dir={folder}")
    if file == MUST_BE_REFUSED:
        assert (code, len(said.splitlines())) == (2, 1)
        gone = {file} if way == "gone" else set()
        there = {path.name for path in left[name].iterdir()}
        assert {path.name for path in folder.iterdir()} == there - gone
        return
    assert code == 0, said
    assert losses(folder) == losses(left["run"])


OF_SWEEP = [
    *(f"*/{file}" for file in (*OF_RUN, "result.json")),
    *(".asked", ".claims", "multirun.yaml", "report.html", "report.csv", "tensorboard.html"),
    *(".groups/*/last.ckpt", ".groups/*/previous.ckpt", ".groups/*/members"),
    "+reference/*/events*",
]


@pytest.mark.parametrize("name", ["sweep", "killed sweep"])
@pytest.mark.parametrize(("file", "way"), some(OF_SWEEP, 1))
def test_a_damaged_file_of_a_sweep(start: Start, tmp_path, left, name, file, way):
    fill(start, left)
    folder = tmp_path / "sweep"
    code, said = again(start, left[name], file, way, *SWEEP, f"hydra.sweep.dir={folder}")
    assert code == 0, said
    assert losses(folder) == losses(left["sweep"])
