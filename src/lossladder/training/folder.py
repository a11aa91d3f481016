"""The folder of a run: claimed once, written whole, never shared."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lossladder.training.build import RequestError
from lossladder.whole import beside

CONFIG, RESULT, CHECKPOINT, LOG = "config.yaml", "result.json", "checkpoints/last.ckpt", "run.log"
_LEAST_SPACE = 2**20  # bytes a short run leaves behind, events and reference lines included


def claim(folder: Path, config: Mapping[str, Any]) -> None:
    """Make `folder` the home of one run and write its config there.

    Raises:
        RequestError: if another run lives there, or the folder cannot be written; nothing is left.
    """
    probe = folder / ".space"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(_anything())
        probe.unlink()
        write_config(folder, config)
    except FileExistsError as error:
        raise RequestError(
            f"hydra.run.dir={folder}: holds a run already; choose another"
        ) from error
    except OSError as error:
        if folder.is_dir():
            probe.unlink(missing_ok=True)
        discard(folder)
        raise RequestError(
            f"{folder}: cannot be written: {error.strerror}; choose another with logs= or "
            "hydra.run.dir="
        ) from error


@cache
def _anything() -> bytes:
    """What no file system can squeeze into less space; runs of one process need it but once."""
    return os.urandom(_LEAST_SPACE)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `config.yaml`; two runs cannot both create it."""
    with (folder / CONFIG).open("x") as file:
        file.write(_as_yaml(config))


def config_text(folder: Path) -> str:
    """The config of a run as it stands in its folder."""
    return (folder / CONFIG).read_text()


def _as_yaml(config: Mapping[str, Any]) -> str:
    """A config as text that reads back as it was; Hydra's own writer takes ten times as long."""
    return yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


_Fastest: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the first is compiled


class _Dumper(_Fastest):
    """Puts quotes around texts that Hydra would read as numbers, like 1e3."""


def _text(dumper: Any, text: str) -> Any:
    style = "'" if _NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)([eE][-+]?\d+)?")
_Dumper.add_representer(str, _text)


def discard(folder: Path) -> None:
    """Remove the folder that was made for a run that never began, if it is empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write `result.json`, all or nothing."""
    with beside(folder / RESULT) as scratch, scratch.open("w") as file:
        json.dump(result, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


_LINES = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


def note(folder: Path, level: int, message: str) -> None:
    """Add to `run.log`, for a run that shares its process with others."""
    record = logging.LogRecord("lossladder", level, "", 0, message, None, None)
    with (folder / LOG).open("a") as file:
        file.write(f"{_LINES.format(record)}\n")


@contextmanager
def run_log(folder: Path) -> Iterator[logging.Logger]:
    """Everything logged meanwhile goes to `run.log` as well."""
    handler = logging.FileHandler(folder / LOG)
    handler.setFormatter(_LINES)
    root, ours = logging.getLogger(), logging.getLogger("lossladder")
    level = ours.level
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield ours
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        ours.setLevel(level)
        handler.close()
