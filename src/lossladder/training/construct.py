"""From a part of a config to an object of the class that it names."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from lossladder.checks import RequestError
from lossladder.training.config import Built, check_keys, under_key
from lossladder.training.locate import locate_class


def construct(key: str, config: Mapping[str, Any], promise: type[Built], **given: Any) -> Built:
    """Return an object of the class that `key._target_` names."""
    make = constructor(key, config, promise, **given)
    # before the call, whose TypeError would name the constructor's arguments and no key
    for name, parameter in inspect.signature(make.func).parameters.items():
        if parameter.default is parameter.empty and name not in make.keywords:
            raise RequestError(f"{key}.{name}: is missing; {config['_target_']} needs it")
    return under_key(key, make)


def constructor(
    key: str, config: Mapping[str, Any], *promises: type[Built], **given: Any
) -> "partial[Built]":
    """Return the class that `key._target_` names, with the config's and the given arguments."""
    values = {name: value for name, value in config.items() if name != "_target_"}
    found = locate_class(key, config.get("_target_"), *promises)
    takes = inspect.signature(found).parameters
    # a class that takes any keyword may check them itself; all others are checked here
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
        allowed = [name for name in takes if name not in given]
        check_keys(f"{key}.", values, allowed, found.__name__)
    return partial(found, **values, **given)
