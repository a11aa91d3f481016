"""The folder of a run, claimed once and never shared: its config and its log."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import yaml

from lossladder.checks import RequestError
from lossladder.runs import result as results
from lossladder.runs.atomic import SCRATCH, atomic_write
from lossladder.runs.identity import identity, identity_in
from lossladder.runs.result import Result, read_result

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CONFIG, CHECKPOINT, LOG = "config.yaml", "checkpoints/last.ckpt", "run.log"
EVENTS = "events.out.tfevents."
_LEAVINGS = (CONFIG, results.FILE, LOG, "checkpoints", f"{EVENTS}*")
_LATEST = "latest"  # instead of a folder: the run that was trained last


@contextmanager
def claim(folder: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Make `folder` the home of one run meanwhile, new or going on; no other process is at it.

    What a run of this config has left there stays, unless it failed: that one begins anew, because
    what is wrong with it may be in its checkpoint. Its log goes on.

    Raises:
        RequestError: if another run lives there, another process is at it, or the folder cannot be
            written. If that is raised in the block, too, a folder that was new is gone again.
    """
    made, new = not folder.exists(), False
    try:
        new = _move_in(folder, config)
        with _alone(folder):
            # nobody else is writing here: what a kill has left of a write goes
            for scratch in (*folder.glob(SCRATCH), *(folder / CHECKPOINT).parent.glob(SCRATCH)):
                scratch.unlink(missing_ok=True)
            left = read_result(folder)
            if isinstance(left, Result) and left.status == "failed":
                clear(folder)
            yield
    except RequestError:
        if new:
            clear(folder)
            for left in (CONFIG, LOG):
                (folder / left).unlink(missing_ok=True)
        if made:
            discard(folder)
        raise


def _move_in(folder: Path, config: Mapping[str, Any]) -> bool:
    """Write the config of a run; return whether nothing of it was there."""
    # the name of a job's folder says what belongs there, whatever has become of its config
    named = identity_in(folder.name) == identity(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if lives_in(folder, config):
            return False
        if left := [name for name in _LEAVINGS if any(folder.glob(name))]:
            if not named:
                # who begins here would go on with what is not its own, or write over it
                raise RequestError(
                    f"hydra.run.dir={folder}: holds {left[0]} of another run; choose another"
                )
            write_config(folder, config, anew=True)
            return False
        write_config(folder, config)
        return True
    except FileExistsError:
        pass  # another process was first
    except OSError as error:
        raise RequestError(
            f"{folder}: cannot be written: {error.strerror}; choose another with logs= or "
            "hydra.run.dir="
        ) from error
    if not lives_in(folder, config):
        raise RequestError(f"hydra.run.dir={folder}: holds another run; choose another")
    return False


def lives_in(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether the run of this config lives in a folder, ended or not."""
    try:
        return identity(read_config(folder)) == identity(config)
    # nobody lives there, or what does cannot be told
    except (OSError, ValueError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes, where its file system knows locks."""
    with (folder / CONFIG).open("r+b") as file:
        try:
            if fcntl is not None:
                # not `lockf`, whose locks end as soon as the process has read the file elsewhere
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(f"{folder}: another process is at this run") from None
        except OSError:
            pass  # no locks here: docs/reliability.md
        yield


def clear(folder: Path) -> None:
    """Make room for a new beginning; config and log stay."""
    (folder / results.FILE).unlink(missing_ok=True)
    rmtree((folder / CHECKPOINT).parent, ignore_errors=True)
    for events in folder.glob(f"{EVENTS}*"):
        events.unlink()


def discard(folder: Path) -> None:
    """Remove the folder that was made for a run that never began, if it is empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def resumed_folder(resume: str, logs: Path) -> Path:
    """Return the folder that `resume=` names; `latest` is the run in `logs` that was trained last.

    Raises:
        RequestError: if it names none.
    """
    if not resume.strip():
        raise RequestError(f"resume=: name the folder of a run, or {_LATEST}")
    if resume != _LATEST:
        return Path(resume)
    found = {path.parent.parent: path.stat().st_mtime_ns for path in logs.glob(f"*/{CHECKPOINT}")}
    if not found:
        raise RequestError(f"resume={_LATEST}: no run in {logs} has a checkpoint")
    return max(found, key=lambda folder: found[folder])


# --- config -----------------------------------------------------------------------------------


def write_config(folder: Path, config: Mapping[str, Any], anew: bool = False) -> None:
    """Write `config.yaml`, all or nothing.

    Args:
        folder: of the run.
        config: resolved, plain values.
        anew: whether to replace what is there.
    Raises:
        FileExistsError: if it is there: of two runs, one creates it.
    """
    # Hydra's own writer takes ten times as long
    text = yaml.dump(dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    with atomic_write(folder / CONFIG, exclusive=not anew) as scratch:
        scratch.write_text(text, encoding="utf-8")


def config_text(folder: Path) -> str:
    """Return the config of a run as it stands in its folder."""
    return (folder / CONFIG).read_text(encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Return the config of a run as plain values.

    Raises:
        OSError: if there is none.
        ValueError: if it is damaged.
    """
    text = (folder / CONFIG).read_bytes()
    # What nests too deep is an error to the loader in Python and ends the process in libyaml, and
    # a report must survive whatever lies in a folder.
    nests = sum(text.count(sign) for sign in (b"[", b"{", b"-", b"?"))
    try:
        config = yaml.load(text, Loader=_FastestLoader if nests < 1000 else yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{CONFIG} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG} is no mapping")
    return config


def read_flat_config(folder: Path) -> dict[str, str]:
    """Return the config of a run as flat keys and texts: `model.hidden_size` -> "16"."""
    return _flat(read_config(folder))


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
    # a disk that is full costs a line, and no run
    with suppress(OSError), (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(f"{_LINES.format(record)}\n")


class _LogFile(logging.FileHandler):
    """Says nothing of a line that a full disk has no room for: what follows from that is said."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing."""


@contextmanager
def run_log(folder: Path) -> Iterator[logging.Logger]:
    """Write everything that is logged meanwhile to `run.log` as well; yield our own logger."""
    handler = _LogFile(folder / LOG, encoding="utf-8")
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
