"""The door: what every command, notebook and test calls to make runs and sweeps."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from shutil import rmtree
from typing import Any, NoReturn

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lossladder import __version__, console, signals
from lossladder.checks import RequestError
from lossladder.cli import hydra_errors, resolvers
from lossladder.cli.hydra_job import JobEnded, complain, complaints, folders, job
from lossladder.console import DONE, FAILED, WRONG
from lossladder.runs.identity import identity_in
from lossladder.runs.result import FILE, Result, RunFailedError, read_result
from lossladder.sweeps import lock, manifest
from lossladder.sweeps.compose import remembering
from lossladder.sweeps.job import SETTING
from lossladder.sweeps.manifest import CONFIG_DIR, CONFIG_NAME
from lossladder.training.config import ONE_DEVICE
from lossladder.training.locate import allow_packages

# of a sweep, the first of them written when it begins
_RECORDS = (manifest.OF_HYDRA, manifest.FILE, lock.FILE, manifest.STUDY)


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Args:
        code: the exit code: 0 done, 1 the run failed, 2 the request was wrong.
        folder: of the run or the sweep; None: it has left none.
        complaints: what was wrong, a line each.
        interrupted: whether Ctrl-C ended it.
    """

    code: int = DONE
    folder: Path | None = None
    complaints: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def results(self) -> list[Result]:
        """What the run left, or each run of the sweep, in the order of their names."""
        if self.folder is None:
            return []
        found = map(read_result, (self.folder, *sorted(self.folder.glob("*/"))))
        return [result for result in found if isinstance(result, Result)]


def main(conf: str | Path | None = None, packages: Collection[str] = ()) -> None:
    """Train as the command line says; see `train.py` at the root for what it can say.

    Args:
        conf: config folder of one's own, as seen from the file that calls this; what it holds
            comes before the library's.
        packages: that a config may name classes of, besides the library's own.
    """
    console.take_any_text()
    argv = sys.argv[1:]
    # from wherever it is started, one's own config and packages lie beside the file that calls this
    home = Path(sys._getframe(1).f_code.co_filename).resolve().parent
    if packages and str(home) not in sys.path:
        sys.path.insert(0, str(home))
    if argv[:1] == ["new"]:
        from lossladder.cli import new

        new.main(argv[1:])
    elif argv[:1] == ["evaluate"]:
        from lossladder import evaluate

        evaluate.main(argv[1:], packages)
    elif argv[:1] == ["report"]:
        from lossladder.cli import report

        report.main(argv[1:], "python train.py report", packages)
    else:
        sys.exit(run(argv, None if conf is None else home / conf, packages).code)


def run(argv: Sequence[str], conf: Path | None = None, packages: Collection[str] = ()) -> Outcome:
    """Do what a command line asks for; what is wrong with it is said on standard error, too.

    Args:
        argv: the words of the command line, without the name of the program.
        conf: config folder of one's own.
        packages: that a config may name classes of, besides the library's own.
    """
    command = _Command()
    complaints.clear()
    folders.clear()
    code, interrupted = DONE, False
    try:
        with signals.handled(), allow_packages(packages), _as_in_a_fresh_process():
            command.do(argv, conf)
    except KeyboardInterrupt as interrupt:
        code, interrupted = FAILED, True
        complain(str(interrupt) or "interrupted")
    except RunFailedError as error:
        code = FAILED
        complain(str(error))
    # anything else is a fault of ours, or of a user's own class: it keeps its traceback
    except (RequestError, HydraException, OmegaConfBaseException, YAMLError, OSError) as error:
        code = WRONG
        complain(hydra_errors.explain(error, argv))
    return Outcome(code, command.folder, tuple(complaints), interrupted)


