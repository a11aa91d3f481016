"""Wrong requests, found before Hydra runs: each answered in one line with the way out.

The words of the command line are parsed with Hydra's own parser and held against the config that
they would change; nothing is read out of the prose of Hydra's complaints.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, Quote, QuotedString
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lossladder.checks import RequestError
from lossladder.sweeps.job import key_of
from lossladder.sweeps.suite import Suite
from lossladder.training.config import LIGHTNING_KEYS, meant

_FOLDERS = ("hydra.sweep.dir", "hydra.run.dir", "logs")  # the more particular first
# Hydra's own, by which runs or what belongs to them would lie elsewhere than where they are looked
# for: key -> what it may be, and what to do instead of anything else
_FIXED = {
    "job.chdir": ((None, False), "leave it out, and start the command in the folder you want"),
    "output_subdir": ((None,), "leave it out: config.yaml in the folder of a run says more"),
    "sweep.subdir": (
        ("${lossladder.job_folder:}",),
        "leave it out: a sweep knows its runs by their folders; hydra.sweep.dir= names its own",
    ),
}
_MAY_BE_MISSING = ("experiment", "suite")
_SAY_THEMSELVES = (RequestError, HydraException, OmegaConfBaseException, YAMLError, OSError)
MULTIRUN = "hydra.mode=MULTIRUN"
_WORDS = ("null", "true", "false", "nan", "inf")  # that Hydra reads as values, not as texts


def check(words: Sequence[str], loader: ConfigLoader, multirun: bool, name: str) -> DictConfig:
    """Refuse what Hydra would refuse, or misunderstand, in our words.

    Args:
        words: of the command line, options left aside.
        loader: Hydra's.
        multirun: whether a sweep was asked for.
        name: of the primary config.
    Returns:
        The config that the words ask for, `hydra` included, as far as it does not vary.
    Raises:
        RequestError: naming the key, what came, what is allowed and the way out.
    """
    overrides = _parse([*words, MULTIRUN] if multirun else words, loader)
    if multirun:  # in the order in which Hydra asks for jobs, whose configs are then known already
        overrides.sort(key=lambda override: not override.is_hydra_override())
    first = _check_words(overrides, loader, name)
    sweep = multirun or first.hydra.mode == RunMode.MULTIRUN
    for override in overrides:
        if override.is_sweep_override() and not sweep:
            raise RequestError(
                f"{override.input_line}: more than one value; add -m for a sweep over them"
            )
    # of these words Hydra makes the run or the sweep afterwards: the loader remembers what they are
    asked, mode = ([*words, MULTIRUN], RunMode.MULTIRUN) if sweep else ([*words], RunMode.RUN)
    config = loader.load_configuration(name, asked, mode)
    HydraConfig.instance().set_config(config)  # whatever is asked of it by ${hydra:}
    _check_fixed(config)
    # a run would be made here, and what was wished passed over in silence
    if "launch" in config and not sweep:
        chosen_launch = config.hydra.runtime.choices.launch
        raise RequestError(f"launch={chosen_launch}: is for a sweep, also one of one run; add -m")
    if "search" in config and not sweep:  # hundreds of runs
        chosen_search = config.hydra.runtime.choices.search
        raise RequestError(f"search={chosen_search}: a search is a sweep; add -m")
    for override in overrides:
        if override.key_or_group.startswith("passport."):
            if OmegaConf.select(first, "suite") is None:
                raise RequestError(f"{override.input_line}: is for a suite; add -m suite=quick")
            if override.is_sweep_override() or not isinstance(override.value(), bool):
                raise RequestError(f"{override.input_line}: must be true or false")
    settings = list(OmegaConf.select(config, "hydra.sweeper.jobs") or ())
    if OmegaConf.select(first, "suite") is not None:
        entries = _suite_settings(overrides, first, sweep)
        settings = [[*entry, *setting] for entry in entries for setting in settings or [[]]]
    common = [override for override in overrides if not override.key_or_group.startswith("hydra.")]
    for setting in settings:
        parsed = _parse(setting, loader)
        for override in parsed:
            if override.key_or_group.startswith("hydra"):
                raise RequestError(
                    f"{override.input_line}: is the whole sweep's; give it beside "
                    "hydra.sweeper.jobs, not in it"
                )
        _check_words([*common, *parsed], loader, name)
    return config


def _suite_settings(
    overrides: Sequence[Override], config: DictConfig, sweep: bool
) -> list[Sequence[str]]:
    """Return the words of each task of a suite; refuse what a suite has no use for."""
    for override in overrides:
        if override.key_or_group.partition(".")[0] == "suite":
            if override.is_sweep_override():
                raise RequestError(f"{override.input_line}: one suite at a time; give one value")
            if not sweep:
                raise RequestError(f"{override.input_line}: a suite is a sweep; add -m")
    if "search" in config:
        raise RequestError(
            f"suite={config.hydra.runtime.choices.suite}: chooses its learning rates itself; leave "
            "out search=, or make the search without a suite"
        )
    if config.resume is not None:
        raise RequestError(
            f"resume={config.resume}: a suite goes on by itself where it stopped; leave resume= out"
        )
    plain: Any = OmegaConf.to_container(config.suite, resolve=True)
    suite = Suite.parse(plain, [override.input_line or "" for override in overrides])
    panels = suite.bits.values() if OmegaConf.select(config, "passport.bits") else ()
    return [[*suite.words, *own] for own in (*suite.entries().values(), *panels)]


def folder(config: DictConfig, key: str) -> Path:
    """Return the folder that a config names under a key.

    Raises:
        RequestError: if it names none.
    """
    named = OmegaConf.select(config, key)
    # no name at all would be the current folder, and a sweep would make itself at home there
    if not isinstance(named, str | int | float) or named == "":
        came = "null" if named is None else named
        raise RequestError(f"{key}={came}: must name a folder; leave it out for the default one")
    return Path(str(named))


def _check_fixed(config: DictConfig) -> None:
    """Refuse what Hydra would do to folders, whether a word or a yaml asks for it."""
    for key, (allowed, way) in _FIXED.items():
        came: Any = OmegaConf.to_container(config.hydra, resolve=False)
        for step in key.split("."):
            came = came.get(step) if isinstance(came, dict) else None
        if came not in allowed:
            value = came if isinstance(came, str) else quoted(came)
            raise RequestError(f"hydra.{key}={value}: is fixed; {way}")


def _check_words(overrides: Sequence[Override], loader: ConfigLoader, name: str) -> DictConfig:
    """Refuse wrong words; return the config that they ask for, the first one where they vary."""
    groups = [override for override in overrides if _options(override.key_or_group, loader)]
    values = [override for override in overrides if override not in groups]
    for override in groups:
        _check_choice(override, loader)
    # that these have keys is seen by composing with them, which is to be done anyway
    plain = [o for o in values if o.type == OverrideType.CHANGE and not o.is_interval_sweep()]
    unsure = [o for o in values if o not in plain]
    said = {id(override): word for override in plain for word in each_value(override)[:1]}
    first = None
    # a key must be there whatever is chosen: model=rnn,lstm model.gain=1 would fail half-way
    for chosen in _combinations(groups):
        said |= zip(map(id, groups), chosen, strict=True)
        words = [said[id(override)] for override in overrides if id(override) in said]
        try:
            composed, left = loader.load_configuration(name, words, RunMode.RUN), unsure
        except Exception:
            composed, left = loader.load_configuration(name, [*chosen], RunMode.RUN), values
        for override in left:
            _check_key(override, composed, loader, chosen)
        first = first or composed
    assert first is not None
    return first


@contextmanager
def stumbling(words: Sequence[str]) -> Iterator[None]:
    """Make a wrong request of whatever Hydra stumbles over: many of its own keys it never checks.

    Raises:
        RequestError: naming the words that may be to blame, and what Hydra says.
    """
    try:
        yield
    except (RequestError, OSError, MissingConfigException):
        raise
    except Exception as error:
        names = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
        ours_or_hydras = [n for n in names if n.startswith(("lossladder", "hydra", "omegaconf"))]
        if "lossladder" in ours_or_hydras[-1]:
            raise
        said = explain(error, words)
        blamed = [w for w in words if key_of(w).startswith("hydra") or "${" in w]
        if blamed and not any(key_of(word) in said for word in blamed):
            said = f"{' '.join(blamed)}: {said}"
        raise RequestError(said) from error


def explain(error: Exception, words: Sequence[str]) -> str:
    """Return a complaint of Hydra's, OmegaConf's or the file system's as one line."""
    if isinstance(error, OSError) and error.filename is not None:
        key = next((key for key in _FOLDERS if _value(key, words)), "logs")
        value = _value(key, words) or "logs"
        return f"{key}={value}: {error.filename} cannot be made: {error.strerror}; choose another"
    said = _said(error)
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        said = f"{said}: {_said(error.__cause__)}" if said else _said(error.__cause__)
    elif not isinstance(error, _SAY_THEMSELVES):
        kind = f"{type(error).__name__} {said}".strip()
        said = f"Hydra cannot use it ({kind}); see --hydra-help"
    return said


