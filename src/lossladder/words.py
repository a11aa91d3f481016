"""Where the config lies, and the words it uses that Hydra does not know."""

import secrets
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lossladder.sweeps.identity import command_hash, folder_name, homes, identity


def conf_dir() -> Path:
    """The config folder: the installed package's, or the checkout's."""
    here = Path(__file__).parent
    installed = here / "conf"
    return installed if installed.is_dir() else here.parents[1] / "conf"


def register_resolvers() -> None:
    """Teach OmegaConf the words our config uses."""
    # a token, not a clock: a hundred runs may start in the same second
    OmegaConf.register_new_resolver(
        "token", lambda: secrets.token_hex(4), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver(
        "command", lambda: command_hash(sys.argv[1:]), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver("job_folder", _job_folder, replace=True)


def _job_folder(_root_: DictConfig) -> str:
    """The name of a job's folder in a sweep: by its config, because numbers shift."""
    plain = {key: value for key, value in _root_.items_ex(resolve=False) if key != "hydra"}
    config: Any = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
    known = homes(Path(_root_.hydra.sweep.dir)).get(identity(config))
    return known or folder_name(_root_.hydra.overrides.task, config)
