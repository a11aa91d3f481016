"""A Slurm for all tests of this folder, and what the tests of faults compare runs by."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "faults"))


@pytest.fixture(scope="session")
def slurm_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which sbatch finds a Slurm of two cores."""
    import slurm

    if reason := slurm.missing():
        pytest.skip(reason)
    pytest.importorskip("submitit", reason="no submitit: pip install -e '.[slurm]'")
    with slurm.slurm(tmp_path_factory.mktemp("slurm"), cores=2) as environment:
        yield environment


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep that nothing disturbs, on this machine."""
    from commands import SWEEP, Command

    sweep = tmp_path_factory.mktemp("whole") / "sweep"
    command = Command(sweep, os.environ, *SWEEP)
    assert command.end() == 0, command.said
    return sweep
