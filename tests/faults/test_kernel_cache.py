"""The kernels that are kept: whatever became of them, a run is made, and by the right kernel."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lossladder.engines.fused import store

TRAIN = [sys.executable, str(Path(__file__).parents[2] / "train.py"), "trainer.progress=false"]
SHORT = ("model=rnn", "model.hidden_size=4", "trainer.max_epochs=null", "trainer.max_steps=20")
STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made by root only")


def start(folder: Path, home: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """A run in a process of its own, which keeps its kernels in `home`."""
    return subprocess.Popen(
        [*TRAIN, *SHORT, *words, f"hydra.run.dir={folder}"],
        env={**os.environ, "LOSSLADDER_CACHE": str(home), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str], folder: Path) -> tuple[dict, str]:
    """What a run that must end done has for a result, and what it said on standard error."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return json.loads((folder / "result.json").read_text()), said


def numbers(result: dict) -> tuple:
    return result["status"], result["engine"], result["loss"], result["curve"]


def files(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's kernels are kept; not there yet."""
    monkeypatch.setenv("LOSSLADDER_CACHE", str(tmp_path / "home"))
    store._say_once.cache_clear()
    return tmp_path / "home"


def kept_at(home: Path) -> Path:
    """The one kernel that is kept, of 40 kB."""
    store.keep("a key", os.urandom(40_000))
    (path,) = home.iterdir()
    return path


# --- damage --------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.write_bytes(content)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "folder").mkdir(parents=True)
    (path / "folder" / "file").touch()


def replace_by_link(path: Path) -> None:
    """To the very file: what it leads to is whole, and may be changed by its owner."""
    shutil.move(path, path.parents[1] / "elsewhere")
    path.symlink_to(path.parents[1] / "elsewhere")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_another(path: Path) -> None:
    store.keep("another key", b"whole, and not what was asked for")
    (other,) = set(path.parent.iterdir()) - {path}
    other.replace(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut in its seal": lambda path: os.truncate(path, 20),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "longer by a byte": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a bit of its seal flipped": lambda path: flip(path, 7),
    "a bit of its code flipped": lambda path: flip(path, path.stat().st_size // 2),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    "a folder": replace_by_folder,
    "a link": replace_by_link,
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nothing")),
    "a pipe": replace_by_pipe,
    "another": replace_by_another,
    "others may write to it": lambda path: path.chmod(0o666),
}
every_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@every_damage
def test_what_is_damaged_is_not_found_but_removed_and_kept_again(home, capsys, damage):
    path = kept_at(home)
    whole = path.read_bytes()[32:]
    assert store.find("a key") == whole
    damage(path)
    assert store.find("a key") is None
    assert files(home) == []
    assert store.find("a key") is None
    assert capsys.readouterr().err.count("\n") == 1  # said once
    store.keep("a key", whole)
    assert store.find("a key") == whole


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A home of a loop, a step, its text and a note that it is right; the result of four runs."""
    tmp_path = tmp_path_factory.mktemp("trained")
    folders = [tmp_path / str(number) for number in range(4)]
    started = [start(folder, tmp_path / "home", "engine=fused") for folder in folders]
    results = [result(*pair)[0] for pair in zip(started, folders, strict=True)]
    assert all(numbers(other) == numbers(results[0]) for other in results)
    return tmp_path / "home", results[0]


@pytest.mark.slow
def test_four_runs_that_start_at_once_are_made_by_one_kernel(trained):
    home, one = trained
    assert one["status"] == "done"
    assert [name.endswith(store._SUFFIX) for name in files(home)] == [True] * 4
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(kernel.stat().st_mode & 0o777 == 0o600 for kernel in home.iterdir())


@pytest.mark.slow
@every_damage
def test_a_run_by_a_damaged_kernel_is_made_all_the_same(trained, tmp_path, damage, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("LOSSLADDER_CACHE", str(home))
    shutil.copytree(trained[0], home)
    names = files(home)
    damage(home / names[0])
    run, said = result(start(tmp_path / "run", home, "engine=fused"), tmp_path / "run")
    assert numbers(run) == numbers(trained[1])
    assert said == "lossladder: a kept kernel was damaged, and is compiled again where needed\n"
    assert files(home) == names
    again, said = result(start(tmp_path / "again", home, "engine=fused"), tmp_path / "again")
    assert numbers(again) == numbers(trained[1])
    assert said == ""


# --- whose the home is ---------------------------------------------------------------------


@contextmanager
def stranger() -> Iterator[Path]:
    """This process as another user's, and a folder that is that user's own."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        os.chown(folder, STRANGER, STRANGER)
        os.seteuid(STRANGER)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def link_home(home: Path) -> None:
    home.rename(home.with_name("elsewhere"))
    home.symlink_to("elsewhere")


HOMES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (link_home, "not this user's alone"),
    "of a group": (lambda home: home.chmod(0o770), "not this user's alone"),
    "of all": (lambda home: home.chmod(0o777), "not this user's alone"),
    "a file": (lambda home: (shutil.rmtree(home), home.touch()), "File exists"),
    "below a file": (lambda home: (shutil.rmtree(home.parent), home.parent.touch()), "parent"),
}


@pytest.mark.parametrize(("change", "reason"), HOMES.values(), ids=HOMES)
def test_a_home_that_is_not_the_users_alone_is_left_alone(
    tmp_path, monkeypatch, capsys, change, reason
):
    home = tmp_path / "parent" / "home"
    monkeypatch.setenv("LOSSLADDER_CACHE", str(home))
    store.keep("a key", b"content")
    change(home)
    before = sorted(tmp_path.rglob("*"))
    assert store.find("a key") is None
    store.keep("a key", b"content")
    store.keep("another key", b"content")
    assert reason in str(store.obstacle())
    assert sorted(tmp_path.rglob("*")) == before
    assert capsys.readouterr().err == ""


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_home_of_somebody_else_is_left_alone(home, mode):
    path = kept_at(home)
    os.chown(path, STRANGER, STRANGER)
    os.chown(home, STRANGER, STRANGER)
    home.chmod(mode)
    assert store.find("a key") is None
    store.keep("another key", b"content")
    assert "not this user's alone" in str(store.obstacle())
    assert files(home) == [path.name]


@needs_root
def test_a_file_of_somebody_else_is_not_trusted(home):
    os.chown(kept_at(home), STRANGER, STRANGER)
    assert store.find("a key") is None


@needs_root
def test_of_two_users_with_one_temporary_folder_each_has_a_store(home, monkeypatch):
    store.keep("a key", b"of root")
    with stranger() as folder:
        assert store.obstacle() is not None  # root's
        monkeypatch.setenv("LOSSLADDER_CACHE", str(folder / "home"))
        store.keep("a key", b"of the stranger")
        assert store.find("a key") == b"of the stranger"


@needs_root
def test_a_kernel_that_may_not_be_read_is_damaged(monkeypatch):
    with stranger() as folder:
        monkeypatch.setenv("LOSSLADDER_CACHE", str(folder))
        folder.chmod(0o700)
        kept_at(folder).chmod(0)
        assert store.find("a key") is None
        assert files(folder) == []


@needs_root
def test_a_home_that_may_not_be_written_is_read_and_promises_nothing(monkeypatch):
    with stranger() as folder:
        monkeypatch.setenv("LOSSLADDER_CACHE", str(folder))
        path = kept_at(folder)
        folder.chmod(0o500)
        assert store.obstacle() == f"{folder}: cannot be written"
        assert store.find("a key") == path.read_bytes()[32:]
        store.keep("another key", b"content")
        assert files(folder) == [path.name]
        monkeypatch.setenv("LOSSLADDER_CACHE", str(folder / "below"))
        assert "Permission denied" in str(store.obstacle())


def test_the_home_is_the_first_that_is_named(tmp_path, monkeypatch):
    names = ("LOSSLADDER_CACHE", "XDG_CACHE_HOME", "HOME")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, below in zip(names, ("", "lossladder", ".cache/lossladder"), strict=True):
        store.keep("a key", b"content")
        assert len(files(tmp_path / name / below)) == 1
        monkeypatch.setenv(name, "")  # as good as none
        shutil.rmtree(tmp_path / name)


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    for name in ("LOSSLADDER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    store.keep("a key", b"content")
    assert store.find("a key") is None
    assert store.obstacle() == "home folder: there is none"


def test_a_full_disk_leaves_nothing_half(home, monkeypatch):
    store.keep("a key", b"content")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    store.keep("another key", b"content")
    assert len(files(home)) == 1


def test_what_is_long_out_of_use_is_removed_and_nothing_else(home):
    long_ago = (time.time() - 2 * store._OLD,) * 2
    path = kept_at(home)
    (home / "mine.kernel").touch()
    os.utime(home / "mine.kernel", long_ago)
    for used in (True, False):
        os.utime(path, long_ago)
        if used:
            assert store.find("a key") is not None
        store.keep("another key", b"content")
        assert path.exists() == used
    assert (home / "mine.kernel").exists()


# --- engines -------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_where_nothing_can_be_kept_is_made_all_the_same(tmp_path):
    (tmp_path / "file").touch()
    run, said = result(start(tmp_path / "run", tmp_path / "file", "engine=auto"), tmp_path / "run")
    assert run["engine"] == "fused"
    assert said == ""
