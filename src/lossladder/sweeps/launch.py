"""From a command line to the outcomes of its jobs."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from lossladder.sweeps.asked import note_asked
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
    jobs: list[Job] = []
    for number, overrides in enumerate(job_overrides):
        plain = resumed(composer.plain(overrides), overrides)
        name = known.setdefault(identity(plain), folder_name(overrides, plain))
        jobs.append(Job(number, tuple(overrides), plain, folder / name))
    asked = config.hydra.overrides
    words = [*asked.task, *(word for word in asked.hydra if not word.startswith("hydra.mode="))]
    note_asked(folder, words, [job.identity for job in jobs])
    shown = all(job.config["trainer"]["progress"] for job in jobs)
    quiet = [_quiet(job) for job in jobs]
    return list(zip(jobs, Sweep(folder, alone, shown).train(quiet), strict=True))


def _quiet(job: Job) -> Job:
    """The same job without a bar of its own: the sweep has one."""
    trainer = {**job.config["trainer"], "progress": False}
    return Job(job.number, job.overrides, {**job.config, "trainer": trainer}, job.folder)
