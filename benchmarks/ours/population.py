"""Runs that differ in their seed, trained as the members of one population in one process."""

from collections.abc import Sequence
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor

from benchmarks.contestant import Clock, Contestant, Round
from benchmarks.ours.runs import RECIPE
from lossladder.cli.resolvers import conf_dir, register_resolvers
from lossladder.engines import FusedPopulation, stack_chunks, stack_states
from lossladder.training.build import build

_POINT = 50  # updates a point of a curve, as in a run
_CHUNK = 100  # windows at once; more of them would only take more memory


class Members:
    """Members that differ in their seed.

    Args:
        runs: how many; seeds 0, 1, ...
        words: of the command line of each.
    """

    def __init__(self, runs: int, words: Sequence[str]) -> None:
        self.parts = [build(config) for config in _configs(runs, words)]
        self.population = FusedPopulation(
            [member.network for member in self.parts],
            self.parts[0].task,
            [member.make_optimizer(member.network.parameters()) for member in self.parts],
        )

    def train(self) -> Tensor:
        """Make all updates, each member on its own data; return losses (members, updates)."""
        data = [member.data for member in self.parts]
        state = stack_states([m.network.initial_state(m.data.batch_size) for m in self.parts])
        losses, updates = [], data[0].schedule.updates
        for first in range(0, updates, _CHUNK):
            updates_here = range(first, min(first + _CHUNK, updates))
            chunk = stack_chunks([one.chunk(updates_here) for one in data])
            part, state = self.population.train(chunk, state)
            losses.append(part)
        return torch.cat(losses, dim=1)


class MembersApart(Contestant):
    """The training of such members alone, in a process that is up already.

    Args:
        runs: how many.
    """

    def __init__(self, runs: int) -> None:
        self.runs = runs
        Members(1, RECIPE).train()  # what is loaded at first use

    def round(self, size: int | None) -> Round:
        """Build them, then train them: both count."""
        with Clock() as clock:
            losses = Members(self.runs, RECIPE).train()
        last = losses[:, -2 * _POINT :].mean(dim=1, keepdim=True)
        return Round(clock.wall, clock.cpu, float(self.runs), last.float().numpy())


def _configs(runs: int, words: Sequence[str]) -> list[dict[str, Any]]:
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("train", overrides=list(words))
    config: Any = OmegaConf.to_container(composed, resolve=True)
    return [{**config, "seed": seed} for seed in range(runs)]
