"""The configs of a command and its jobs, at the price of a few: Hydra takes 100 ms for each."""

import copy
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

# `+key` and `~key` change which keys there are, and a word with a package changes where they stand
_PLAIN_KEY = re.compile(r"[\w.]+")


class Composer:
    """A composer of jobs; those that differ in plain values only are composed once, then changed.

    Args:
        loader: Hydra's.
        config: of the sweep, as Hydra composed it without the jobs' own overrides.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self.loader = loader
        self.config = config
        self._parser = OverridesParser.create(config_loader=loader)
        # words without their plain values -> the config of the first such job, and those values
        self._composed: dict[tuple[str, ...], tuple[dict[str, Any], Mapping[str, str]]] = {}
        self._is_group = cache(lambda key: bool(loader.get_group_options(key)))

    def plain(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the config of a job, resolved, with the names chosen in each group."""
        values = {
            key: value
            for key, _, value in (word.partition("=") for word in overrides)
            if _PLAIN_KEY.fullmatch(key) and not key.startswith("hydra") and not self._is_group(key)
        }
        alike = tuple(
            w.partition("=")[0] if w.partition("=")[0] in values else w for w in overrides
        )
        config = self._changed(*self._composed[alike], values) if alike in self._composed else None
        if config is None:
            composed = self.loader.load_sweep_config(self.config, list(overrides))
            bare = without_hydra(composed)
            config = resolved(bare, composed.hydra.runtime.choices)
            # a value that is made of others would not follow when those are changed
            if "${" not in str(bare):
                self._composed.setdefault(alike, (config, values))
        return config

    def _changed(
        self, config: dict[str, Any], before: Mapping[str, str], values: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Return a config with other plain values; None: only Hydra knows what comes of them."""
        config = copy.deepcopy(config)
        for key, value in values.items():
            if value == before[key]:
                continue
            found = self._parser.parse_override(f"{key}={value}").value()
            place = config
            *way, last = key.split(".")
            for step in way:
                place = place[step]
            # Hydra merges mappings, and has yet to read what a list or an interpolation holds
            merged = isinstance(place[last], Mapping) or isinstance(found, Mapping | list)
            if merged or "${" in value:
                return None
            place[last] = found
        return config


def remembering(loader: ConfigLoader) -> ConfigLoader:
    """Make a loader compose nothing twice, and return it.

    A command asks for the same words when it checks them, when it begins, and for the first job of
    a sweep.
    """
    load = loader.load_configuration

    @lru_cache(maxsize=32)  # a sweep may have thousands
    def composed(name: str | None, overrides: tuple[str, ...], *how: Any) -> DictConfig:
        return load(name, list(overrides), *how)

    def load_configuration(
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        how = run_mode, from_shell, validate_sweep_overrides
        return copy.deepcopy(composed(config_name, tuple(overrides), *how))

    loader.load_configuration = load_configuration
    return loader


def without_hydra(composed: DictConfig) -> DictConfig:
    """Return what was composed for the run itself, not yet resolved."""
    # what a search asks for, where a sweep is trained and what a page shows is no part of its runs
    beside = ("hydra", "search", "launch", "passport")
    own = {key: value for key, value in composed.items_ex(resolve=False) if key not in beside}
    return OmegaConf.create(own)


def resolved(config: DictConfig, choices: Mapping[str, str]) -> dict[str, Any]:
    """Return a config as plain values, with the names of the choices that a result tells."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    return {**plain, "names": {group: choices[group] for group in ("task", "model", "engine")}}
