"""A search: settings asked of Optuna in batches, each batch trained as a sweep of several seeds.

What is asked for depends on the batches before and on nothing else: a search that was killed asks
again for what it was at, and processes that share its folder ask for the same.
"""

import json
import math
import statistics
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from lossladder import checks, console
from lossladder.checks import RequestError
from lossladder.runs.atomic import atomic_write
from lossladder.runs.identity import identity
from lossladder.runs.result import Result, RunFailedError, read_result
from lossladder.sweeps import manifest
from lossladder.sweeps.compose import Composer
from lossladder.sweeps.job import job_folders
from lossladder.sweeps.launch import sweep_folder
from lossladder.sweeps.lock import job_lock
from lossladder.training.build import build
from lossladder.training.config import check_keys, under_key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# no job has this byte of the sweep's locks: identities have a digit less
_STUDY = "1000000000000"
_DIGITS = 4  # of a number that is tried: a person can type it, and it is the one that was trained


@dataclass(frozen=True)
class SearchConfig:
    """The part `search` of a config; conf/search/optuna.yaml says what each key means."""

    trials: int
    seeds: int
    batch: int
    halvings: int

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "SearchConfig":
        """Check the part.

        Raises:
            RequestError: naming the key, what came and what is allowed.
        """
        keys = [field.name for field in fields(cls)]
        check_keys("search.", config, keys, needed=keys)
        for key in keys:
            least = 0 if key == "halvings" else 1
            under_key("search", lambda k=key, n=least: checks.whole(k, config[k], n))
        return cls(**config)