class _Command:
    """A command on its way through Hydra; its folder is known even where it raises."""

    folder: Path | None = None

    def do(self, argv: Sequence[str], conf: Path | None) -> None:
        """Make the run or the sweep.

        Raises:
            BaseException: what ended the run, or the first job of a sweep that ended badly.
        """
        if (size := os.environ.get("WORLD_SIZE", "1")) != "1" and "LOCAL_RANK" in os.environ:
            # as torchrun sets it: each of the processes would train the same run
            raise RequestError(f"WORLD_SIZE={size}: start one process; {ONE_DEVICE}")
        asked, unknown = _OPTIONS.parse_known_intermixed_args(list(argv))
        if unknown:
            # the shell has cut task.effects={2: 0.3, 5: -0.3} at its spaces
            cut = "; if it belongs to a value, quote the whole key=value"
            hint = cut if set(unknown[0]) & set("{}[](),=") else ""
            raise RequestError(f"{unknown[0]}: no such option{hint}; see --help")
        words, name = asked.overrides, asked.config_name
        resolvers.register_resolvers(words)
        named = {CONFIG_DIR: asked.config_dir, "project": conf}
        own = {by: Path(folder) for by, folder in named.items() if folder}
        with _hydra(own) as hydra, hydra_errors.stumbling(words):
            if _show(asked, hydra):
                return
            loader = remembering(GlobalHydra.instance().config_loader())
            config = hydra_errors.check(words, loader, asked.multirun, name)
            sweep = config.hydra.mode == RunMode.MULTIRUN
            logs = hydra_errors.folder(config, "logs")
            folder = hydra_errors.folder(config, f"hydra.{'sweep' if sweep else 'run'}.dir")
            with _left_clean(logs, folder):
                if asked.cfg:
                    _show_config(asked, hydra)
                elif sweep:
                    looked = ("all",) if OmegaConf.select(config, "passport.diagnostics") else ()
                    self._sweep(hydra, name, words, folder, looked)
                else:
                    self._run(hydra, name, words)

    def _run(self, hydra: Any, name: str, words: Sequence[str]) -> None:
        try:
            hydra.run(name, job, [*words])
            self.folder = folders[-1]
        except JobEnded as end:
            error, self.folder = end.args
            raise error from None

    def _sweep(
        self, hydra: Any, name: str, words: Sequence[str], folder: Path, looked: Sequence[str]
    ) -> None:
        self.folder = folder
        before, refused = _records(folder), False
        try:
            hydra.multirun(name, job, [*words, hydra_errors.MULTIRUN])
        except Exception as error:
            refused = not isinstance(error, RunFailedError)
            raise
        finally:
            # a sweep that was interrupted, or in which runs failed, is summed up all the same
            try:
                if not (refused and _put_back(before)):
                    _sum_up(folder, looked)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    "interrupted while summing up; report.py sums up again"
                ) from None


def _records(folder: Path) -> dict[Path, bytes | None]:
    """Return what the records of a sweep hold, all that a refused command can leave in them."""
    files = (folder / name for name in _RECORDS)
    return {file: file.read_bytes() if file.is_file() else None for file in files}


def _put_back(records: Mapping[Path, bytes | None]) -> bool:
    """Make a sweep what it was, unless a run has ended meanwhile; return whether that is so."""
    begun = next(iter(records))  # written when the sweep began, on the same machine as its runs
    runs = begun.parent.glob(f"*/{FILE}")
    if begun.exists() and any(r.stat().st_mtime_ns > begun.stat().st_mtime_ns for r in runs):
        return False
    for file, content in records.items():
        if content is None:
            file.unlink(missing_ok=True)
        elif file.is_file() and file.read_bytes() != content:
            file.write_bytes(content)
    # what Hydra makes for a job; it fails where something lies in it
    for made in begun.parent.glob("*/"):
        if identity_in(made.name) is not None:
            with suppress(OSError):
                made.rmdir()
    return True


def _sum_up(folder: Path, looked: Sequence[str]) -> None:
    """Sum a sweep up; leave nothing of one that was never made.

    Args:
        folder: of the sweep.
        looked: diagnostics that the passport of a suite shows.
    """
    left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if left <= {*_RECORDS, lock.LEASES}:
        # another process may be about to use the folder
        with suppress(OSError):
            rmtree(folder / lock.LEASES, ignore_errors=True)
            for file in left - {lock.LEASES}:
                (folder / file).unlink()
        return
    from lossladder.report.terminal import summed_up

    console.echo(summed_up(folder, SETTING, console.relative, looked))


# --- options ----------------------------------------------------------------------------------


