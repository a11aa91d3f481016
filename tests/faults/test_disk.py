"""A disk that is full, or read-only, costs nothing that was there, and is told in one line."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alike import differences
from processes import Start, at_most

RUN = (
    *("trainer.max_epochs=null", "model.hidden_size=4", "data.batch_size=20"),
    *("data.stream_steps=1500", "trainer.validate_every=200", "trainer.checkpoint_seconds=0.1"),
    *("engine=autograd", "trainer.max_steps=600"),
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; return the file that does."""
    rubbish = disk / "rubbish"
    with rubbish.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return rubbish


@pytest.mark.parametrize("moments", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_run_goes_on_when_there_is_room_again(start: Start, tmp_path, small_disk, moments):
    whole = tmp_path / "whole"
    assert start(*RUN, f"hydra.run.dir={whole}").end() == 0
    chance, cut_off = random.Random(0), 0
    for number in range(moments):
        cut = small_disk / "runs" / f"cut-{number}"
        program = start(*RUN, f"hydra.run.dir={cut}")
        sign = cut / ("config.yaml" if number % 2 else "checkpoints/last.ckpt")
        program.wait_until(sign.exists)
        time.sleep(chance.random() * at_most(1 / 3, whole))
        rubbish = fill(small_disk)
        code, said = program.end(), program.out.read_text()
        rubbish.unlink()
        if code:
            cut_off += 1
            assert code == 1
            assert "Traceback" not in said
            last = said.splitlines()[-1]
            assert last.startswith("lossladder: ")
            assert "No space left on device" in said
        assert start(*RUN, f"hydra.run.dir={cut}").end() == 0
        assert differences(cut, whole) == []
    assert cut_off


def test_a_sweep_that_is_done_is_told_of_on_a_disk_that_takes_nothing(start: Start, small_disk):
    words = ("-m", *RUN, "trainer.max_steps=100", "seed=0,1", f"hydra.sweep.dir={small_disk}/sweep")
    assert start(*words).end() == 0
    left = {path: path.stat().st_mtime_ns for path in small_disk.rglob("result.json")}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    program = start(*words)
    assert program.end() == 0, program.out.read_text()
    assert "2 of 2 runs were done before" in program.out.read_text()
    assert "Traceback" not in program.out.read_text()
    assert {path: path.stat().st_mtime_ns for path in left} == left


@pytest.mark.slow
def test_what_cannot_be_begun_on_a_full_disk_is_refused(start: Start, small_disk):
    fill(small_disk)
    os.sync()
    program = start(*RUN, f"hydra.run.dir={small_disk}/runs/new")
    assert program.end() == 2
    (line,) = program.out.read_text().splitlines()
    assert "No space left on device" in line
    assert not (small_disk / "runs").exists() or not any((small_disk / "runs").iterdir())