def _said(error: BaseException) -> str:
    """Return the message of an error in one line, without what only OmegaConf's authors need."""
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join(x for x in lines if not x.startswith(("object_type=", "reference_type=")))


def quoted(value: Any) -> str:
    r"""Return a value as Hydra reads it back from the command line.

    >>> [quoted(value) for value in (0.1, None, "rnn", "a b", "true", {"x": [1, True]})]
    ['0.1', 'null', 'rnn', "'a b'", "'true'", '{x:[1,true]}']
    """
    if value is None:
        return "null"
    # not repr, which NumPy's numbers have of their own: np.float64(0.1)
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(k)}:{quoted(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(quoted, value)) + "]"
    text = str(value)
    if re.fullmatch(r"[A-Za-z_/.][\w/.-]*", text, re.ASCII) and text.lower() not in _WORDS:
        return text
    # what OmegaConf would take for an interpolation is none
    return QuotedString(text.replace("${", "\\${"), Quote.single).with_quotes()


def each_value(override: Override) -> list[str]:
    """Return a word of the command line for each value that an override names.

    Raises:
        RequestError: if there is no end of them.
    """
    key = override.get_key_element()
    if override.is_interval_sweep():
        raise RequestError(
            f"{key}: an interval has no end of values; name some, use a range, or add search=optuna"
        )
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [override.input_line or key]


# --- words ------------------------------------------------------------------------------------


def _parse(words: Sequence[str], loader: ConfigLoader) -> list[Override]:
    """Parse the words one by one; say how to quote those that cannot be read."""
    parser, parsed = OverridesParser.create(config_loader=loader), []
    for place, word in enumerate(words):
        try:
            parsed += parser.parse_overrides([word])
            if not parsed[-1].key_or_group:
                raise HydraException("no key")
        except HydraException as error:
            way = _way_to_say(word, words[place - 1] if place else "")
            raise RequestError(f"{word}: cannot be read as key=value; {way}") from error
    return parsed


def _way_to_say(word: str, before: str) -> str:
    """Return how a word that cannot be read has to be written."""
    key, equals, value = word.partition("=")
    if not equals:
        # the shell has cut trainer.stop_at=lag 3 in two
        if "=" in before and "." not in word:
            both = shlex.quote(f"{before} {word}")
            return f"if it belongs to the word before, quote both: {both}"
        return f"give it a value: {word}=..."
    if numbers := re.fullmatch(r"log\((.+)\)", value):
        return f"a log scale is written {key}=tag(log,interval({numbers[1]}))"
    if set(value) & set("{}[]()"):
        return "do its brackets match, and are texts in them that hold an = or a space in quotes?"
    plain = value.replace("'", "").replace('"', "")
    # twice, because the shell takes one pair of quotes away and Hydra needs the other
    return f"quote the value: \"{key}='{plain}'\""


def _value(key: str, words: Sequence[str]) -> str:
    """Return what the words say of a key; nothing, if they do not name it."""
    return next((word.partition("=")[2] for word in words if key_of(word) == key), "")


# --- groups -----------------------------------------------------------------------------------


@lru_cache(maxsize=256)  # of one command: another has another loader
def _options(group: str, loader: ConfigLoader) -> list[str]:
    """Return the choices of a group; none, where there is no such group."""
    if "." in group:  # a key, and asking costs as much as reading a config
        return []
    return sorted(loader.get_group_options(group, results_filter=ObjectType.CONFIG))


def _check_choice(override: Override, loader: ConfigLoader) -> None:
    group = override.key_or_group
    allowed = _options(group, loader)
    listed = ", ".join(allowed)
    if override.is_delete():
        if group not in _MAY_BE_MISSING:
            raise RequestError(f"~{group}: every run needs one; must be one of {listed}")
        return
    without = f"; ~{group} for none" if group in _MAY_BE_MISSING else ""
    for choice in _chosen(override) or ("",):  # a pattern may match none
        if choice not in allowed:
            value = override.get_value_string()
            raise RequestError(
                f"{group}={value}: must be one of {listed}{without}{meant(choice, allowed)}"
            )


def _chosen(override: Override) -> list[str]:
    """Return the names that were chosen in a group."""
    if override.is_sweep_override():
        return [word.partition("=")[2] for word in each_value(override)]
    value: Any = override.value()
    return ["null" if value is None else str(value)]


def _combinations(groups: Sequence[Override]) -> Iterator[tuple[str, ...]]:
    """Yield choices to compose: the first of each group, then each other one in turn.

    Every choice is met once, at the cost of the sum of their numbers, not of the product.
    """
    first = tuple(each_value(override)[0] for override in groups)
    yield first
    for place, override in enumerate(groups):
        for word in each_value(override)[1:]:
            yield (*first[:place], word, *first[place + 1 :])


# --- keys -------------------------------------------------------------------------------------


def _check_key(
    override: Override, config: DictConfig, loader: ConfigLoader, chosen: Sequence[str]
) -> None:
    """Refuse a key that the config does not have."""
    key = override.key_or_group
    way, _, last = key.rpartition(".")
    parent: Any = OmegaConf.select(config, way) if way else config
    if isinstance(parent, DictConfig) and last in parent:
        if override.is_add():
            raise RequestError(f"{key}: is in the config already; leave the + out")
        return
    # an argument that the yaml leaves out; whoever takes it says if there is none
    if way and (override.is_add() or override.is_force_add()) and _can_have(config, way):
        return
    value = "" if override.is_delete() else f"={override.get_value_string()}"
    if way == "trainer" and last in LIGHTNING_KEYS:
        raise RequestError(f"{key}{value}: {LIGHTNING_KEYS[last]}")
    # the choice that is to blame, where the key would exist under another one
    group = key.partition(".")[0]
    blamed = (f"{word} has " for word in chosen if word.lstrip("+").startswith(f"{group}="))
    raise RequestError(
        f"{key}{value}: {next(blamed, '')}no such key; "
        f"{_instead(key, value, parent, config, loader)}"
    )


def _can_have(config: Any, way: str) -> bool:
    """Return whether there are keys at `way` of a config, or could be."""
    top, *rest = way.split(".")
    node = config.get(top)
    while rest and isinstance(node, DictConfig) and rest[0] in node:
        node = node[rest.pop(0)]
    return isinstance(node, DictConfig)


def _instead(key: str, value: str, parent: Any, config: DictConfig, loader: ConfigLoader) -> str:
    """Return what there is instead of a key."""
    way, _, last = key.rpartition(".")
    if isinstance(parent, DictConfig) and way:
        keys = [str(own) for own in parent if own != "_target_"]
        allowed = ", ".join(f"{way}.{own}" for own in keys) or "none"
        near = meant(last, keys, f"{way}.")
        taken = ""
        if "_target_" in parent and not near:
            taken = f"; if {parent._target_.rpartition('.')[2]} takes it, +{key}{value}"
        return f"allowed: {allowed}{near}{taken}"
    if "." in way and isinstance(OmegaConf.select(config, way.rpartition(".")[0]), DictConfig):
        return f"{way} is one value: give it whole, {way}=..."
    groups = [group for group in loader.list_groups("") if group != "hydra"]
    names = [*groups, *(str(own) for own in config if own not in (*groups, "hydra"))]
    return (
        f"allowed: {', '.join(names)}, and the keys that --help shows"
        f"{meant(key.partition('.')[0], names)}"
    )
