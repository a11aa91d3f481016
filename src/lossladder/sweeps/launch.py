"""From a command line to the outcomes of its jobs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from lossladder import record
from lossladder.sweeps.compose import Composer
from lossladder.sweeps.identity import folder_name, homes, identity
from lossladder.sweeps.jobs import Job
from lossladder.sweeps.sweep import Sweep
from lossladder.sweeps.worker import Alone, Outcome
from lossladder.training.build import RequestError
from lossladder.training.folder import CONFIG
from lossladder.training.run import resumed


def launch(
    loader: ConfigLoader,
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    alone: Alone,
) -> list[tuple[Job, Outcome]]:
    """Train the jobs of a sweep, together where they can be.

    Args:
        loader: Hydra's.
        config: of the sweep.
        job_overrides: words of the command line, for each job.
        alone: trains one run: config, folder, references, callbacks -> result.
    Raises:
        RequestError: if there is no job, or the folder is that of a run.
    """
    if not job_overrides:
        raise RequestError("-m: asks for no run; is a range empty?")
    folder = Path(config.hydra.sweep.dir).absolute()
    if (folder / CONFIG).exists():
        raise RequestError(f"hydra.sweep.dir={folder}: is the folder of a run; choose another")
    composer, known = Composer(loader, config), homes(folder)
    shown = True
    jobs: list[Job] = []
    for number, overrides in enumerate(job_overrides):
        plain = resumed(composer.plain(overrides), overrides)
        shown = shown and bool(plain["trainer"]["progress"])
        name = known.setdefault(identity(plain), folder_name(overrides, plain))
        jobs.append(Job(number, tuple(overrides), _quiet(plain), folder / name))
    record.note(folder, record.words(config.hydra.overrides), (job.identity for job in jobs))
    with one_thread():
        return list(zip(jobs, Sweep(folder, alone, shown).train(jobs), strict=True))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one processor thread meanwhile: what forks must have no others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quiet(config: dict[str, Any]) -> dict[str, Any]:
    """The same without a bar of its own: the sweep has one."""
    return {**config, "trainer": {**config["trainer"], "progress": False}}
