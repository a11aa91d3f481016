"""The config of a run that goes on with another, or is that of another, changed."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lossladder.checks import RequestError
from lossladder.runs.folder import CHECKPOINT, CONFIG, lives_in, read_config, resumed_folder
from lossladder.runs.group import can_go_on
from lossladder.runs.result import FILE, ended

# A run goes on with the weights and optimizer it has, and with data that are a function of these:
# with others it would be another run from there on, and its config true of its end only.
_FIXED = (
    "seed", "task", "model", "readout", "data", "optimizer", "schedule", "trainer.gradient_clip",
)  # fmt: skip
# but this one, by which a longer run keeps the schedule it began with: `train` holds it against the
# checkpoint
_KEPT_ELSEWHERE = "schedule.steps"


def resumed_config(config: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return the config of a run, with `resume` that of the run it goes on with.

    Args:
        config: as composed.
        words: of the command line; where another run's config counts, only they change it.
    Raises:
        RequestError: if there is no such run, it has no such key, or the key cannot change; or if
            a new run is to have another hidden_size than `model.state` asks for.
    """
    if config.get("resume") is None:
        model = config.get("model")
        if not isinstance(model, Mapping) or model.get("state") is None:
            return dict(config)
        # networks come with torch, which takes seconds
        from lossladder.training.make_network import sized_config

        return sized_config(config, words)
    folder = resumed_folder(str(config["resume"]), Path(str(config["logs"])))
    # Only what was said on the command line: the defaults of today's library are not to change a
    # run of last year's. Plus signs are for Hydra, whose defaults may lack a key that the run has.
    changes = [word.lstrip("+") for word in words]
    changes = [word for word in changes if not word.startswith(("resume=", "logs=", "hydra."))]
    return {**changed_config(folder, changes, "resume", _FIXED), "resume": str(folder)}


def same_run(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the config of the run that another goes on with, if that has not ended.

    It is the same run then, and goes on where it lives. None: it has ended, or is to become
    another, a longer one for instance.
    """
    folder = Path(config["resume"])
    own = {**config, "resume": read_config(folder).get("resume")}
    return own if ended(folder) is None and lives_in(folder, own) else None


def changed_config(
    folder: Path,
    changes: Sequence[str],
    asked_as: str,
    fixed: Collection[str],
    needs: Collection[str] = (CONFIG,),
) -> dict[str, Any]:
    """Return the config of a run with changes as on a command line, but to nothing `fixed`."""
    if not folder.is_dir():
        raise RequestError(f"{asked_as}={folder}: there is no such folder")
    lacks = [name for name in needs if not (folder / name).is_file()]
    if not can_go_on(folder):
        lacks.append(CHECKPOINT)
    if lacks:
        if any(folder.glob(f"*/{CONFIG}")):
            raise RequestError(f"{asked_as}={folder}: is a sweep; name one of the runs in it")
        kind = "finished run" if FILE in needs else "run to go on with"
        raise RequestError(f"{asked_as}={folder}: is no {kind}, it has no {lacks[0]}")
    try:
        config = OmegaConf.load(folder / CONFIG)
        parsed = OmegaConf.from_dotlist(list(changes))
    except Exception as error:  # YAML and OmegaConf have exceptions of many kinds
        raise RequestError(f"{asked_as}={folder}: {CONFIG} cannot be read: {error}") from error
    if not isinstance(config, DictConfig):
        raise RequestError(f"{asked_as}={folder}: {CONFIG} is no mapping")
    # OmegaConf would add a key that is not there, and a typing error would change nothing
    for change in changes:
        key, _, value = change.partition("=")
        parent, _, name = key.rpartition(".")
        siblings = OmegaConf.select(config, parent) if parent else config
        if not isinstance(siblings, DictConfig) or name not in siblings:
            known = siblings if isinstance(siblings, DictConfig) else config
            prefix = f"{parent}." if known is siblings and parent else ""
            allowed = ", ".join(f"{prefix}{own}" for own in known if own != "_target_")
            raise RequestError(f"{key}={value}: this run has no such key; allowed: {allowed}")
        if not parent and isinstance(siblings[name], DictConfig):
            raise RequestError(f"{key}={value}: was chosen when the run began and cannot change")
    merged = OmegaConf.merge(config, parsed)
    for key, _, value in (change.partition("=") for change in changes):
        was = OmegaConf.select(config, key)
        chosen = {key, key.partition(".")[0]} & {*fixed} and key != _KEPT_ELSEWHERE
        if chosen and OmegaConf.select(merged, key) != was:
            # what it is wanted for has a key of its own, where there is a choice
            other = key == "seed" and "validation_seed" in config.get("data", {})
            hint = f"; data.validation_seed={value} draws other validation sequences"
            raise RequestError(
                f"{key}={value}: was {'null' if was is None else was} when the run began and "
                f"cannot change"
                f"{hint if other and asked_as == 'run' else ''}"
            )
    if OmegaConf.select(parsed, "trainer.max_epochs") is not None:
        # it would decide, and pass over what was asked for
        merged.trainer.max_steps = OmegaConf.select(parsed, "trainer.max_steps")
    plain: Any = OmegaConf.to_container(merged)
    return {str(key): value for key, value in plain.items()}
