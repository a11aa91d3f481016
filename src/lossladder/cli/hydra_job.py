"""The task function: one run as Hydra calls for it, alone or as a job of a sweep.

Nothing heavy is imported before it is needed: `--help` and tab completion stay quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lossladder import console
from lossladder.checks import RequestError
from lossladder.sweeps.job import SETTING, clear, ended, identity
from lossladder.sweeps.lock import job_lock

if TYPE_CHECKING:
    from lossladder.runs.result import Result

complaints: list[str] = []  # of the jobs of this process, in order


class RunFailedError(RuntimeError):
    """The run did not end well; its folder says why."""


class JobEnded(BaseException):
    """How a single run ended badly; no Exception, because Hydra adds lines of its own to those.

    Args:
        error: what ended it.
        folder: of the run; None: it has left none.
    """

    def __init__(self, error: BaseException, folder: Path | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.folder = folder


def job(config: DictConfig) -> float:
    """Train one run; return its loss, which is what a sweeper minimises.

    Raises:
        JobEnded: if a single run ends badly, caused by what ended it.
        Exception: what ended a job of a sweep; it has been said, and the others go on.
    """
    single = HydraConfig.get().mode != RunMode.MULTIRUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        result = _run(config, folder) if single else _once(config, folder)
        error = bad_end(result.status, folder)
        if error is not None:
            raise error
    except (Exception, KeyboardInterrupt) as error:
        from lossladder.runs.folder import discard

        discard(folder)
        if single:
            raise JobEnded(error, folder if folder.exists() else None) from error
        if isinstance(error, RequestError | RunFailedError):
            complain(str(error))
        raise
    return float("nan") if result.loss is None else result.loss


def bad_end(status: str, folder: Path) -> BaseException | None:
    """Return what to raise for a run that ended like this; None: it ended well."""
    if status == "interrupted":
        return KeyboardInterrupt()
    if status != "done":
        return RunFailedError(f"the run {status}; see {console.relative(folder / 'run.log')}")
    return None


def complain(message: str) -> None:
    """Say what is wrong with a job of a sweep, and keep it."""
    complaints.append(message)
    console.note(message)


def _config(config: DictConfig) -> dict[str, Any]:
    """Return the config as plain values, with the names that were chosen in each group."""
    from lossladder.runs.load import resumed_config  # torch and Lightning take seconds: only now

    plain: Any = OmegaConf.to_container(config, resolve=True)
    choices = HydraConfig.get().runtime.choices
    plain = {**plain, "names": {key: choices[key] for key in ("task", "model", "engine")}}
    return resumed_config(plain, HydraConfig.get().overrides.task)


def _run(config: DictConfig, folder: Path) -> "Result":
    """Train; say what came of it."""
    from lossladder.runs.verdict import verdict
    from lossladder.train import train

    plain = _config(config)
    logdir = _logdir(Path(str(plain["logs"])))
    result = train(plain, folder, logdir)
    console.echo(f"{verdict(result)}\nfolder {console.relative(folder)}")
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        console.echo(_look(plain, result, folder, logdir))
    console.echo("")
    return result


def _once(config: DictConfig, folder: Path) -> "Result":
    """Do a job of a sweep: nothing is done twice, at once or one after another."""
    sweep = Path(HydraConfig.get().sweep.dir)
    with job_lock(sweep, identity(_config(config)), wait=True):
        result = ended(folder)
        if result is None:
            clear(folder)
            return _run(config, folder)
    console.echo(f"folder {console.relative(folder)}: {result.status} already\n")
    return result


def _logdir(logs: Path) -> Path:
    """Return where reference lines go: the folder of the runs that are looked at together."""
    config = HydraConfig.get()
    if config.mode == RunMode.MULTIRUN:
        return Path(config.sweep.dir)
    folder = Path(config.runtime.output_dir)
    return logs if folder.parent == logs.resolve() else folder


def _look(config: dict[str, Any], result: "Result", folder: Path, logdir: Path) -> str:
    """Make a run ready for TensorBoard; return where to look."""
    from lossladder.tensorboard.address import leave_address
    from lossladder.tensorboard.hparams import IN_FRONT, settings, write_columns
    from lossladder.tensorboard.logger import loss_tag
    from lossladder.tensorboard.reference_lines import shown_rungs, write_own_ladder

    rungs = [rung.name for rung in shown_rungs(result.rungs)]
    write_columns(logdir, settings(config, result), IN_FRONT, rungs)
    tag = loss_tag(result.task, grows=result.length is not None)
    if folder != logdir:
        write_own_ladder(folder, tag, result.rungs, result.steps)
    return leave_address(folder, console.relative(logdir), [tag], SETTING)