class _Options(ArgumentParser):
    """Hydra's options, in any place among the words."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong: `run` returns an outcome, where argparse would end a notebook."""
        raise RequestError(f"{message}; see --help")


# of Hydra's, which answers another one with a line of its own, and exit code 0
_INFO = "all", "config", "defaults", "defaults-tree", "plugins", "searchpath"

# Hydra's own parser takes no word after an option that follows words, and answers in a page of
# usage; abbreviations are off, because a misspelt option must not be taken for another one
_OPTIONS = _Options(prog="train.py", add_help=False, allow_abbrev=False)
_OPTIONS.add_argument("overrides", nargs="*", help="key=value, group=choice")
_OPTIONS.add_argument("-h", "--help", action="store_true")
_OPTIONS.add_argument("--hydra-help", action="store_true")
_OPTIONS.add_argument("--version", action="store_true")
_OPTIONS.add_argument("-m", "--multirun", action="store_true")
_OPTIONS.add_argument("-r", "--run", action="store_true")
_OPTIONS.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
_OPTIONS.add_argument("-p", "--package")
_OPTIONS.add_argument("--resolve", action="store_true")
_OPTIONS.add_argument("-sc", "--shell-completion", action="store_true")
_OPTIONS.add_argument("-i", "--info", nargs="?", const="all", choices=_INFO)
_OPTIONS.add_argument("-cn", CONFIG_NAME, default="train")
_OPTIONS.add_argument("-cd", CONFIG_DIR)


def _show(asked: Namespace, hydra: Any) -> bool:
    """Show what was asked for instead of a run; return whether anything was."""
    if asked.version:
        console.echo(f"lossladder {__version__}")
    elif asked.help:
        hydra.app_help(asked.config_name, _OPTIONS, asked)
    elif asked.hydra_help:
        hydra.hydra_help(asked.config_name, _OPTIONS, asked)
    elif asked.shell_completion:
        hydra.shell_completion(asked.config_name, asked.overrides)
    elif asked.info:
        hydra.show_info(asked.info, asked.config_name, asked.overrides)
    else:
        return False
    return True


def _show_config(asked: Namespace, hydra: Any) -> None:
    try:
        with redirect_stderr(StringIO()):
            hydra.show_cfg(
                asked.config_name, asked.overrides, asked.cfg, asked.package, asked.resolve
            )
    # Hydra exits where there is no such part, with 1
    except SystemExit:
        raise RequestError(
            f"--package={asked.package}: --cfg {asked.cfg} has no such part; leave it out for all"
        ) from None


# --- surroundings -----------------------------------------------------------------------------


@contextmanager
def _left_clean(*folders: Path) -> Iterator[None]:
    """Remove the folders that a wrong request has made, and nothing else."""
    paths = {path for folder in folders for path in (folder, *folder.parents)}
    new = sorted((path for path in paths if not path.exists()), reverse=True)
    try:
        yield
    finally:
        # Hydra names the folder of a run anew, and makes it before it looks at all of its own keys
        named = (path for name in resolvers.tokens for path in folders[-1].parent.glob(f"*-{name}"))
        for path in (*named, *new):  # what lies in another comes first
            # it fails where something lies in it, or where it was never made
            with suppress(OSError):
                path.rmdir()


@contextmanager
def _hydra(own: Mapping[str, Path]) -> Iterator[Any]:
    """Yield Hydra, with config folders of one's own; what the process had of it comes back."""
    # Hydra is one to a process, and a notebook may be in the middle of a use of its own
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    for folder in own.values():
        if not folder.is_dir():
            raise RequestError(f"{folder}: is no folder; a config folder was asked for there")
    resolvers.own_conf.update({by: folder.resolve() for by, folder in own.items()})
    try:
        with initialize_config_dir(str(resolvers.conf_dir()), "train", version_base="1.3"):
            yield GlobalHydra.instance().hydra
    finally:
        resolvers.own_conf.clear()
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = config


@contextmanager
def _as_in_a_fresh_process() -> Iterator[None]:
    """Give torch its own defaults meanwhile: a notebook may have changed them."""
    # what has not been imported cannot have been changed, and takes seconds to import
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        # None, because a device that is set, even the CPU, costs every call of torch a detour
        torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_num_threads(threads)
