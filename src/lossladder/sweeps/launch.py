"""From a command line to the outcomes of its jobs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from lossladder.checks import RequestError
from lossladder.runs.folder import CONFIG
from lossladder.runs.load import resumed_config
from lossladder.sweeps import manifest
from lossladder.sweeps.compose import Composer
from lossladder.sweeps.job import Job, folder_name, identity, job_folders, varied_keys
from lossladder.sweeps.pool import WorkerPool
from lossladder.sweeps.worker import JobOutcome


def launch(
    loader: ConfigLoader, config: DictConfig, job_overrides: Sequence[Sequence[str]]
) -> list[tuple[Job, JobOutcome]]:
    """Train the jobs of a sweep, together where they can be.

    Args:
        loader: Hydra's.
        config: of the sweep.
        job_overrides: words of the command line, for each job.
    Raises:
        RequestError: if the folder is that of a run.
    """
    folder = Path(config.hydra.sweep.dir).absolute()
    if (folder / CONFIG).exists():
        raise RequestError(f"hydra.sweep.dir={folder}: is the folder of a run; choose another")
    composer, known = Composer(loader, config), job_folders(folder)
    varied = varied_keys(job_overrides)
    shown = True
    jobs: list[Job] = []
    for number, overrides in enumerate(job_overrides):
        plain = resumed_config(composer.plain(overrides), overrides)
        shown = shown and bool(plain["trainer"]["progress"])
        name = known.setdefault(identity(plain), folder_name(overrides, plain, varied))
        jobs.append(Job(number, tuple(overrides), _quiet(plain), folder / name))
    words = manifest.command_words(config.hydra.overrides)
    manifest.add_command(folder, words, (job.identity for job in jobs))
    with one_thread():
        return list(zip(jobs, WorkerPool(folder, shown).train(jobs), strict=True))


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
    """Return the config without a bar of its own: the sweep has one."""
    return {**config, "trainer": {**config["trainer"], "progress": False}}
