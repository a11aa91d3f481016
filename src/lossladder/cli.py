"""What every door shares: Hydra, exit codes, and wrong requests answered in one line.

Exit codes: 0 done; 1 the run failed; 2 the request was wrong (one line, nothing left behind).
Nothing heavy is imported before it is needed: `--help` and tab completion stay quick.
"""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

DONE, FAILED, WRONG = 0, 1, 2


class RunFailedError(RuntimeError):
    """The run did not end well; its folder says why."""


def conf_dir() -> Path:
    """The config folder: the installed package's, or the checkout's."""
    here = Path(__file__).parent
    installed = here / "conf"
    return installed if installed.is_dir() else here.parents[1] / "conf"


def main() -> None:
    """Train as the command line says; see `train.py` at the root for what it can say."""
    # a token, not a clock: a hundred runs may start in the same second
    OmegaConf.register_new_resolver("token", lambda: secrets.token_hex(4), replace=True)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here whole and are put in one line below
    door = hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(_job)
    sys.exit(exit_code(door))


def exit_code(door: Callable[[], Any]) -> int:
    """Run a door; say on standard error what went wrong, in one line."""
    try:
        door()
    except KeyboardInterrupt:
        return _say("interrupted", FAILED)
    except RunFailedError:  # said by the job itself, like a wrong request below
        return FAILED
    except (HydraException, OmegaConfBaseException) as error:
        from lossladder.wrong import explained

        return _say(explained(error, sys.argv[1:], conf_dir()), WRONG)
    except OSError as error:
        return _say(f"{error.filename}: {error.strerror}; choose another folder with logs=", WRONG)
    except ValueError:
        return WRONG
    return DONE


def _say(message: str, code: int) -> int:
    print(f"lossladder: {message}", file=sys.stderr)
    return code


def _job(config: DictConfig) -> float:
    """One run; its loss is what a sweeper minimises."""
    from lossladder.train import train  # torch and Lightning take seconds: only now
    from lossladder.training.folder import discard
    from lossladder.training.verdict import verdict

    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    choices = hydra_config.runtime.choices
    plain["names"] = {key: choices[key] for key in ("task", "model", "engine")}
    try:
        result = train(plain, folder, _board(Path(config.logs)))
    except ValueError as error:
        discard(folder, [folder.parent] if hydra_config.mode == RunMode.MULTIRUN else [])
        raise _ended(error, WRONG) from error
    print(f"{verdict(result)}\nfolder {_shown(folder)}")
    if result["status"] == "interrupted":
        raise KeyboardInterrupt
    if result["status"] != "done":
        error = RunFailedError(f"the run {result['status']}; see {_shown(folder / 'run.log')}")
        raise _ended(error, FAILED)
    return result["loss"]


def _ended(error: Exception, code: int) -> BaseException:
    """How a job tells Hydra that it ended badly.

    A job of a sweep hands its error on, so that the others go on. A single run says it here and
    exits past Hydra, which would add lines of its own.
    """
    _say(str(error), code)
    return error if HydraConfig.get().mode == RunMode.MULTIRUN else SystemExit(code)


def _board(logs: Path) -> Path:
    """Where reference lines go: shared by the runs that are looked at together."""
    config = HydraConfig.get()
    if config.mode == RunMode.MULTIRUN:
        return Path(config.sweep.dir)
    folder = Path(config.runtime.output_dir)
    return logs if folder.parent == logs.resolve() else folder


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
