"""The task function: one run as Hydra calls for it, alone or as a job of a sweep.

Nothing heavy is imported before it is needed: `--help` and tab completion stay quick.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from lossladder import console, signals
from lossladder.checks import RequestError
from lossladder.lazy import loading
from lossladder.runs.folder import discard, lives_in
from lossladder.runs.identity import identity, identity_in
from lossladder.runs.result import RunCutOffError, RunFailedError, ended
from lossladder.runs.resume import resumed_config, same_run
from lossladder.sweeps.compose import resolved, without_hydra
from lossladder.sweeps.job import SETTING
from lossladder.sweeps.lock import job_lock

if TYPE_CHECKING:
    from lossladder.runs.result import Result

# Of the jobs of this process, in order. Hydra lets a task function return a number and no more, so
# that what else a command has to tell is kept here.
complaints: list[str] = []
folders: list[Path] = []


class JobEnded(BaseException):
    """The bad end of a single run; no Exception, because Hydra adds lines of its own to those.

    Args:
        error: what ended it.
        folder: of the run; None: it has left none.
    """


def job(config: DictConfig) -> float:
    """Train one run; return its loss, which is what a sweeper minimises.

    Raises:
        JobEnded: if a single run ends badly, caused by what ended it.
        Exception: what ended a job of a sweep; it has been said, and the others go on.
    """
    hydra = HydraConfig.get()
    folder, single = Path(hydra.runtime.output_dir), hydra.mode != RunMode.MULTIRUN
    try:
        asked = resolved(without_hydra(config), hydra.runtime.choices)
        plain = resumed_config(asked, hydra.overrides.task)
        elsewhere = any(word.startswith("hydra.run.dir=") for word in hydra.overrides.hydra)
        if plain["resume"] is not None and single and not elsewhere and (own := same_run(plain)):
            discard(folder)
            folder, plain = Path(plain["resume"]).resolve(), own
        folders.append(folder)
        if single and identity_in(folder.name) is None:
            run = _alone(plain, folder)
        else:
            run = _once(plain, folder, folder.parent if single else Path(hydra.sweep.dir))
        error = bad_end(run.status, folder)
        if error is not None:
            raise error
    except (Exception, KeyboardInterrupt) as error:
        if single:
            # an empty one is the command's to remove, which knows whether it was there before
            left = folder.is_dir() and any(folder.iterdir())
            raise JobEnded(error, folder if left else None) from error
        discard(folder)
        if isinstance(error, RequestError | RunFailedError):
            complain(str(error))
        raise
    # a sweeper that minimises can compare nothing with None
    return float("nan") if run.loss is None else run.loss


def bad_end(status: str, folder: Path) -> BaseException | None:
    """Return what to raise for a run that ended like this; None: it ended well."""
    if status == "interrupted" and signals.stop_asked():
        return KeyboardInterrupt()
    if status not in ("done", "stopped"):
        see = f"see {console.relative(folder / 'run.log')}"
        if status == "interrupted":
            return RunCutOffError(f"the run was interrupted; {see}")
        return RunFailedError(f"the run {status}; {see}")
    return None


def complain(message: str) -> None:
    """Say what is wrong and keep it, unless a job has said so before."""
    if message not in complaints:
        complaints.append(message)
        console.note(message)


def _alone(config: dict[str, Any], folder: Path) -> "Result":
    """Make a run that is no part of a sweep; say where its curves are to be seen."""
    with loading():
        from lossladder.tensorboard.address import leave_address
        from lossladder.tensorboard.hparams import IN_FRONT, settings, write_columns
        from lossladder.tensorboard.logger import loss_tag
        from lossladder.tensorboard.reference_lines import shown_rungs, write_own_ladder

    # runs in `logs` are looked at together and share their reference lines; elsewhere each has some
    logs = Path(str(config["logs"]))
    logdir = logs if folder.parent == logs.resolve() else folder
    result = _train(config, folder, logdir)
    rungs = [rung.name for rung in shown_rungs(result.rungs)]
    tag = loss_tag(result.task, grows=result.length is not None)
    try:
        write_columns(logdir, settings(config, result), IN_FRONT, rungs)
        if folder != logdir:
            write_own_ladder(folder, tag, result.rungs, result.steps, result.theory or ())
        console.echo(f"{leave_address(folder, console.relative(logdir), [tag], SETTING)}\n")
    # the run is what it is, and its result has been written
    except OSError as error:
        console.note(f"{error.filename}: {error.strerror}; TensorBoard shows less")
    return result


def _once(config: dict[str, Any], folder: Path, sweep: Path) -> "Result":
    """Do a job of a sweep: nothing is done twice, at once or one after another."""
    with job_lock(sweep, identity(config), wait=True):
        # asked again under the lock: whoever held it may have done the job meanwhile
        result = _train(config, folder, sweep)
        console.echo("")
    return result


def _train(config: dict[str, Any], folder: Path, logdir: Path) -> "Result":
    """Train, unless that very run has ended there."""
    # this brings torch and Lightning: Ctrl-C may well come in the seconds that they take
    with loading():
        from lossladder.runs.verdict import verdict
        from lossladder.train import train

    result = ended(folder) if lives_in(folder, config) else None
    already = f": {result.status} already" if result is not None else ""
    result = result or train(config, folder, logdir)
    console.echo(f"{verdict(result)}\nfolder {console.relative(folder)}{already}")
    return result
