"""What every door shares: Hydra, and wrong requests answered in one line."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossladder import record
from lossladder.job import job
from lossladder.said import DONE, FAILED, WRONG, RunFailedError, SaidError, say, shown, tell
from lossladder.sweeps import claims
from lossladder.sweeps.identity import SETTING
from lossladder.words import conf_dir, register_resolvers
from lossladder.wrong import explained, refused


def main() -> None:
    """Train as the command line says; see `train.py` at the root for what it can say."""
    sys.exit(run())


def run() -> int:
    """The same, for who goes on afterwards; gives the exit code."""
    register_resolvers()
    NoteSweep.folder = None
    # argparse wants options before or after all overrides, not among them; people do not
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here whole and are put in one line below
    door = hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(job)
    complaint = refused(sys.argv[1:], conf_dir())
    if complaint is not None:
        return say(complaint, WRONG)
    code = _exit_code(door)
    try:
        _end_of_sweep()
    except KeyboardInterrupt:
        return say("interrupted while summing up; report.py sums up again", FAILED)
    return code


def _exit_code(door: Callable[[], Any]) -> int:
    """Run the door; say on standard error what went wrong, in one line."""
    try:
        door()
    except KeyboardInterrupt:
        return say("interrupted", FAILED)
    except RunFailedError:  # said by the job itself, like a wrong request below
        return FAILED
    except SaidError:
        return WRONG
    except (HydraException, OmegaConfBaseException, OSError, ValueError) as error:
        return say(explained(error, sys.argv[1:], conf_dir()), WRONG)
    return DONE


class NoteSweep(Callback):
    """Hydra's callback that tells which folder a sweep writes to."""

    folder: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Note the folder, for the end."""
        NoteSweep.folder = Path(config.hydra.sweep.dir)


def _end_of_sweep() -> None:
    """Sum a sweep up; leave nothing of one in which every request was wrong."""
    folder = NoteSweep.folder
    if folder is None or not folder.is_dir():
        return
    left = {path.name for path in folder.iterdir()}
    if left <= {"multirun.yaml", claims.FILE, record.FILE}:
        with suppress(OSError):  # another process may be about to use it
            for name in left:
                (folder / name).unlink()
            folder.rmdir()
        return
    from lossladder.report.sweep import summed_up

    tell(summed_up(folder, SETTING, shown))
