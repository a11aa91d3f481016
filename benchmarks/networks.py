"""Every network of `conf/model`, at the same floats of state: what does an update cost?"""

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.optim import Adam

from lossladder.checks import RequestError
from lossladder.engines import (
    Autograd,
    Fused,
    FusedPopulation,
    Population,
    Stacked,
    StackedEngine,
    stack_chunks,
)
from lossladder.models import Network
from lossladder.training.build import Parts, build

CONF = Path(__file__).parents[1] / "conf"
STATE = 32  # floats
BATCH, STEPS, MEMBERS = 64, 16, 16
_WINDOWS = {"autograd": 10, "fused": 100, "stacked-16": 10, "fused-16": 50}


def networks(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure an update of every network on every engine that takes it, in turns.

    Returns:
        For each network its hidden size, floats of state and parameters, and CPU-microseconds of
        an update of one member for each engine, one a round.
    """
    torch.set_num_threads(1)
    found = {}
    for path in sorted((CONF / "model").glob("*.yaml")):
        found[path.stem] = _measured(path.stem, rounds)
        say(f"networks, {path.stem}: done")
    return {"networks": found}


def _measured(model: str, rounds: int) -> dict[str, Any]:
    parts = _built(model)
    network = parts.network
    runs, refused = _runs(parts)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(run())
    state = network.initial_state(1)
    return {
        "hidden_size": network.recurrent.hidden_size,
        "state": sum(part.numel() for part in state),
        "parameters": sum(parameter.numel() for parameter in network.trained()),
        "micros": taken,
        "refused": refused,
    }


def _built(model: str) -> Parts:
    """Return the network at 32 floats of state; at its own size, if it cannot have so many."""
    words = [f"model={model}", "task=echo", f"data.batch_size={BATCH}", f"data.bptt_steps={STEPS}"]
    for size in ([f"model.state={STATE}"], []):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[*words, *size])
        try:
            return build(OmegaConf.to_container(config, resolve=True))  # pyright: ignore[reportArgumentType]
        except RequestError:
            continue
    raise ValueError(f"{model}: cannot be built")


def _runs(parts: Parts) -> tuple[dict[str, Callable[[], float]], dict[str, str]]:
    """Return what makes a round of each engine, and why others do not take the network."""
    runs, refused = {"autograd": _alone(parts, Autograd, "autograd")}, {}
    mine = parts.network, parts.task, Adam(parts.network.trained(), lr=1e-3)
    reason = Fused.unsupported_reason(*mine)
    if reason is None:
        runs["fused"] = _alone(parts, Fused, "fused")
        runs["fused-16"] = _together(parts, FusedPopulation, "fused-16")
    else:
        refused["fused"] = reason
    reason = StackedEngine.unsupported_reason(*mine)
    if reason is None:
        runs["stacked-16"] = _together(parts, Stacked, "stacked-16")
    else:
        refused["stacked"] = reason
    return runs, refused


def _alone(parts: Parts, kind: Any, name: str) -> Callable[[], float]:
    network = copy.deepcopy(parts.network)
    engine = kind(network, parts.task, Adam(network.trained(), lr=1e-3))
    windows = _WINDOWS[name]
    chunk = parts.data.chunk(range(windows))
    return _timed(lambda: engine.train(chunk, network.initial_state(BATCH)), windows)


def _together(parts: Parts, kind: type[Population], name: str) -> Callable[[], float]:
    members = [copy.deepcopy(parts.network) for _ in range(MEMBERS)]
    optimizers = [Adam(member.trained(), lr=1e-3) for member in members]
    population = kind(members, parts.task, optimizers)
    windows = _WINDOWS[name]
    chunk = stack_chunks([parts.data.chunk(range(windows))] * MEMBERS)
    return _timed(lambda: population.train(chunk, _states(members)), windows * MEMBERS)


def _states(members: list[Network]) -> tuple[torch.Tensor, ...]:
    parts = members[0].initial_state(BATCH)
    return tuple(part.expand(MEMBERS, *part.shape).contiguous() for part in parts)


def _timed(train: Callable[[], object], updates: int) -> Callable[[], float]:
    """Return what trains once more and returns CPU-microseconds of an update."""
    train()  # what is compiled or loaded at first use

    def run() -> float:
        start = time.process_time()
        train()
        return 1e6 * (time.process_time() - start) / updates

    return run


def rows_of(measured: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the page: network, size, parameters, CPU-microseconds on each engine."""
    rows = []
    for name, network in measured["networks"].items():
        micros = {engine: median(values) for engine, values in network["micros"].items()}
        cells = [f"{micros[engine]:,.1f}" if engine in micros else "–" for engine in _WINDOWS]
        size = f"{network['state']}", f"{network['parameters']}"
        rows.append([f"`{name}`", *size, *cells])
    return rows
