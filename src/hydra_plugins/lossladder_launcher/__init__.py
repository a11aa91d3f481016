"""Where Hydra insists that a launcher lives; the work is done in `lossladder.sweeps`.

Hydra imports this at every start: nothing heavy may stand at its top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class StackedLauncher(Launcher):
    """Trains the jobs of a sweep together, wherever they differ only in what members can."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives."""
        self.loader = hydra_context.config_loader
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train all jobs."""
        setup_globals()
        from lossladder.said import WRONG, ended_badly, say, tell
        from lossladder.sweeps.launch import launch  # torch takes seconds: only now
        from lossladder.train import train

        launched = launch(self.loader, self.config, job_overrides, train)
        before = sum(outcome.before for _, outcome in launched)
        if before:
            told = "name another folder with hydra.sweep.dir= to train them anew"
            tell(f"{before} of {len(launched)} runs were done before; {told}")
        for message in dict.fromkeys(outcome.message for _, outcome in launched):
            if message:
                say(message, WRONG)
        return [
            _return(job, outcome, ended_badly(outcome.status, job.folder))
            for job, outcome in launched
        ]


def _return(job: Any, outcome: Any, error: BaseException | None) -> JobReturn:
    """What Hydra wants to know of a job."""
    return _QuietReturn(
        overrides=job.overrides,
        task_name="train",
        status=JobStatus.COMPLETED if error is None else JobStatus.FAILED,
        _return_value=outcome.loss if error is None else error,
    )


class _QuietReturn(JobReturn):
    """Hydra's own prints the words of the first job that failed; a sweep sums up all of them."""

    @property
    def return_value(self) -> Any:
        """The loss.

        Raises:
            BaseException: how the job ended, if it did so badly.
        """
        if self.status == JobStatus.COMPLETED:
            return self._return_value
        raise self._return_value


class TrustingSweeper(BasicSweeper):
    """Hydra's own, but that jobs are composed once: the launcher composes all before it begins."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher."""


@dataclass
class _LauncherConfig:
    _target_: str = "hydra_plugins.lossladder_launcher.StackedLauncher"


@dataclass
class _SweeperConfig:
    _target_: str = "hydra_plugins.lossladder_launcher.TrustingSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None


_STORE = ConfigStore.instance()
_STORE.store(group="hydra/launcher", name="stacked", node=_LauncherConfig)
_STORE.store(group="hydra/sweeper", name="trusting", node=_SweeperConfig)
