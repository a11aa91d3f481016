"""The configs of a sweep's jobs, at the price of a few: Hydra takes 50 ms for each."""

import copy
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

_PLAIN_KEY = re.compile(r"[\w.]+")
GROUPS_NAMED = ("task", "model", "engine")  # whose choices a result tells


class _Base(NamedTuple):
    """A composed job, from which others differ in plain values only.

    Args:
        config: resolved.
        values: what its words set, as they were written.
    """

    config: dict[str, Any]
    values: Mapping[str, str]


class Composer:
    """Composes jobs; those that differ in plain values only are composed once and then changed.

    Args:
        loader: Hydra's.
        config: of the sweep, as Hydra composed it without the jobs' own overrides.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self.loader = loader
        self.config = config
        self._parser = OverridesParser.create(config_loader=loader)
        self._composed: dict[tuple[str, ...], _Base] = {}  # a value made of others is never kept
        self._is_group = cache(lambda key: bool(loader.get_group_options(key)))

    def plain(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The config of a job, resolved, with the names chosen in each group."""
        values = {
            key: value
            for key, _, value in (word.partition("=") for word in overrides)
            if _PLAIN_KEY.fullmatch(key) and not key.startswith("hydra") and not self._is_group(key)
        }
        alike = tuple(
            w.partition("=")[0] if w.partition("=")[0] in values else w for w in overrides
        )
        base = self._composed.get(alike)
        config = None if base is None else self._changed(base, values)
        if config is None:
            composed = self.loader.load_sweep_config(self.config, list(overrides))
            config = resolved(composed)
            if not _interpolates(composed):
                self._composed.setdefault(alike, _Base(config, values))
        return config

    def _changed(self, base: _Base, values: Mapping[str, str]) -> dict[str, Any] | None:
        """The config with other plain values; None: only Hydra knows what would come of them."""
        config = copy.deepcopy(base.config)
        for key, value in values.items():
            if value == base.values[key]:
                continue
            found = self._parser.parse_override(f"{key}={value}").value()
            place = config
            *way, last = key.split(".")
            for step in way:
                place = place[step]
            if isinstance(place[last], Mapping) or isinstance(found, Mapping | list):
                return None  # these are merged, or hold what Hydra still has to read
            if isinstance(found, str) and "${" in found:
                return None
            place[last] = found
        return config


def resolved(composed: DictConfig) -> dict[str, Any]:
    """Plain values of a composed job, Hydra's own part aside."""
    names = {key: composed.hydra.runtime.choices[key] for key in GROUPS_NAMED}
    return {**_container(composed, resolve=True), "names": names}


def _interpolates(composed: DictConfig) -> bool:
    return "${" in str(_container(composed, resolve=False))


def _container(composed: DictConfig, *, resolve: bool) -> dict[str, Any]:
    bare = composed.copy()
    with open_dict(bare):
        del bare["hydra"]
    plain: Any = OmegaConf.to_container(bare, resolve=resolve)
    return plain
