"""Where the config lies, and the resolvers it uses: `${lossladder.token:}` and its kin."""

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lossladder.runs.folder import read_config, resumed_folder
from lossladder.runs.identity import identity
from lossladder.sweeps.compose import without_hydra
from lossladder.sweeps.job import command_hash, folder_name, job_folders

# Config folders of one's own by what names them, an option or the project whose `main` it is: they
# come before the library's on Hydra's search path; the plugin in hydra_plugins reads them there.
own_conf: dict[str, Path] = {}

# By which the folders of this command's runs are told from all others.
tokens: list[str] = []


def conf_dir() -> Path:
    """Return the library's config folder."""
    return shipped("conf")


def shipped(name: str) -> Path:
    """Return a folder that comes with the library: the installed package's, or the checkout's."""
    package = Path(__file__).parents[1]
    installed = package / name
    return installed if installed.is_dir() else package.parents[1] / name


def register_resolvers(words: Sequence[str] = (), varied: Collection[str] = ()) -> None:
    """Teach OmegaConf the words our config uses.

    Args:
        words: of the command line, by which a sweep finds its folder again.
        varied: keys that have several values in it, by which its runs are named.
    """

    def job_folder(_root_: DictConfig) -> str:
        """Return the name of a job's folder: by its config, because numbers shift."""
        config: Any = OmegaConf.to_container(without_hydra(_root_), resolve=True)
        known = job_folders(Path(_root_.hydra.sweep.dir)).get(identity(config))
        return known or folder_name(_root_.hydra.overrides.task, config, varied)

    # a token, not a clock: a hundred runs may start in the same second
    def token() -> str:
        tokens.append(secrets.token_hex(4))
        return tokens[-1]

    tokens.clear()
    _register("token", token, use_cache=True)
    _register("command", lambda: command_hash(words), use_cache=True)
    _register("job_folder", job_folder)
    _register("run_name", _run_name)


def _register(name: str, resolve: Any, **options: Any) -> None:
    OmegaConf.register_new_resolver(f"lossladder.{name}", resolve, replace=True, **options)


def _run_name(_root_: DictConfig) -> str:
    """Return task and network of a run; of one that goes on with another, those of that one."""
    names: Any = _root_.hydra.runtime.choices
    try:
        if _root_.resume is not None:
            names = read_config(resumed_folder(str(_root_.resume), Path(_root_.logs)))["names"]
        return f"{names['task']}-{names['model']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is said later what is wrong with it
        return "resumed"
