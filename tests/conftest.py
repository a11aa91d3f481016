"""What all tests share: a law enrols every yaml of a group by naming it, as `task_yaml` does."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import OmegaConf

from lossladder.training.build import Parts, build

CONF = Path(__file__).parents[1] / "conf"
GROUPS = ("task", "model", "optimizer", "schedule", "engine", "data")

torch.set_num_threads(1)  # tests run side by side, and small networks gain nothing from more
# the same examples every time: a test that fails today failed yesterday
settings.register_profile("lossladder", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("lossladder")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the helpers of tests alone, whose packages `--doctest-modules` would ask for."""
    helps = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return helps or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `<group>_yaml` once for every yaml of that group."""
    for group in GROUPS:
        if f"{group}_yaml" in metafunc.fixturenames:
            names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
            metafunc.parametrize(f"{group}_yaml", names)


@cache
def _composed(overrides: tuple[str, ...]) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(overrides))


@pytest.fixture(scope="session")
def configured() -> Callable[..., dict[str, Any]]:
    """Overrides of the command line -> resolved config."""

    def configure(*overrides: str) -> dict[str, Any]:
        return OmegaConf.to_container(_composed(overrides), resolve=True)

    return configure


@pytest.fixture(scope="session")
def built(configured: Callable[..., dict[str, Any]]) -> Callable[..., Parts]:
    """Overrides of the command line -> the objects of a run."""
    return lambda *overrides: build(configured(*overrides))
