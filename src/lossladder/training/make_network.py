"""From the keys under `model` to a network: its layers, its bits, its reader and its size."""

import inspect
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from lossladder import checks
from lossladder.checks import RequestError
from lossladder.models import (
    GRU,
    LSTM,
    Bits,
    Cell,
    Layers,
    Network,
    Recurrent,
    RNNByHand,
    TorchRNN,
)
from lossladder.tasks import Task
from lossladder.training.config import under_key
from lossladder.training.construct import construct
from lossladder.training.locate import locate_class

# keys of every network, of which its class knows nothing, with what they are in older configs
_COMMON = {
    "layers": 1,
    "dropout": 0.0,
    "bits": None,
    "reader": "linear",
    "reader_size": None,
    "state": None,
}
READERS = ("linear", "mlp")
# sizes tried in a row of which a network may have none, as it has only multiples of something
_SCANNED = 64
# layers of torch's whose state no step can be seen of, and what has the same function in steps
_IN_STEPS = {LSTM: "lstm_cell", GRU: "gru_cell", TorchRNN: "rnn", RNNByHand: "rnn"}


def _common(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keys under `model` that every network has, and those of its class."""
    found = locate_class("model", config.get("_target_"), Recurrent)
    # a class that has such arguments itself does with them what it likes
    ours = {*_COMMON}.difference(inspect.signature(found).parameters)
    one = {key: value for key, value in config.items() if key not in ours}
    return _COMMON | {key: config[key] for key in ours & {*config}}, one


def make_network(config: Mapping[str, Any], readout: Mapping[str, Any], task: Task) -> Network:
    """Return the network that the keys under `model` and `readout` describe."""
    asked, one = _common(config)
    recurrent = _recurrent(asked, _sized(asked, one, task.input_size), task.input_size)
    under_key("model", lambda: checks.one_of("reader", asked["reader"], READERS))
    size = asked["reader_size"]
    if size is not None:
        under_key("model", lambda: checks.whole("reader_size", size))
        if asked["reader"] == "linear":
            raise RequestError(
                f"model.reader_size={size}: a linear reader has no units; take model.reader=mlp"
            )
    if asked["reader"] == "mlp":
        size = recurrent.hidden_size if size is None else size
    # keys of the readout are spelled `readout.std` in a config, `readout_std` in the network
    starts = {f"readout_{key}": value for key, value in readout.items()}
    make = partial(Network, recurrent, task.output_size, **starts, reader_size=size)
    return under_key("readout", make)


def _recurrent(asked: Mapping[str, Any], one: Mapping[str, Any], input_size: int) -> Recurrent:
    """Return a network of the class that the config names, or several on top of one another."""
    layers = under_key("model", lambda: checks.whole("layers", asked["layers"]))
    dropout = under_key("model", lambda: checks.chance("dropout", asked["dropout"]))
    parts: list[Recurrent] = []
    while len(parts) < layers:
        size = parts[-1].hidden_size if parts else input_size
        part = construct("model", one, Recurrent, input_size=size)
        parts.append(part if asked["bits"] is None else _rounded(part, asked["bits"]))
    if layers == 1 and dropout == 0:
        return parts[0]
    return under_key("model", lambda: Layers(parts, dropout))


def _rounded(recurrent: Recurrent, bits: int) -> Bits:
    """Return a cell whose state is rounded; what is no cell has twins that are."""
    if not isinstance(recurrent, Cell):
        kind = type(recurrent)
        instead = f"model={_IN_STEPS[kind]}" if kind in _IN_STEPS else "a Cell"
        raise RequestError(
            f"model.bits={bits}: rounds the state after each step, and {kind.__name__} computes "
            f"whole windows; take {instead}"
        )
    return under_key("model", lambda: Bits(recurrent, bits))


def sized_config(config: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return a config with the hidden_size that its `model.state` asks for.

    Args:
        config: as composed.
        words: of the command line, which may have asked for a hidden_size themselves.
    Raises:
        RequestError: if they asked for another one.
    """
    model = config["model"]
    # jobs of a sweep often share these, and an answer takes some milliseconds
    described = repr([config.get("task"), model])
    try:
        if described not in _FOUND:
            asked, one = _common(model)
            task = construct("task", config["task"], Task)
            _FOUND[described] = _sized(asked, one, task.input_size)
    except (RequestError, KeyError):
        return dict(config)  # `build` says what is wrong, of each job of a sweep its own
    own, found = (part.get("hidden_size") for part in (model, _FOUND[described]))
    if own != found and any(word.lstrip("+") == f"model.hidden_size={own}" for word in words):
        raise RequestError(
            f"model.hidden_size={own}: with model.state={model['state']} it is {found}; give one "
            "of the two"
        )
    return {**config, "model": {**model, "hidden_size": found}}


# keys of a class with the right hidden_size, by all that decides it
_FOUND: dict[str, dict[str, Any]] = {}


def _sized(asked: Mapping[str, Any], one: Mapping[str, Any], input_size: int) -> dict[str, Any]:
    """Return the keys of a class, with the hidden_size at which the state is as large as asked."""
    wanted = asked["state"]
    if wanted is None:
        return dict(one)
    under_key("model", lambda: checks.whole("state", wanted))
    had = _Sizes({**asked, "bits": None}, one, input_size)
    own = one.get("hidden_size", 1)
    refused = None
    try:
        if had.make(own) == wanted:
            return {**one, "hidden_size": own}
    except RequestError as error:
        refused = error  # of this size alone, or of something else that is wrong
    # from small ones on: a matrix of far too many would fill the memory
    end = 2
    while end <= wanted and not wanted <= had.first(end // 2, end) < math.inf:
        end *= 2
    below = 0
    while end - below > 1:
        middle = (below + end) // 2
        if had.first(middle, end) < wanted:
            below = middle
        else:
            end = middle
    if wanted in had.counts.values():
        return {**one, "hidden_size": min(n for n in had.counts if had.counts[n] == wanted)}
    had.first(end, end + _SCANNED)  # the next larger one, to be named
    if refused is not None and not had.counts:
        raise refused
    kind = one["_target_"].rpartition(".")[2]
    raise RequestError(f"model.state={wanted}: {kind} has {had.nearest(wanted)}")


class _Sizes:
    """The numbers of state that a network has, by its hidden_size; each is tried once.

    Args:
        asked, one: as `_recurrent` takes them.
        input_size: features a step.
    """

    def __init__(self, asked: Mapping[str, Any], one: Mapping[str, Any], input_size: int) -> None:
        self.asked, self.one, self.input_size = asked, one, input_size
        self.counts: dict[int, int] = {}

    def make(self, hidden_size: int) -> int:
        """Return the numbers of state at a hidden_size, if the network has such a one."""
        one = {**self.one, "hidden_size": hidden_size}
        start = _recurrent(self.asked, one, self.input_size).initial_state(batch_size=1)
        self.counts[hidden_size] = sum(part.numel() for part in start)
        return self.counts[hidden_size]

    def first(self, start: int, end: int) -> float:
        """Return the numbers at the first hidden_size there is from `start` on; none: infinite."""
        # such as multiples of the number of heads: others are refused
        for size in range(start, min(end, start + _SCANNED)):
            with suppress(RequestError):
                return self.counts.get(size) or self.make(size)
        return math.inf

    def nearest(self, wanted: int) -> str:
        """Return in words which sizes there are next to one that there is not."""
        counts = sorted({*self.counts.values()})
        if len(counts) == 1:
            return f"a state of {counts[0]} numbers, whatever its hidden_size"
        sizes = {count: size for size, count in sorted(self.counts.items(), reverse=True)}
        near = [n for n in counts if n < wanted][-1:] + [n for n in counts if n > wanted][:1]
        listed = ", or of ".join(f"{n} with hidden_size={sizes[n]}" for n in near)
        return f"a state of {listed}; take one of these"
