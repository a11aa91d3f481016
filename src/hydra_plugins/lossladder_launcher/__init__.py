"""Where Hydra insists that its plugins live; the work is done in `lossladder.sweeps`.

Hydra imports this at every start: nothing heavy may stand at its top.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from importlib.util import find_spec
from itertools import chain, product
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

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
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lossladder.checks import RequestError, whole
from lossladder.cli.hydra_errors import each_value, quoted
from lossladder.cli.resolvers import own_conf, register_resolvers
from lossladder.lazy import loading
from lossladder.runs.atomic import atomic_write
from lossladder.runs.result import RunCutOffError, RunFailedError
from lossladder.sweeps.job import varied_keys
from lossladder.sweeps.lock import check_locks
from lossladder.sweeps.manifest import OF_HYDRA
from lossladder.sweeps.suite import Suite, choose_rate, network_name
from lossladder.training.config import check_keys, under_key

if TYPE_CHECKING:
    from lossladder.sweeps.cluster import Cluster
    from lossladder.sweeps.ray import Ray
    from lossladder.sweeps.slurm import Slurm


class OwnConfig(SearchPathPlugin):
    """The config folders of one's own, which come before the library's."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add them; none, unless `lossladder.main` or `lossladder.sweep` was given some."""
        # each goes to the front: the one named first is added last
        for by, folder in reversed(own_conf.items()):
            search_path.prepend(by, f"file://{folder}", "main")


class StackedLauncher(Launcher):
    """A launcher that trains jobs together, wherever they differ only in what members can."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra gives."""
        self.loader = hydra_context.config_loader
        self.config = config

    def cluster(self) -> "Cluster | None":
        """Return where workers are to train the jobs; None: here."""
        return None

    def _asked(self, kind: "type[Slurm | Ray]", extra: str, package: str) -> "Cluster":
        """Return the cluster that `launch` says, if what it needs is installed."""
        keys: Any = OmegaConf.to_container(self.config.launch, resolve=True)
        check_keys("launch.", keys, [each.name for each in fields(kind) if each.init])
        cluster = under_key("launch", lambda: kind(**keys))
        # a wrong key is told wherever the command is tried
        _check_installed(f"launch={extra}", package, extra)
        return cluster

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train all jobs."""
        setup_globals()
        from lossladder.cli.hydra_job import bad_end, complain
        from lossladder.console import echo
        from lossladder.sweeps.launch import launch

        launched = launch(self.loader, self.config, job_overrides, self.cluster())
        before = sum(outcome.before for _, outcome in launched)
        if before:
            way = "name another folder with hydra.sweep.dir= to train them anew"
            echo(f"{before} of {len(launched)} runs were done before; {way}")
        returns: list[JobReturn] = []
        # of a script that was only printed, nothing has come
        for words, (job, outcome) in zip(job_overrides, launched, strict=bool(launched)):
            error = bad_end(outcome.status, job.folder)
            if outcome.status == "wrong":
                complain(outcome.message)
                error = RequestError(outcome.message)
            done = JobReturn(overrides=words, task_name="train")
            done.status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
            done.return_value = outcome.loss if error is None else error
            returns.append(done)
        return returns


class SlurmLauncher(StackedLauncher):
    """A launcher that has jobs of Slurm's train, each as `StackedLauncher` would."""

    def cluster(self) -> "Cluster":
        """Return Slurm."""
        from lossladder.sweeps.slurm import Slurm

        return self._asked(Slurm, "slurm", package="submitit")


class RayLauncher(StackedLauncher):
    """A launcher that has tasks of Ray's train, each as `StackedLauncher` would."""

    def cluster(self) -> "Cluster":
        """Return Ray."""
        from lossladder.sweeps.ray import Ray

        return self._asked(Ray, "ray", package="ray")


