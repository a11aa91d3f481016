"""A run, read back from its folder."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossladder.checks import RequestError
from lossladder.models import Network
from lossladder.runs.checkpoint import read_checkpoint
from lossladder.runs.folder import CHECKPOINT, CONFIG
from lossladder.runs.result import FILE, Result, read_result
from lossladder.runs.resume import changed_config
from lossladder.tasks import Task
from lossladder.training.build import Parts, build
from lossladder.training.locate import allow_packages

# With others a split would be another, whose test set the network was trained on.
_TRAINED_ON = ("seed", "data.split_seed", "data.train_size")


class Run(NamedTuple):
    """A run as it was left.

    Args:
        task: what was to be learnt.
        network: with the weights of the last checkpoint.
        result: what `result.json` says.
        config: what `config.yaml` says.
        parts: everything `build` made of the config.
    """

    task: Task
    network: Network
    result: Result
    config: dict[str, Any]
    parts: Parts

    def __repr__(self) -> str:
        result = self.result
        loss = "no loss" if result.loss is None else f"loss {result.loss:.4f}, rung {result.rung!r}"
        return (
            f"<Run {result.model} on {result.task}, seed {result.seed}: {result.status} after "
            f"{result.steps:,} updates, {loss}>"
        )


def load_run(
    folder: str | Path, changes: Sequence[str] = (), packages: Collection[str] = ()
) -> Run:
    """Return a run as it was left: task, network with its weights, result and config.

    Args:
        folder: of the run.
        changes: to its config, as on the command line: `["task.num_steps=500"]`.
        packages: that its config may name classes of, besides the library's own: `("mine",)`.
    Raises:
        RequestError: if the folder is no run, its checkpoint cannot be read or comes from another
            version, or the weights do not fit the changed config.
    """
    folder = Path(folder)
    config = changed_config(folder, changes, "run", _TRAINED_ON, needs=(CONFIG, FILE))
    result = read_result(folder)
    if not isinstance(result, Result):
        raise RequestError(f"run={folder}: {result.why if result else 'it has no result'}")
    try:
        with allow_packages(packages):
            parts = build(config)
    except RequestError as error:
        # what a new run could do about it is no way out for one that has been trained
        before, elsewhere, _ = str(error).partition("; use data=")
        if not elsewhere:
            raise
        raise RequestError(f"{before}; the data of a run cannot be changed to others") from error
    _load_weights(parts.network, folder / CHECKPOINT, f"run={folder}")
    return Run(parts.task, parts.network, result, config, parts)


def _load_weights(network: Network, path: Path, asked_for: str) -> None:
    """Load the weights of a checkpoint, in which Lightning keeps those of its whole module."""
    checkpoint = read_checkpoint(path, asked_for)
    prefix = "network."
    weights = {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        misfit = str(error).splitlines()[-1].strip()
        raise RequestError(
            f"{asked_for}: the weights in {path} do not fit this network: {misfit}"
        ) from error
    network.eval()
