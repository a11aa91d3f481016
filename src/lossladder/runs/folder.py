"""The folder of a run, claimed once and never shared: its config and its log."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from lossladder.checks import RequestError

CONFIG, CHECKPOINT, LOG = "config.yaml", "checkpoints/last.ckpt", "run.log"

# Keys of a config that do not make a run another run: what `names` chose is spelled out elsewhere
# in it, and how a run is watched or where it is kept says nothing of what it is.
NOT_IDENTITY = ("names", "logs", "callbacks", "trainer.progress", "trainer.threads")


def claim(folder: Path, config: Mapping[str, Any]) -> None:
    """Make `folder` the home of one run by writing its config there.

    Raises:
        RequestError: if another run lives there, or the folder cannot be written; nothing is left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, config)
    except FileExistsError as error:
        raise RequestError(
            f"hydra.run.dir={folder}: holds a run already; choose another"
        ) from error
    except OSError as error:
        # a disk that is full keeps the name of a file it has no room for
        with suppress(OSError):
            (folder / CONFIG).unlink(missing_ok=True)
        discard(folder)
        raise RequestError(
            f"{folder}: cannot be written: {error.strerror}; choose another with logs= or "
            "hydra.run.dir="
        ) from error


def discard(folder: Path) -> None:
    """Remove the folder that was made for a run that never began, if it is empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


# --- config -----------------------------------------------------------------------------------


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `config.yaml`.

    Raises:
        FileExistsError: if it is there: of two runs, one creates it.
    """
    with (folder / CONFIG).open("x", encoding="utf-8") as file:
        # Hydra's own writer takes ten times as long
        yaml.dump(dict(config), file, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def config_text(folder: Path) -> str:
    """Return the config of a run as it stands in its folder."""
    return (folder / CONFIG).read_text(encoding="utf-8")


def read_flat_config(folder: Path) -> dict[str, str]:
    """Return the config of a run as flat keys and texts: `model.hidden_size` -> "16"."""
    text = (folder / CONFIG).read_bytes()
    # What nests too deep is an error to the loader in Python and ends the process in libyaml, and
    # a report must survive whatever lies in a folder.
    nests = sum(text.count(sign) for sign in (b"[", b"{", b"-", b"?"))
    return _flat(yaml.load(text, Loader=_FastestLoader if nests < 1000 else yaml.SafeLoader))


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        # a mapping within a group is a value (effects: {3: 0.5}), unless something is built of it
        if isinstance(value, Mapping) and (not prefix or "_target_" in value):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


# those written in C are eight times as fast, where they were built
_FastestDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_FastestLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(_FastestDumper):
    """Puts quotes around texts that OmegaConf would read as numbers, like 1e3."""


def _text(dumper: Any, text: str) -> Any:
    style = "'" if _NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)([eE][-+]?\d+)?")
_Dumper.add_representer(str, _text)


# --- log --------------------------------------------------------------------------------------

_LINES = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


def append_log(folder: Path, level: int, message: str) -> None:
    """Add a line to `run.log`, for a run that shares its process with others."""
    # no handler: what other members log at the same time is not this run's
    record = logging.LogRecord("lossladder", level, "", 0, message, None, None)
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(f"{_LINES.format(record)}\n")


@contextmanager
def run_log(folder: Path) -> Iterator[logging.Logger]:
    """Write everything that is logged meanwhile to `run.log` as well; yield our own logger."""
    handler = logging.FileHandler(folder / LOG, encoding="utf-8")
    handler.setFormatter(_LINES)
    root, ours = logging.getLogger(), logging.getLogger("lossladder")
    level = ours.level
    ours.setLevel(logging.INFO)
    # another library that sets logging up by logging.config silences all loggers it does not name
    ours.disabled = False
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield ours
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        ours.setLevel(level)
        handler.close()
