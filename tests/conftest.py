"""What all tests share: a law enrols every yaml of a group by naming it, as `task_yaml` does."""

import gc
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import settings

from lossladder.sweeps.compose import Composer
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


def pytest_collection_finish() -> None:
    """Look no more for garbage among what was loaded and collected, a million objects."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before the slow ones are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make slow ones of all but n cases of a test that is `sampled(n)`: more yamls cost no more.

    The first stays, and others from anywhere in the list, the same ones every time.
    """
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sampled") and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for name, (first, *others) in cases.items():
        left = [first, *Random(name).sample(others, len(others))]
        marker = first.get_closest_marker("sampled")
        seen: Counter[tuple[str, str]] = Counter()
        for _ in range(marker.args[0] if marker else 0):
            if left:
                # whose values were seen least, so that each is there before one comes twice
                chosen = min(left, key=lambda item: sum(seen[value] for value in _values(item)))
                seen.update(_values(chosen))
                left.remove(chosen)
        for item in left:
            item.add_marker(pytest.mark.slow)


def _values(item: pytest.Item) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in item.callspec.params.items()]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def the_same_numbers() -> None:
    """Draw the same random numbers in a test, whatever was tested before it."""
    torch.manual_seed(0)


@cache
def _composer() -> Composer:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("train", overrides=[], run_mode=RunMode.MULTIRUN)
    return Composer(loader, config)


@pytest.fixture(scope="session")
def configured() -> Callable[..., dict[str, Any]]:
    """Overrides of the command line -> resolved config, which a test may change."""
    return lambda *overrides: deepcopy(_composer().plain(overrides))


@pytest.fixture(scope="session")
def built(configured: Callable[..., dict[str, Any]]) -> Callable[..., Parts]:
    """Overrides of the command line -> the objects of a run."""
    return lambda *overrides: build(configured(*overrides))
