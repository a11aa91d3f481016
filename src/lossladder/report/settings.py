"""What tells runs apart, the seed left aside, in as few words as will do."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

# the one written in C is eight times as fast, where it was built
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Setting = tuple[tuple[str, str], ...]  # (key, value), as on the command line

# The keys of these say nothing of what a run is; `seed` only says which one of several.
_LEFT_OUT = ("seed", "logs", "resume", "trainer.progress", "trainer.threads")
# Keys are tried in this order: a choice (model=lstm) says all that the keys it brings along do. The
# engine comes last: it changes the speed of a run, not its losses.
_ORDER = ("names.task", "names.model", "model", "task", "optimizer", "data", "trainer", "readout",
          "names.engine", "engine")  # fmt: skip


def read_config(run: Path) -> dict[str, str]:
    """The config of a run, flat: `model.hidden_size` -> "16"."""
    return _flat(yaml.load((run / "config.yaml").read_bytes(), Loader=_Loader))


def settings(configs: Sequence[Mapping[str, str]], wanted: Collection[str] = ()) -> list[Setting]:
    """One setting a run; equal for runs that differ in nothing but their seed.

    A key is left out where the keys before it determine its value, unless it is one of `wanted`
    (`model`, `optimizer.lr`) and has several values.

    >>> rnn, lstm = {"names.model": "rnn", "a.b": "1"}, {"names.model": "lstm", "a.b": "2"}
    >>> settings([rnn, lstm])
    [(('model', 'rnn'),), (('model', 'lstm'),)]
    >>> settings([rnn, {**rnn, "a.b": "3"}])
    [(('a.b', '1'),), (('a.b', '3'),)]
    """
    keys = sorted({key for config in configs for key in config} - set(_LEFT_OUT), key=_rank)
    found: list[Setting] = [() for _ in configs]
    for key in keys:
        name, values = _said(key, [config.get(key, "") for config in configs])
        named = any(name == key for key, _ in found[0])
        told = name in wanted and not named and len(set(values)) > 1
        if told or len(set(zip(found, values, strict=True))) > len(set(found)):
            found = [(*s, (name, value)) for s, value in zip(found, values, strict=True)]
    return found


def _said(key: str, values: list[str]) -> tuple[str, list[str]]:
    """As on the command line; a class by the group it was chosen in and its bare name."""
    if key.endswith("._target_"):
        return key.removesuffix("._target_"), [value.rpartition(".")[2] for value in values]
    return key.removeprefix("names."), values


def labels(found: Sequence[Setting]) -> dict[Setting, str]:
    """A short name for each setting: what it shares with no other that has the same name so far.

    >>> small, large = (("model", "rnn"), ("n", "4")), (("model", "rnn"), ("n", "9"))
    >>> list(labels([small, large, (("model", "lstm"), ("n", "9"))]).values())
    ['rnn, n 4', 'rnn, n 9', 'lstm']
    """
    names = dict.fromkeys(found, "")
    for place, (key, _) in enumerate(found[0] if found else ()):
        alike: dict[str, set[str]] = {}
        for setting, name in names.items():
            alike.setdefault(name, set()).add(setting[place][1])
        for setting, name in names.items():
            if len(alike[name]) > 1:
                value = setting[place][1] or "unset"  # a knob that this run does not have
                word = value if key in ("task", "model", "engine") else f"{short(key)} {value}"
                names[setting] = f"{name}, {word}" if name else word
    return names


def short(key: str) -> str:
    """`model.hidden_size` -> `hidden size`."""
    return key.rpartition(".")[2].replace("_", " ").strip()


def _rank(key: str) -> tuple[int, bool, str]:
    group = key if key in _ORDER else key.partition(".")[0]
    place = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    return place, not key.endswith("_target_"), key


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        # a mapping within a group is a value, unless something is built of it
        if isinstance(value, Mapping) and (not prefix or "_target_" in value):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