class JobSweeper(Sweeper):
    """A sweeper over every combination of values, in every setting of a list or task of a suite.

    Args:
        max_batch_size: jobs handed to the launcher at once; None: all.
        params: key -> values, as on the command line; what that says of a key counts instead.
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
        # Hydra's own annotations allow for None, until `setup` has been called
        assert self.config is not None
        assert self.launcher is not None
        if self.max_batch_size is not None:
            key = "hydra.sweeper.max_batch_size"
            under_key(None, partial(whole, key, self.max_batch_size))
        jobs = list(self._jobs(arguments))
        if not jobs:
            raise RequestError("-m: asks for no run; is a range empty?")
        suite = None
        if (asked := self.config.get("suite")) is not None:
            plain: Any = OmegaConf.to_container(asked, resolve=True)
            suite = Suite.parse(plain)
            self._check_same(suite)
        self._begin()
        if suite is not None:
            return self._suite(arguments, suite, jobs)
        return self._launched(arguments, jobs)

    def _launched(
        self, arguments: Sequence[str], jobs: Sequence[Sequence[str]], passed_over: type = NoneType
    ) -> list[JobReturn]:
        """Launch jobs; `passed_over` is the kind of bad ends that do not end the command."""
        assert self.launcher is not None
        # before the launcher, which hands the resolvers on to wherever the jobs run; and again,
        # because only now is it known by which keys the runs are to be named
        register_resolvers(arguments, varied_keys(jobs))
        size = self.max_batch_size or len(jobs) or 1
        starts = range(0, len(jobs), size)
        batches = [self.launcher.launch(jobs[first : first + size], first) for first in starts]
        returns = list(chain.from_iterable(batches))
        # all jobs have had their turn; the first that ended badly ends the command. To ask for its
        # `return_value` would make Hydra print a line of its own, where all has been said
        for done in returns:
            error = done._return_value if done.status == JobStatus.FAILED else None
            over = isinstance(error, passed_over) and not isinstance(error, RunCutOffError)
            if error is not None and not over:
                error.add_note(f"in the job {done.overrides}")
                raise error
        return returns

    def _suite(
        self, arguments: Sequence[str], suite: Suite, networks: Sequence[Sequence[str]]
    ) -> list[JobReturn]:
        """Choose a learning rate for each network and task, then launch the runs to report."""
        assert self.config is not None
        model = str(self.config.hydra.runtime.choices.model)
        tried: list[tuple[list[str], list[tuple[float, list[str]]]]] = []
        names: dict[str, Sequence[str]] = {}
        for (entry, words), own in product(suite.entries().items(), networks):
            chosen = [word.partition("=")[2] for word in own if word.startswith("model=")]
            name = network_name(own, chosen[-1] if chosen else model)
            names[name] = own
            # what the command line says counts more than what the suite does
            tags = [f"+suite.entry={quoted(entry)}", f"+suite.network={quoted(name)}"]
            tried.append(([*suite.words, *words, *own, *tags], suite.tuning_jobs(entry)))
        jobs = [[*words, *run] for words, runs in tried for _, run in runs]
        # that a learning rate is too high is what is to be found out
        launched = self._launched(arguments, jobs, passed_over=RunFailedError)
        if jobs and not launched:
            return []  # a script for a cluster was only printed
        ends = iter(launched)
        reported: list[list[str]] = []
        for words, runs in tried:
            losses = [(rate, _loss(next(ends))) for rate, _ in runs]
            rate = choose_rate(losses) if losses else suite.learning_rates[0]
            reported += [[*words, *run] for run in suite.reported_jobs(rate)]
        ends = self._launched(arguments, reported)
        if OmegaConf.select(self.config, "passport.bits"):
            for name, own in names.items():
                self._of_few_bits(arguments, suite, name, own)
        return ends

    def _of_few_bits(
        self, arguments: Sequence[str], suite: Suite, network: str, own: Sequence[str]
    ) -> None:
        """Launch the runs of a network that show loss against bits of state, if it can keep few."""
        assert self.config is not None
        parser = OverridesParser.create(config_loader=self.loader)
        jobs: list[list[str]] = []
        for panel, words in suite.bits.items():
            tags = [f"+suite.panel={quoted(panel)}", f"+suite.network={quoted(network)}"]
            # sizes and seeds are these, whatever the others have
            every = map(each_value, parser.parse_overrides(list(words)))
            jobs += [[*suite.words, *own, *each, *tags] for each in product(*every)]
        # torch takes seconds: only now
        from lossladder.console import note
        from lossladder.sweeps.compose import Composer
        from lossladder.training.build import build

        try:
            for job in jobs[:1]:
                build(Composer(self.loader, self.config).plain(job))
        except RequestError as error:
            note(f"{network} is not shown by bits of state: {error}")
        else:
            self._launched(arguments, jobs, passed_over=RunFailedError)

    def _check_same(self, suite: Suite) -> None:
        """Refuse a folder whose learning rates were chosen otherwise: a seed would count twice."""
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        for key in ("learning_rates", "tuning_seeds"):
            now = before = getattr(suite, key)
            # a record that cannot be read says nothing
            with suppress(OSError, YAMLError, OmegaConfBaseException):
                before = OmegaConf.select(OmegaConf.load(folder / OF_HYDRA), f"suite.{key}")
            if before not in (now, None):
                raise RequestError(
                    f"suite.{key}={now}: was {before} in {folder}; name another folder with "
                    "hydra.sweep.dir="
                )

    def _begin(self) -> None:
        """Make the folder of the sweep."""
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        check_locks(folder)
        # a sweep that is done can be looked at where nothing can be written
        with suppress(OSError), atomic_write(folder / OF_HYDRA) as scratch:
            OmegaConf.save(self.config, scratch)

    def _parsed(self, arguments: Sequence[str]) -> list[Override]:
        """Return what is asked for, by the config and the command line."""
        parser = OverridesParser.create(config_loader=self.loader)
        asked = parser.parse_overrides(list(arguments))
        keys = {override.get_key_element() for override in asked}
        words = [f"{key}={value}" for key, value in self.params.items() if key not in keys]
        return [*parser.parse_overrides(words), *asked]

    def _jobs(self, arguments: Sequence[str]) -> Iterator[list[str]]:
        """Yield the words of each job."""
        every = [each_value(override) for override in self._parsed(arguments)]
        for setting in self.settings:
            for combination in product(*every):
                yield [*combination, *setting]


class SearchSweeper(JobSweeper):
    """A sweeper that asks Optuna which settings to try; see `lossladder.sweeps.search`.

    Args:
        params: as of `JobSweeper`.
    """

    def __init__(self, params: DictConfig | None) -> None:
        super().__init__(None, params, None)

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Raises:
            RequestError: if nothing is searched, or Optuna is not there.
        """
        assert self.config is not None
        assert self.launcher is not None
        _check_installed("search=optuna", "optuna", "search")

        # torch takes seconds: only now
        with loading():
            from lossladder.sweeps.search import Search, SearchedKey

        keys: dict[str, SearchedKey] = {}
        words: list[str] = []
        for override in self._parsed(arguments):
            key = override.get_key_element()
            if key == "seed" and override.is_sweep_override():
                raise RequestError(
                    f"{override.input_line}: is not searched; search.seeds= says how many each "
                    "trial has, from seed= on"
                )
            if override.is_sweep_override():
                keys[key] = SearchedKey.parse(override)
            elif key != "seed" and key.partition(".")[0] != "search":
                words += each_value(override)
        if not keys:
            raise RequestError(
                "search=optuna: no key to search; give one a range, as in "
                "'optimizer.lr=tag(log,interval(1e-4,1e-1))' or 'model.hidden_size=choice(4,8,16)'"
            )
        launcher = self.launcher

        def launch(jobs: list[list[str]]) -> list[RequestError | None]:
            register_resolvers(arguments, varied_keys(jobs))
            ends = [done._return_value for done in launcher.launch(jobs, 0)]
            return [end if isinstance(end, RequestError) else None for end in ends]

        search = Search(self.loader, self.config, keys, words, launch)
        self._begin()
        search.run()