@dataclass(frozen=True)
class SearchedKey:
    """What a key may be set to: one of some words, or a number.

    Args:
        choices: as on the command line; none: a number.
        low: the least number.
        high: the largest.
        step: from a number to the next; None: there are others between any two.
        log: whether factors count, and not differences.
    """

    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @classmethod
    def parse(cls, override: Override) -> "SearchedKey":
        """Return what a word of the command line says.

        Raises:
            RequestError: if that is no range of numbers.
        """
        value: Any = override.value()
        word, log = override.input_line, value.tags == {"log"}
        if value.tags and not log:
            raise RequestError(f"{word}: its tag must be log, as in tag(log,interval(1e-4,1e-1))")
        if isinstance(value, IntervalSweep):
            low, high = value.start or 0, value.end or 0
            key = cls(low=low, high=high, step=1 if isinstance(low, int) else None, log=log)
        elif isinstance(value, RangeSweep):
            numbers = sorted(value.range())
            low, high = (numbers[0], numbers[-1]) if numbers else (0, -1)
            key = cls(low=low, high=high, step=abs(value.step), log=log)
        else:
            if log:
                raise RequestError(f"{word}: choices have no order; leave tag(log, …) out")
            return cls(choices=tuple(dict.fromkeys(override.sweep_string_iterator())))
        if not key.low <= key.high:
            raise RequestError(f"{word}: its first number must be below its last")
        if key.log and (key.low <= 0 or key.step not in (None, 1)):
            raise RequestError(f"{word}: on a log scale numbers must be above 0, with no step")
        return key

    def distribution(self) -> "BaseDistribution":
        """Return the same in Optuna's words."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        if isinstance(self.low, int) and isinstance(self.step, int):
            high = int(self.high)
            return distributions.IntDistribution(self.low, high, log=self.log, step=self.step)
        return distributions.FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def rounded(self, value: Any) -> Any:
        """Return a value that was asked for as one that a person would type.

        >>> SearchedKey(low=1e-4, high=0.3).rounded(0.012345678)
        0.01235
        """
        if self.choices or self.step is not None:
            return value
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


class Search:
    """A study of Optuna's in the folder of a sweep, whose trials are settings of that sweep.

    Args:
        loader: Hydra's.
        config: of the sweep, as Hydra composed it.
        keys: that are searched.
        words: of the command line that all jobs share.
        launch: trains jobs, given the words of each; returns what was wrong with each request.
    """

    def __init__(
        self,
        loader: ConfigLoader,
        config: DictConfig,
        keys: Mapping[str, SearchedKey],
        words: Sequence[str],
        launch: Callable[[list[list[str]]], list[RequestError | None]],
    ) -> None:
        part: Any = OmegaConf.to_container(config.search, resolve=True)
        self.asked = SearchConfig.parse(part)
        self.folder = sweep_folder(config)
        # whatever the order of the words, the sampler draws for them in this one
        self.keys = {key: keys[key] for key in sorted(keys)}
        self.words = list(words)
        self.seed = under_key(None, lambda: checks.whole("seed", config.seed, 0))
        self.composer = Composer(loader, config)
        self.launch = launch
        self.halvings = self._halvings(config.trainer.validate_every)

    def _halvings(self, every: int | None) -> list[int]:
        """Return the updates at which the worse half stops; see to it that runs are validated then.

        Raises:
            RequestError: if the first value of each key makes no run.
        """
        first = {key: own.choices[0] if own.choices else own.low for key, own in self.keys.items()}
        plain = self.composer.plain(self._overrides(first, self.seed))
        # in whatever words it was asked for, and however it is watched
        self.identity = identity(plain)
        updates = build(plain).data.schedule.updates
        parts = 2**self.asked.halvings
        if every is None and parts > 1:
            every = max(1, math.ceil(updates / parts))
            self.words.append(f"trainer.validate_every={every}")
        at = {
            max(1, round(updates / 2**n / (every or 1))) for n in range(1, self.asked.halvings + 1)
        }
        return sorted(update for place in at if (update := place * (every or 1)) < updates)

    def run(self) -> None:
        """Do what is left of the search.

        Raises:
            RequestError: if the folder holds another search, or no run can be made of any trial.
            RunFailedError: if runs were cut off from outside, or no trial came to a good end.
        """
        asked = self.asked
        for first in range(0, asked.trials, asked.batch):
            with self._study() as study:
                trials = self._ask(study, first, min(asked.batch, asked.trials - first))
                above = self._stop_above(study, first)
            if all(trial.state.is_finished() for trial in trials):
                continue
            jobs = [
                [*self._overrides(trial.params, seed), *above]
                for trial in trials
                for seed in range(self.seed, self.seed + asked.seeds)
            ]
            wrong = self.launch(jobs)
            if not wrong:
                return  # a script for a cluster was only printed
            if first == 0 and all(wrong) and wrong[0]:
                raise wrong[0]
            left = self._left(jobs, wrong)
            with self._study() as study:
                for place, trial in enumerate(trials):
                    own = left[place * asked.seeds : (place + 1) * asked.seeds]
                    self._tell(study, trial, own)
                record = self._record(study)
            best = record["trials"][0]
            if best["above_floor"] is not None:
                setting = " ".join(f"{key}={value}" for key, value in best["setting"].items())
                told = f"{best['above_floor']:.4g} above the floor with {setting}"
                console.note(f"{first + len(trials)} of {asked.trials} trials; best: {told}")
        with self._study() as study:
            record = self._record(study)
        if record["trials"][0]["above_floor"] is None:
            raise RunFailedError(
                f"no trial came to a good end; see {console.relative(self.folder)}"
            )

    def _overrides(self, setting: Mapping[str, Any], seed: int) -> list[str]:
        return [*self.words, *(f"{key}={value}" for key, value in setting.items()), f"seed={seed}"]

    # --- Optuna's part ------------------------------------------------------------------------

    @contextmanager
    def _study(self) -> Iterator["Study"]:
        """Yield the study as it stands; no other process of ours changes it meanwhile.

        Raises:
            RequestError: if it is that of another search.
        """
        import optuna
        from optuna.storages import journal

        level, path = optuna.logging.get_verbosity(), self.folder / manifest.STUDY
        with job_lock(self.folder, _STUDY, wait=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            # what a power cut has left of the last line would be glued to the next one
            if path.exists() and not (kept := path.read_bytes()).endswith(b"\n"):
                with path.open("r+b") as file:
                    file.truncate(kept.rfind(b"\n") + 1)
            try:
                held: Any = _HeldLock()  # has what Optuna asks of a lock
                backend = journal.JournalFileBackend(str(path), held)
                storage = optuna.storages.JournalStorage(backend)
                study = optuna.create_study(
                    study_name="lossladder", storage=storage, load_if_exists=True
                )
                self._check_same(study)
                yield study
            finally:
                optuna.logging.set_verbosity(level)

    def _check_same(self, study: "Study") -> None:
        keys = {key: asdict(own) for key, own in self.keys.items()}
        own = {**asdict(self.asked), "seed": self.seed, "keys": keys, "config": self.identity}
        # more of the same is no other search; and as JSON keeps it, which knows no tuples
        own = json.loads(json.dumps({k: v for k, v in own.items() if k != "trials"}))
        kept = study.user_attrs.get("asked")
        if kept is None:
            study.set_user_attr("asked", own)
        elif kept != own:
            other = ", ".join(key for key in own if kept.get(key) != own[key])
            raise RequestError(
                f"hydra.sweep.dir={self.folder}: holds a search with other {other}; choose another"
            )

    def _ask(self, study: "Study", first: int, count: int) -> list["FrozenTrial"]:
        """Return the trials of a batch; those that are not there yet are asked for.

        They are asked of a copy that knows the trials before the batch only: how far another
        process, or one that was killed, had come with it changes nothing.
        """
        import optuna

        kept = study.get_trials(deepcopy=False)
        if len(kept) < first + count:
            space = {key: own.distribution() for key, own in self.keys.items()}
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=self.asked.batch,
                seed=zlib.crc32(f"{self.seed} {first}".encode()),
            )
            copy = optuna.create_study(sampler=sampler)
            copy.add_trials(kept[:first])
            for number in range(first, first + count):
                found = copy.ask(space).params
                if number >= len(kept):
                    params = {key: own.rounded(found[key]) for key, own in self.keys.items()}
                    running = optuna.trial.TrialState.RUNNING
                    study.add_trial(
                        optuna.create_trial(state=running, params=params, distributions=space)
                    )
        return study.get_trials(deepcopy=False)[first : first + count]

    def _tell(self, study: "Study", trial: "FrozenTrial", left: Sequence["_Member"]) -> None:
        """Tell how a trial ended: the median of its members, of which some may have failed."""
        import optuna

        if trial.state.is_finished():
            return
        attributes = {
            "above_floor": [None if math.isinf(own.above) else own.above for own in left],
            "statuses": [own.status for own in left],
            "folders": [own.folder for own in left],
            "halvings": {
                str(at): [own.at[at] for own in left if at in own.at] for at in self.halvings
            },
        }
        for key, value in attributes.items():
            optuna.Trial(study, trial._trial_id).set_user_attr(key, value)
        study.tell(
            trial.number, statistics.median(own.above for own in left), skip_if_finished=True
        )

    def _stop_above(self, study: "Study", first: int) -> list[str]:
        """Return the word that stops the members of a batch that fall behind those of before.

        Halving goes by what the batches before had reached at the same update, their median, so
        that no member waits for another, and each run's own config says where it stops.
        """
        limits: list[str] = []
        for update in self.halvings:
            seen = [
                distance
                for trial in study.get_trials(deepcopy=False)[:first]
                for distance in trial.user_attrs["halvings"][str(update)]
            ]
            if seen:
                # it lies above some rounding, and not below 0, however good they were
                limits.append(f"{update}:{max(statistics.median(seen), 0.0):.{_DIGITS}g}")
        return [f"trainer.stop_above={{{','.join(limits)}}}"] if limits else []

    # --- what the runs left -------------------------------------------------------------------

    def _left(
        self, jobs: Sequence[Sequence[str]], wrong: Sequence[RequestError | None]
    ) -> list["_Member"]:
        """Return what came of each job.

        Raises:
            RunFailedError: if one has not ended, by nothing of its own.
        """
        folders, members = job_folders(self.folder), []
        for words, error in zip(jobs, wrong, strict=True):
            name = folders.get(identity(self.composer.plain(words)), "")
            result = read_result(self.folder / name) if name and error is None else None
            # one whose process died again and again has a result without a loss
            cut_off = isinstance(result, Result) and result.status == "interrupted"
            if error is None and (
                not isinstance(result, Result) or (cut_off and result.loss is not None)
            ):
                raise RunFailedError(
                    f"{name or ' '.join(words)}: was cut off; the same command goes on"
                )
            members.append(_Member(name, result if isinstance(result, Result) else None))
        return members

    def _record(self, study: "Study") -> dict[str, Any]:
        """Write and return what a report reads: the trials that have ended, the best first."""
        trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
        trials.sort(key=lambda trial: (trial.value, trial.number))
        record = {
            "keys": {key: asdict(own) for key, own in self.keys.items()},
            "seeds": self.asked.seeds,
            "asked": self.asked.trials,
            "trials": [
                {
                    "number": trial.number,
                    "setting": trial.params,
                    "above_floor": trial.value if math.isfinite(trial.values[0]) else None,
                    "members": trial.user_attrs["above_floor"],
                    "statuses": trial.user_attrs["statuses"],
                    "folders": trial.user_attrs["folders"],
                }
                for trial in trials
            ],
        }
        with atomic_write(self.folder / manifest.SEARCH) as scratch:
            scratch.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
        return record


class _Member:
    """What a search asks of a run: how far above the floor it ended, and was at its validations."""

    def __init__(self, folder: str, result: Result | None) -> None:
        self.folder, self.status = folder, result.status if result else "wrong"
        self.above, self.at = math.inf, dict[int, float]()
        if result is None or result.floor is None:
            return
        # whatever else a run ended by, it has learnt nothing that can be used
        if result.status in ("done", "stopped") and result.above_floor is not None:
            self.above = result.above_floor
        losses = zip(result.validation.updates, result.validation.loss, strict=True)
        self.at = {at: loss - result.floor for at, loss in losses if math.isfinite(loss)}


class _HeldLock:
    """The lock of a journal whose file is ours already; see `Search._study`."""

    def acquire(self) -> bool:
        """Return that it is held."""
        return True

    def release(self) -> None:
        """Do nothing: a process that dies leaves no lock behind that others would wait for."""
