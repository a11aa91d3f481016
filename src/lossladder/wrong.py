"""Hydra's complaints about a request, each as one line with the way out."""

import re
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser  # hydra.main's own
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import OverrideParseException
from omegaconf import DictConfig

_FOLDERS = ("logs", "hydra.run.dir", "hydra.sweep.dir")
_MAY_BE_MISSING = ("experiment", "start")


def refused(requested: list[str], conf: Path) -> str | None:
    """What must not come before Hydra, which would say much of it or make a folder first.

    Args:
        requested: the command line.
        conf: the config folder.
    """
    _, unknown = get_args_parser().parse_known_args(requested)
    if unknown:
        return f"{unknown[0]}: no such option; see --help"
    for word in requested:
        key, _, value = word.lstrip("+").partition("=")
        if key in _FOLDERS and "=" in word and value.strip("'\" ") in ("", "null"):
            return f"{key}={value}: must name a folder; leave it out for the default one"
        group = key.removeprefix("~")
        if group not in _groups(conf) or group == "experiment":
            continue
        allowed = ", ".join(_choices(group, conf))
        if key != group and group not in _MAY_BE_MISSING:
            return f"{word}: every run needs one; must be one of {allowed}"
        for choice in value.split(","):
            if re.fullmatch(r"null|true|false|[-+.\d]+", choice.strip(), re.IGNORECASE):
                return f"{group}={value}: must be one of {allowed}"
    return None


def explained(error: Exception, requested: list[str], conf: Path) -> str:
    """The complaint as: key, what came, what is allowed, the nearest name.

    Args:
        error: what Hydra raised.
        requested: the command line.
        conf: the config folder.
    """
    message = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return _no_folder(error, requested)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as key=value"
    many = re.match(r"Ambiguous value for argument '(.+?)'\n", message)
    if many:
        return f"{many[1]}: more than one value; add -m for a sweep over them"
    choice = re.search(r"Could not find '([\w/]+)/([^']*)'", message)
    if choice:
        group, name = choice.groups()
        if group == "hydra/launcher" and (launch := _chosen("launch", requested)):
            install = f"pip install -e '.[{launch}]' in a checkout, or 'lossladder[{launch}]'"
            return f"launch={launch}: its launcher is not installed: {install}"
        allowed = _choices(group, conf)
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


def _no_folder(error: OSError, requested: list[str]) -> str:
    """The complaint names the key that was set, or the one that could be."""
    sweep = {"-m", "--multirun"} & set(requested)
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    if not _chosen(key, requested):
        key = "logs"
    value = _chosen(key, requested) or "logs"
    return f"{key}={value}: {error.filename} cannot be made: {error.strerror}; choose another"


def _unknown_key(key: str, requested: list[str], conf: Path, message: str) -> str:
    value = _chosen(key, requested)
    parent, _, _ = key.rpartition(".")
    group = key.partition(".")[0]
    for choice in _chosen(group, requested).split(","):  # more than one in a sweep
        one = [f"{group}={choice.strip()}" if w.startswith(f"{group}=") else w for w in requested]
        keys = _keys(_default(one, key, conf), "")
        if key in keys:
            continue
        siblings = [k for k in keys if k.rpartition(".")[0] == parent] or [
            k for k in keys if "." not in k
        ]
        lacks = f"{group}={choice.strip()} has no such key" if choice else "no such key"
        return f"{key}={value}: {lacks}; allowed: {', '.join(siblings)}{_near(key, siblings)}"
    return f"{key}={value}: {' '.join(message.split())}"


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


def _choices(group: str, conf: Path) -> list[str]:
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def _groups(conf: Path) -> list[str]:
    return sorted(path.name for path in conf.iterdir() if path.is_dir())


def _near(name: str, allowed: list[str]) -> str:
    near = get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
