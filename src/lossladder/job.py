"""One run as Hydra calls for it: alone, or as a job of a sweep that other processes may share.

Nothing heavy is imported before it is needed: `--help` and tab completion stay quick.
"""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lossladder.said import (
    FAILED,
    WRONG,
    RunFailedError,
    SaidError,
    ended_badly,
    say,
    shown,
    tell,
)
from lossladder.sweeps.identity import SETTING, identity
from lossladder.words import conf_dir


def job(config: DictConfig) -> float:
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
    return _loss(result, folder)


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
    return _loss(result, folder)


def _loss(result: dict[str, Any], folder: Path) -> float:
    """Of a run that ended well; of another, what tells Hydra is raised."""
    error = ended_badly(result["status"], folder)
    if error is not None:
        raise error
    return result["loss"]


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
