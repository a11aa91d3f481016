"""Runs that differ in their seed, trained as the members of one population in one process.

python -m benchmarks.ours.population FOLDER RUNS [key=value ...]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lossladder.cli import conf_dir, register_resolvers
from lossladder.engines import FusedPopulation, stack_chunks, stack_states
from lossladder.training.build import Parts, build

_POINT = 50  # updates a point of a curve, as in a run


def main(folder: Path, runs: int, words: Sequence[str]) -> None:
    """Train them all; leave each one's curve in `result.json` of a folder of its own."""
    members = [build(config) for config in _configs(runs, words)]
    first = members[0].data
    population = FusedPopulation(
        [member.network for member in members],
        members[0].task,
        [member.make_optimizer(member.network.parameters()) for member in members],
    )
    state = stack_states([m.network.initial_state(first.batch_size) for m in members])
    points: list[list[float]] = [[] for _ in members]
    for chunk in _chunks(members[0]):
        losses, state = population.train(
            stack_chunks([m.data.chunk(chunk) for m in members]), state
        )
        for curve, own in zip(points, losses, strict=True):
            curve.extend(float(part.mean()) for part in own.split(_POINT))
    for seed, curve in enumerate(points):
        own = folder / str(seed)
        own.mkdir()
        (own / "result.json").write_text(json.dumps({"seed": seed, "curve": {"loss": curve}}))


def _configs(runs: int, words: Sequence[str]) -> list[dict[str, Any]]:
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("train", overrides=list(words))
    config: Any = OmegaConf.to_container(composed, resolve=True)
    return [{**config, "seed": seed} for seed in range(runs)]


def _chunks(member: Parts) -> list[range]:
    """The updates of the only epoch, a few chunks of them: memory stays moderate."""
    updates, size = member.data.plan.updates, 100
    return [range(at, min(at + size, updates)) for at in range(0, updates, size)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
