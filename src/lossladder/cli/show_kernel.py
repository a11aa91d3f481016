"""The command that shows what the fused engine makes of a network."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lossladder.checks import RequestError
from lossladder.cli import hydra_errors, resolvers
from lossladder.console import FAILED, Parser, echo, note, refuse, take_any_text
from lossladder.sweeps.compose import resolved, without_hydra
from lossladder.training.locate import allow_packages

if TYPE_CHECKING:
    from lossladder.training.build import Parts

HELP = """Show what the fused engine makes of a network: its step as a graph, the way back, the
loops, where each value lies, what it costs.

%(prog)s model=gru                               as train.py would train it
%(prog)s model=lstm task=count model.hidden_size=8
%(prog)s model=rnn --llvm                        what is handed to LLVM
%(prog)s model=rnn --assembly                    what LLVM makes of it

In a project of one's own, whose package is called mine:

LOSSLADDER_PACKAGES=mine %(prog)s --config-dir conf model=mine

Exit codes: 0 shown, 1 the step cannot be compiled (and why), 2 the request was wrong."""
_AUTOGRAD = "lossladder.engines.Autograd"


def main(words: Sequence[str] | None = None, packages: Collection[str] = ()) -> None:
    """Show the kernel of the network that the command line asks for.

    Args:
        words: of the command line; None: those that the program was started with.
        packages: that a config may name classes of, besides the library's own.
    """
    take_any_text()
    parser = Parser(
        "python -m lossladder.engines.fused.show",
        description=HELP,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", metavar="key=value")
    parser.add_argument("--llvm", action="store_true", help="the text that is handed to LLVM")
    parser.add_argument("--assembly", action="store_true", help="the assembly that LLVM makes")
    parser.add_argument("-cd", "--config-dir", type=Path, help="config folder of one's own")
    asked = parser.parse_intermixed_args(sys.argv[1:] if words is None else list(words))
    with allow_packages(packages):
        try:
            config = composed(asked.words, asked.config_dir)
            from lossladder.training.build import build

            # any engine is as good: whether this one fits is what is asked
            parts = build({**config, "engine": {"_target_": _AUTOGRAD}})
        except (RequestError, HydraException, OmegaConfBaseException, YAMLError, OSError) as error:
            refuse(hydra_errors.explain(error, asked.words))
        names = config["names"]
        echo(_shown(parts, f"{names['model']} on {names['task']}", asked.llvm, asked.assembly))


def composed(words: Sequence[str], conf: Path | None = None) -> dict[str, Any]:
    """Return the config of the run that words ask for, resolved.

    Args:
        words: of a command line, without options.
        conf: config folder of one's own.
    Raises:
        RequestError: naming the key, what came and what is allowed.
    """
    if conf is not None and not conf.is_dir():
        raise RequestError(f"{conf}: is no folder; a config folder was asked for there")
    resolvers.register_resolvers(words)
    resolvers.own_conf.update({} if conf is None else {"project": conf.resolve()})
    try:
        with (
            initialize_config_dir(str(resolvers.conf_dir()), "train", version_base="1.3"),
            hydra_errors.stumbling(words),
        ):
            loader = GlobalHydra.instance().config_loader()
            config = hydra_errors.check(words, loader, multirun=False, name="train")
            return resolved(without_hydra(config), config.hydra.runtime.choices)
    finally:
        resolvers.own_conf.clear()


def _shown(parts: "Parts", what: str, llvm: bool, assembly: bool) -> str:
    """Return what was asked for of a run's kernel; exit where there is none."""
    from lossladder.engines import Fused, FusedPopulation
    from lossladder.engines.fused import show

    optimizer = parts.make_optimizer(parts.network.trained())
    reason = Fused.unsupported_reason(parts.network, parts.task, optimizer)
    if reason is not None:
        _fail(f"engine=fused does not fit: {reason}")
    population = FusedPopulation([parts.network], parts.task, [optimizer])
    chunk = parts.data.chunk(range(1))
    kernel = population.kernel(chunk.inputs.is_floating_point())
    if llvm:
        return show.llvm_text(kernel)
    if assembly:
        return show.assembly_text(kernel)
    hidden = parts.network.recurrent.hidden_size
    title = f"{what}, {hidden} hidden units, {kernel.dtype.name}"
    return show.show(kernel, title, parts.data.bptt_steps, parts.data.batch_size)


def _fail(message: str) -> NoReturn:
    note(message)
    sys.exit(FAILED)
