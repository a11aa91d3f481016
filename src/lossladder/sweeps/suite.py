"""A suite: the tasks on which it is asked what a network can do, as conf/suite has them."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any

from lossladder import checks
from lossladder.checks import RequestError
from lossladder.sweeps.job import is_beside, key_of
from lossladder.training.config import check_keys, under_key

# seeds by which learning rates are chosen; those that are reported begin at 0
FIRST_TUNING_SEED = 1000
# what the suite says of each of its runs itself -> by what one says it instead
_OWN = {
    "task": "suite.tasks", "experiment": "suite.tasks", "seed": "suite.seeds",
    "optimizer.lr": "suite.learning_rates",
}  # fmt: skip


@dataclass(frozen=True)
class Suite:
    """What is asked of a network.

    Args:
        tasks: level -> name -> words of the command line.
        words: of every task; those of the command line count more.
        seeds: reported, from 0 on.
        tuning_seeds: others, from 1000 on, by which the learning rate is chosen.
        learning_rates: to choose from; of a single one nothing is tried before.
        network: name of the network of a run; None: that of its model.
        entry: level and name of the task of a run, which the suite writes into its config.
        bits: panel -> words, some with several values, of the runs that show loss against bits.
        panel: of a run; None: it is none of those.
    """

    tasks: Mapping[str, Mapping[str, Sequence[str]] | None]
    words: Sequence[str]
    seeds: int
    tuning_seeds: int
    learning_rates: Sequence[float]
    network: str | None = None
    entry: str | None = None
    bits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    panel: str | None = None

    @classmethod
    def parse(cls, config: Mapping[str, Any], words: Sequence[str] = ()) -> "Suite":
        """Return the suite that the part `suite` of a config describes.

        Args:
            config: plain values.
            words: of the command line; refused are those that the suite says itself.
        Raises:
            RequestError: naming the key, what came, what is allowed.
        """
        for word in words:
            if (key := key_of(word)) in _OWN:
                raise RequestError(f"{word}: the suite decides it; change {_OWN[key]}")
        keys = [field.name for field in fields(cls)]
        check_keys("suite.", config, keys, needed=keys[:5])
        # from there on seeds are those that choose
        under_key("suite", lambda: checks.whole("seeds", config["seeds"], 1, FIRST_TUNING_SEED))
        under_key("suite", lambda: checks.whole("tuning_seeds", config["tuning_seeds"]))
        rates = config["learning_rates"]
        if not isinstance(rates, list) or not rates:
            raise RequestError(
                f"suite.learning_rates={rates}: must be a list of one or more: [0.003, 0.01]"
            )
        for rate in rates:
            under_key("suite", lambda rate=rate: checks.real("learning_rates", rate, above=0))
        tasks, bits = config["tasks"], config.get("bits") or {}
        _check_names("suite.tasks", tasks)
        for level, named in tasks.items():
            # null leaves out a level that a suite has taken over from another
            if named is not None:
                _check_names(f"suite.tasks.{level}", named)
        if bits:
            _check_names("suite.bits", bits)
        entries = _entries(tasks)
        own = {"words": config["words"], **entries}
        for key, listed in [*own.items(), *bits.items()]:
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise RequestError(f"suite {key}={listed}: must be a list of words: [task=echo]")
        for key, listed in own.items():
            for word in listed:
                if key_of(word) in ("seed", "optimizer.lr"):
                    way = _OWN[key_of(word)]
                    raise RequestError(f"suite {key}: {word}: leave it out; change {way}")
        if not entries:
            raise RequestError("suite.tasks: names no task")
        return cls(**{**config, "bits": bits})

    def entries(self) -> dict[str, Sequence[str]]:
        """Return level/name -> words of each task.

        >>> Suite({"easy": {"echo": ["task=echo"]}}, [], 5, 2, [0.01]).entries()
        {'easy/echo': ['task=echo']}
        """
        return _entries(self.tasks)

    def tuning_jobs(self, entry: str) -> list[tuple[float, list[str]]]:
        """Return (learning rate, words) of each run by which that of a task is chosen."""
        if len(self.learning_rates) == 1:
            return []
        seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + self.tuning_seeds)
        return [(rate, _run(rate, seed)) for rate, seed in product(self.learning_rates, seeds)]

    def reported_jobs(self, rate: float) -> Iterator[list[str]]:
        """Yield the words of each run that is reported of a task."""
        return (_run(rate, seed) for seed in range(self.seeds))


def _entries(tasks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{level}/{name}": words
        for level, named in tasks.items()
        for name, words in (named or {}).items()
    }


def _check_names(key: str, named: Any) -> None:
    """Refuse anything but names that a folder and a page can have, each with what belongs to it."""
    if not isinstance(named, Mapping) or not named:
        raise RequestError(f"{key}={named}: must map names to what belongs to them")
    for name in named:
        if "/" in str(name):
            raise RequestError(f"{key}: {name}: is no name; leave out the /")


def _run(rate: float, seed: int) -> list[str]:
    return [f"optimizer.lr={rate}", f"seed={seed}"]


def choose_rate(tried: Sequence[tuple[float, float]]) -> float:
    """Return the learning rate with the least median loss.

    Args:
        tried: (learning rate, loss) of each run; no number where it has none.

    >>> choose_rate([(0.01, 0.5), (0.01, 0.7), (0.1, 0.1), (0.1, float("nan"))])
    0.01
    """
    losses: dict[float, list[float]] = {}
    for rate, loss in tried:
        losses.setdefault(rate, []).append(math.inf if math.isnan(loss) else loss)
    # the first of equals: what is lower in the list is safer
    return min(losses, key=lambda rate: statistics.median(losses[rate]))


def network_name(words: Sequence[str], model: str) -> str:
    """Return what a network is called, from the words that chose it.

    Args:
        words: of the command line.
        model: the choice in `conf/model`.

    >>> network_name(["suite=quick", "model=diagonal", "model.range=unit"], "diagonal")
    'diagonal (range unit)'
    >>> network_name(["model=lstm", "trainer.threads=2", "engine=fused"], "lstm")
    'lstm'
    """
    pairs = (word.lstrip("+").partition("=") for word in words if not is_beside(word))
    own = [
        f"{key.rpartition('.')[2].replace('_', ' ')} {value}"
        for key, _, value in pairs
        if key not in ("model", "engine", "suite") and not key.startswith("suite.")
        if value != "null"  # what is taken away from a suite is no part of a name
    ]
    return f"{model} ({', '.join(own)})" if own else model
