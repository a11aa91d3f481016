"""What every door shares: Hydra, exit codes, and wrong requests answered in one line.

Exit codes: 0 done; 1 the run failed; 2 the request was wrong (one line, nothing left behind).
Nothing heavy is imported before it is needed: `--help` and tab completion stay quick.
"""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lossladder.sweeps.identity import SETTING, command_hash, folder_name, identity
from lossladder.wrong import explained, refused

DONE, FAILED, WRONG = 0, 1, 2


class RunFailedError(RuntimeError):
    """The run did not end well; its folder says why."""


class SaidError(ValueError):
    """The request was wrong, and the line that says so has been said."""


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
    return folder_name(_root_.hydra.overrides.task, config)


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
    door = hydra.main(config_path=str(conf_dir()), config_name="train", version_base="1.3")(_job)
    complaint = refused(sys.argv[1:], conf_dir())
    return _exit_code(door) if complaint is None else say(complaint, WRONG)


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
    finally:
        _end_of_sweep()
    return DONE


def say(message: str, code: int) -> int:
    """One line on standard error; gives the exit code back."""
    print(f"lossladder: {' '.join(message.split())}", file=sys.stderr)
    return code


def tell(text: str) -> None:
    """Print; that a reader like `| head` has read enough is no failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _job(config: DictConfig) -> float:
    """One run; its loss is what a sweeper minimises."""
    from lossladder.training.run import resumed  # torch and Lightning take seconds: only now

    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    single = hydra_config.mode != RunMode.MULTIRUN
    try:
        plain = resumed(_plain(config), hydra_config.overrides.task)
        loss = _run(plain, folder) if single else _once(plain, folder)
    except ValueError as error:
        from lossladder.training.folder import discard

        discard(folder)
        raise _ended(error, WRONG) from error
    except RunFailedError as error:
        raise _ended(error, FAILED) from error
    return loss


def _run(config: dict[str, Any], folder: Path) -> float:
    """Train; say what came of it."""
    from lossladder.train import train
    from lossladder.training.verdict import verdict

    board = _board(Path(str(config["logs"])))
    result = train(config, folder, board)
    tell(f"{verdict(result)}\nfolder {shown(folder)}")
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        tell(_look(config, result, board))
    tell("")
    error = ended_badly(result["status"], folder)
    if error is not None:
        raise error
    return result["loss"]


def _once(config: dict[str, Any], folder: Path) -> float:
    """A job of a sweep: nothing is done twice, at once or one after another."""
    from lossladder.sweeps.claims import claimed
    from lossladder.sweeps.jobs import clear, ended

    with claimed(Path(HydraConfig.get().sweep.dir), identity(config), wait=True):
        result = ended(folder)
        if result is None:
            clear(folder)
            return _run(config, folder)
    tell(f"folder {shown(folder)}: {result['status']} already\n")
    error = ended_badly(result["status"], folder)
    if error is not None:
        raise error
    return result["loss"]


def ended_badly(status: str, folder: Path) -> BaseException | None:
    """What to raise for a run that ended like this; None: nothing."""
    if status == "wrong":
        return SaidError("the request was wrong")
    if status == "interrupted":
        return KeyboardInterrupt()
    if status != "done":
        return RunFailedError(f"the run {status}; see {shown(folder / 'run.log')}")
    return None


def _plain(config: DictConfig) -> dict[str, Any]:
    """The config as plain values, with the names that were chosen in each group."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    choices = HydraConfig.get().runtime.choices
    starts = sorted(path.stem for path in (conf_dir() / "start").glob("*.yaml"))
    if choices["start"] not in (f"{choices['task']}_{choices['model']}", *starts):
        # most tasks and networks have no start of their own: Hydra passes over what is not there
        raise ValueError(f"start={choices['start']}: must be one of {', '.join(starts)}")
    return {**plain, "names": {key: choices[key] for key in ("task", "model", "engine")}}


def _ended(error: Exception, code: int) -> BaseException:
    """How a job tells Hydra that it ended badly.

    A job of a sweep hands its error on, so that the others go on. A single run says it here and
    exits past Hydra, which would add lines of its own.
    """
    say(str(error), code)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        return SystemExit(code)
    return SaidError(str(error)) if code == WRONG else error


def _board(logs: Path) -> Path:
    """Where reference lines go: shared by the runs that are looked at together."""
    config = HydraConfig.get()
    if config.mode == RunMode.MULTIRUN:
        return Path(config.sweep.dir)
    folder = Path(config.runtime.output_dir)
    return logs if folder.parent == logs.resolve() else folder


def _look(config: dict[str, Any], result: dict[str, Any], board: Path) -> str:
    """Make a run ready for TensorBoard; where to look."""
    from lossladder.report.look import address
    from lossladder.training.columns import IN_FRONT, settings, write_columns
    from lossladder.training.references import card, drawn

    rungs = [rung["name"] for rung in drawn(result["rungs"])]
    write_columns(board, settings(config, result), IN_FRONT, rungs)
    return address(shown(board), [card(result["task"], "length" in result)], SETTING)


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
    if left <= {"multirun.yaml", ".claims"}:
        for name in left:
            (folder / name).unlink()
        folder.rmdir()
        return
    from lossladder.report.sweep import summed_up

    tell(summed_up(folder, SETTING, shown))


def shown(path: Path) -> Path:
    """A path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
