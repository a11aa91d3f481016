"""Where Hydra insists that its plugins live; the work is done in `lossladder.sweeps`.

Hydra imports this at every start: nothing heavy may stand at its top.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lossladder.checks import RequestError
from lossladder.cli.resolvers import own_conf, register_resolvers
from lossladder.sweeps.job import varied_keys
from lossladder.sweeps.lock import check_locks


class OwnConfig(SearchPathPlugin):
    """Puts config folders of one's own before the library's."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add them; none, unless `lossladder.main` or `lossladder.sweep` was given some."""
        for folder in reversed(own_conf):
            search_path.prepend("own", f"file://{folder}", "main")


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
        from lossladder.cli.hydra_job import bad_end, complain
        from lossladder.console import echo
        from lossladder.sweeps.launch import launch  # torch takes seconds: only now

        launched = launch(self.loader, self.config, job_overrides)
        before = sum(outcome.before for _, outcome in launched)
        if before:
            way = "name another folder with hydra.sweep.dir= to train them anew"
            echo(f"{before} of {len(launched)} runs were done before; {way}")
        for message in dict.fromkeys(outcome.message for _, outcome in launched):
            if message:
                complain(message)
        return [
            _return(
                job,
                outcome.loss,
                RequestError(outcome.message)
                if outcome.status == "wrong"
                else bad_end(outcome.status, job.folder),
            )
            for job, outcome in launched
        ]


def _return(job: Any, loss: float | None, error: BaseException | None) -> JobReturn:
    """Return what Hydra wants to know of a job."""
    return _QuietReturn(
        overrides=job.overrides,
        task_name="train",
        status=JobStatus.COMPLETED if error is None else JobStatus.FAILED,
        _return_value=loss if error is None else error,
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


class JobSweeper(Sweeper):
    """Makes the jobs of a sweep: every combination of values, in every setting of a list.

    Args:
        max_batch_size: jobs handed to the launcher at once; None: all.
        params: key -> values, as on the command line, which comes before them.
        jobs: settings, each a list of words: `[[optimizer.lr=0.1, model=rnn], [optimizer.lr=1]]`.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: DictConfig | None,
        jobs: Sequence[Sequence[str]] | None,
    ) -> None:
        self.max_batch_size = max_batch_size
        self.params = dict(params or {})
        self.settings = [list(words) for words in jobs or [[]]]

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives."""
        self.config = config
        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Launch all jobs.

        Raises:
            BaseException: how the first job that ended badly did so.
        """
        assert self.config is not None  # `setup` comes first
        assert self.launcher is not None
        check_locks()
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        jobs = list(self._jobs(arguments))
        if not jobs:
            raise RequestError("-m: asks for no run; is a range empty?")
        # before the launcher, which hands the resolvers on to wherever the jobs run
        register_resolvers(arguments, varied_keys(jobs))
        size = self.max_batch_size or len(jobs)
        starts = range(0, len(jobs), size)
        returns = [self.launcher.launch(jobs[first : first + size], first) for first in starts]
        for done in (each for batch in returns for each in batch):
            _ = done.return_value
        return returns

    def _jobs(self, arguments: Sequence[str]) -> Iterator[list[str]]:
        """Yield the words of each job."""
        parser = OverridesParser.create(config_loader=self.loader)
        asked = parser.parse_overrides(list(arguments))
        keys = {override.get_key_element() for override in asked}
        words = [f"{key}={value}" for key, value in self.params.items() if key not in keys]
        every = [_values(override) for override in (*parser.parse_overrides(words), *asked)]
        for setting in self.settings:
            for combination in product(*every):
                yield [*combination, *setting]


def _values(override: Override) -> list[str]:
    """Return a word of the command line for each value that it names."""
    key = override.get_key_element()
    if override.is_interval_sweep():
        raise RequestError(f"{key}: an interval has no end of values; name some, or use a range")
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [override.input_line or key]


@dataclass
class _LauncherConfig:
    _target_: str = "hydra_plugins.lossladder_launcher.StackedLauncher"


@dataclass
class _SweeperConfig:
    _target_: str = "hydra_plugins.lossladder_launcher.JobSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None
    jobs: list[list[str]] | None = None


_STORE = ConfigStore.instance()
_STORE.store(group="hydra/launcher", name="stacked", node=_LauncherConfig)
_STORE.store(group="hydra/sweeper", name="jobs", node=_SweeperConfig)