def _check_installed(word: str, package: str, extra: str) -> None:
    """Refuse a word of the command line that needs a package which is not there."""
    if find_spec(package) is None:
        raise RequestError(
            f"{word}: {package} is not installed: pip install -e '.[{extra}]' in a checkout, or "
            f"'lossladder[{extra}]'"
        )


def _loss(done: JobReturn) -> float:
    """Return the loss of a run; no number where it ended badly."""
    loss: Any = done._return_value
    return float(loss) if done.status == JobStatus.COMPLETED and loss is not None else math.nan


@dataclass
class _SweeperConfig:
    _target_: str = "hydra_plugins.lossladder_launcher.JobSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None
    jobs: list[list[str]] | None = None


_STORE = ConfigStore.instance()
for _name, _launcher in (("stacked", "Stacked"), ("slurm", "Slurm"), ("ray", "Ray")):
    _node = {"_target_": f"hydra_plugins.lossladder_launcher.{_launcher}Launcher"}
    _STORE.store(group="hydra/launcher", name=_name, node=_node)
_STORE.store(group="hydra/sweeper", name="jobs", node=_SweeperConfig)
_STORE.store(
    group="hydra/sweeper",
    name="search",
    node={"_target_": "hydra_plugins.lossladder_launcher.SearchSweeper", "params": None},
)
