"""A sweep from its command line to the outcomes of its jobs."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from lossladder import console
from lossladder.checks import RequestError
from lossladder.lazy import loading
from lossladder.runs.folder import CONFIG
from lossladder.runs.identity import identity
from lossladder.runs.resume import resumed_config
from lossladder.sweeps import manifest
from lossladder.sweeps.cluster import FOLDER, Cluster, Workers
from lossladder.sweeps.compose import Composer
from lossladder.sweeps.job import Job, JobOutcome, folder_name, job_folders, varied_keys
from lossladder.sweeps.slurm import Slurm
from lossladder.training.config import TrainerConfig, check_config


def launch(
    loader: ConfigLoader,
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    cluster: Cluster | None = None,
) -> list[tuple[Job, JobOutcome]]:
    """Train the jobs of a sweep, each asked for by its words, together where they can be.

    Args:
        loader: Hydra's.
        config: of the sweep.
        job_overrides: the words of each job.
        cluster: whose workers train them; None: here.
    Raises:
        RequestError: if the folder is that of a run, or there is no such cluster here.
    """
    folder = sweep_folder(config)
    composer, known = Composer(loader, config), job_folders(folder)
    varied = varied_keys(job_overrides)
    shown = True
    jobs: list[Job] = []
    for number, overrides in enumerate(job_overrides):
        plain = resumed_config(composer.plain(overrides), overrides)
        # what is read before the jobs are built, and not only by the one that is wrong
        check_config(plain)
        TrainerConfig.check(plain["trainer"])
        # a run draws no bar of its own: the sweep has one
        shown = shown and plain["trainer"]["progress"] is True
        if plain["trainer"]["progress"] is True:
            plain["trainer"] = {**plain["trainer"], "progress": False}
        # two jobs that come to the same config, in whatever words, are one run in one folder
        name = known.setdefault(identity(plain), folder_name(overrides, plain, varied))
        jobs.append(Job(number, plain, folder / name))
    if isinstance(cluster, Slurm) and cluster.dry:
        count = Workers(cluster, folder, shown).count(jobs)
        console.echo(cluster.script(count, folder / FOLDER))
        return []
    # before the first of them begins: a report of a sweep that was killed knows what is missing
    words = manifest.command_words(config.hydra)
    manifest.add_command(folder, words, (job.identity for job in jobs))
    if cluster is not None:
        outcomes = Workers(cluster, folder, shown).train(jobs)
    else:
        with loading():
            from lossladder.sweeps.pool import WorkerPool, one_thread

        with one_thread():
            outcomes = WorkerPool(folder, shown).train(jobs)
    return list(zip(jobs, outcomes, strict=True))


def sweep_folder(config: DictConfig) -> Path:
    """Return the folder of a sweep.

    Raises:
        RequestError: if it is that of a run.
    """
    folder = Path(config.hydra.sweep.dir).absolute()
    if (folder / CONFIG).exists():
        raise RequestError(f"hydra.sweep.dir={folder}: is the folder of a run; choose another")
    return folder
