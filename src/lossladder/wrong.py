"""Hydra's complaints about a request, each as one line with the way out."""

import re
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import OverrideParseException
from omegaconf import DictConfig


def explained(error: Exception, requested: list[str], conf: Path) -> str:
    """The complaint as: key, what came, what is allowed, the nearest name.

    Args:
        error: what Hydra raised.
        requested: the command line.
        conf: the config folder.
    """
    message = str(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as key=value"
    choice = re.search(r"Could not find '([\w/]+)/([^']*)'", message)
    if choice:
        group, name = choice.groups()
        if group == "hydra/launcher" and (launch := _chosen("launch", requested)):
            install = f"pip install -e '.[{launch}]' in a checkout, or 'lossladder[{launch}]'"
            return f"launch={launch}: its launcher is not installed: {install}"
        allowed = sorted(path.stem for path in (conf / group).glob("*.yaml"))
        if not allowed:
            return f"{group}={name}: no such key{_near(group, _groups(conf))}"
        return (
            f"{group}={name}: no such {group}; allowed: {', '.join(allowed)}{_near(name, allowed)}"
        )
    key = re.search(
        r"(?:Could not override|Could not append to|Error merging override) '?([\w./@]+)", message
    )
    if key:
        return _unknown_key(key.group(1), requested, conf, message)
    return " ".join(message.split())


def _unknown_key(key: str, requested: list[str], conf: Path, message: str) -> str:
    value = _chosen(key, requested)
    config = _default(requested, key, conf)
    parent, _, _ = key.rpartition(".")
    keys = _keys(config, "")
    siblings = [k for k in keys if k.rpartition(".")[0] == parent] or [
        k for k in keys if "." not in k
    ]
    if key in keys:
        return f"{key}={value}: {' '.join(message.split())}"
    return f"{key}={value}: no such key; allowed: {', '.join(siblings)}{_near(key, siblings)}"


def _chosen(key: str, requested: list[str]) -> str:
    """What a request says of a key; nothing, if it does not name it."""
    words = (word.lstrip("+~").partition("=") for word in requested)
    return next((value for name, _, value in words if name == key), "")


def _default(requested: list[str], without: str, conf: Path) -> DictConfig:
    """The config of the request without what was wrong in it, or the default one."""
    chosen = [
        r for r in requested if re.match(r"(task|model|data|optimizer|trainer|experiment)=\w+$", r)
    ]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose(
                "train", overrides=[r for r in chosen if not r.startswith(f"{without}=")]
            )
        except Exception:  # then the choices are wrong as well; the default will do for a hint
            return compose("train")


def _keys(config: DictConfig, prefix: str) -> list[str]:
    keys: list[str] = []
    for key in config:
        name = f"{prefix}{key}"
        value = config._get_node(key)
        keys.append(name)
        if isinstance(value, DictConfig) and not value._is_none():
            keys += [k for k in _keys(value, f"{name}.") if not k.endswith("_target_")]
    return keys


def _groups(conf: Path) -> list[str]:
    return sorted(path.name for path in conf.iterdir() if path.is_dir())


def _near(name: str, allowed: list[str]) -> str:
    near = get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
