"""Programs that tests may kill: real processes, forked from one that has loaded everything."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from processes import Program, Start, ask


@pytest.fixture(scope="session")
def forge() -> Iterator[subprocess.Popen[str]]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    command = [sys.executable, str(Path(__file__).with_name("forge.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def start(forge: subprocess.Popen[str], tmp_path: Path) -> Iterator[Start]:
    """Words of the command line -> a program that is under way; none outlives the test."""
    begun: list[Program] = []

    def begin(
        *words: str, packages: Sequence[str] = (), terminal: str = "", **environment: str
    ) -> Program:
        out = tmp_path / f"out-{len(begun)}"
        command = {
            "argv": ["trainer.progress=false", *words],
            "cwd": str(tmp_path),
            "env": environment,
            "out": terminal or str(out),
            "packages": list(packages),
        }
        program = Program(forge, int(ask(forge, command)), out)
        begun.append(program)
        return program

    yield begin
    for program in begun:
        program.kill_all()
