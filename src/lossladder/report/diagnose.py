"""Diagnostics of a run, by name: measured, said in lines, drawn, and kept in its folder."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Generator, Tensor

from lossladder.checks import RequestError
from lossladder.console import many
from lossladder.data.datamodule import seeded
from lossladder.diagnostics import (
    UnfitError,
    automaton,
    counterfactual,
    decode,
    figures,
    gradients,
    horizon,
    length_curve,
    memory,
    recurrence,
    triviality,
)
from lossladder.drawing import save
from lossladder.report.sweep_folder import RunSummary
from lossladder.runs.atomic import atomic_write
from lossladder.runs.load import Run, load_run
from lossladder.runs.result import RungRecord, SnapshotsRecord
from lossladder.training.conclude import refitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER, NUMBERS = "diagnostics", "diagnostics.json"


class Diagnostic(NamedTuple):
    """Something that can be asked of a run.

    Args:
        measure: run and source of randomness -> what was found.
        say: that, in a line.
        draw: that, and the run's task -> a figure.
    """

    measure: Callable[[Run, Generator], Any]
    say: Callable[[Any], str]
    draw: Callable[..., "Figure"]


class Found(NamedTuple):
    """What a diagnostic found in a run.

    Args:
        name: of the diagnostic.
        says: it, in a line; where it says nothing of the task, why.
        picture: file; None: there is none, because it was left out.
    """

    name: str
    says: str
    picture: Path | None

    def __str__(self) -> str:
        return f"{self.name:<15}{self.says}"


def diagnose(
    folder: str | Path,
    names: Sequence[str],
    changes: Sequence[str] = (),
    packages: Collection[str] = (),
) -> Iterator[Found]:
    """Measure diagnostics of a run; write a figure of each, and all numbers, into its folder.

    Args:
        folder: of the run.
        names: of diagnostics; `["all"]`: all there are.
        changes: to its config, as on the command line.
        packages: that its config may name classes of, besides the library's own.
    Yields:
        What was found by each, before the next is measured.
    Raises:
        RequestError: if there is no such diagnostic, or the folder is no run.
    """
    chosen = [*DIAGNOSTICS] if "all" in names else [*dict.fromkeys(names)]
    if unknown := [name for name in names if name not in (*DIAGNOSTICS, "all")]:
        raise RequestError(
            f"diagnostics={','.join(names)}: there is no {unknown[0]!r}; allowed: all, or some of "
            f"{', '.join(DIAGNOSTICS)}"
        )
    run = load_run(folder, changes, packages=packages)
    into, found = Path(folder) / FOLDER, dict[str, Any]()
    into.mkdir(exist_ok=True)
    for name in chosen:
        measure, say, draw = DIAGNOSTICS[name]
        # each its own numbers: what one draws changes nothing for the next
        generator = seeded("measuring", run.parts.data.validation_seed)
        try:
            measured = measure(run, generator)
        except UnfitError as unfit:
            yield Found(name, f"left out: {unfit}", None)
            continue
        found[name] = plain(measured)
        save(draw(measured, run.task), picture := into / f"{name}.png")
        yield Found(name, say(measured), picture)
    with atomic_write(into / NUMBERS) as scratch:
        scratch.write_text(json.dumps(found))


def best_and_median(
    runs: Iterable[RunSummary], names: Sequence[str], packages: Collection[str] = ()
) -> list[tuple[str, RunSummary, list[Found]]]:
    """Return what diagnostics find in the run nearest to the exact law, and in the median one.

    Args:
        runs: that are done; those without a divergence are left out.
        names: of diagnostics.
        packages: that their configs may name classes of, besides the library's own.
    """
    near = [run for run in runs if run.result.divergence is not None]
    near.sort(key=lambda run: run.result.divergence or 0.0)
    chosen = [("best", near[0]), ("median", near[len(near) // 2])] if near else []
    return [
        (which, run, list(diagnose(run.folder, names, packages=packages)))
        for which, run in chosen[: len(near)]
    ]


def plain(thing: Any) -> Any:
    """Return what was found as JSON has it: dataclasses as mappings, arrays as lists."""
    if is_dataclass(thing):
        # what has no place in its repr is too much for a file as well: all outputs of a score
        return {each.name: plain(getattr(thing, each.name)) for each in fields(thing) if each.repr}
    if isinstance(thing, Tensor | np.ndarray):
        array = np.asarray(thing)
        # JSON has no complex numbers
        if np.iscomplexobj(array):
            array = np.stack([np.real(array), np.imag(array)], axis=-1)
        return array.tolist()
    if isinstance(thing, list | tuple):
        return [plain(each) for each in thing]
    return thing


def _behaviour(run: Run) -> tuple[SnapshotsRecord, Sequence[RungRecord]]:
    if run.result.snapshots is None:
        raise UnfitError("the run took none on its way; trainer.snapshots=true does")
    return run.result.snapshots, run.result.rungs


def _say_behaviour(found: Any) -> str:
    record, _ = found
    turns = [
        f"{name} from {at}"
        for at, name, before in zip(
            record.updates, record.nearest, [None, *record.nearest], strict=False
        )
        if name != before
    ]
    known = record.share[-1]
    share = "" if known is None else f"; {100 * known:.0f} % of what can be known"
    return f"most like {' · '.join(turns[-6:])} updates on{share}"


def _say_calibration(found: Any) -> str:
    loss = found.refitted.loss
    return (
        f"loss {loss + found.saved:.4f}; with the readout fitted again {loss:.4f} "
        f"(saves {found.saved:.4f})"
    )


def _trained_length(run: Run) -> int:
    return run.task.num_steps or run.config["data"]["bptt_steps"]


def _say_horizon(found: Any) -> str:
    # where the exact loss falls, and at both ends
    falls = [
        0,
        *(i for i in range(1, len(found.known)) if found.truth[i] < found.truth[i - 1] - 0.01),
    ]
    most = f"{float((found.loss - found.truth).abs().max()):.4f}"
    stairs = [f"{found.known[i]}: {found.loss[i]:.4f} of {found.truth[i]:.4f}" for i in falls[:6]]
    return f"last inputs real {' · '.join(stairs)}; at most {most} off the exact loss"


def _say_memory(found: Any) -> str:
    untrained = float(found.untrained.sum()) * found.dimensions
    held = [str(lag) for lag, r2 in zip(found.lags, found.r2.tolist(), strict=True) if r2 > 0.5]
    most = f" of at most {found.floats}" if found.independent else ""
    return (
        f"R2 above 0.5 at lags {', '.join(held) or 'none'}; {found.total:.1f} in all{most} "
        f"(untrained {untrained:.1f})"
    )


def _say_decoding(found: Any) -> str:
    return " · ".join(
        f"{each.name}: {each.measure} {each.value:.3f} (untrained {each.untrained:.3f}, shuffled "
        f"{each.shuffled:.3f}, chance {each.chance:.3f})"
        for each in found
    )


def _say_counterfactual(found: Any) -> str:
    return (
        f"{found.belief} moved: slope {found.slope:.3f} of 1, correlation {found.correlation:.3f}; "
        f"off by {found.error:.4f} (not moved {found.unmoved:.4f}, elsewhere "
        f"{found.elsewhere:.4f}, not by a move {found.real:.4f})"
    )


def _say_length(found: Any) -> str:
    kept = "never 90 % of what can be known"
    if found.kept is not None:
        longer = "" if found.kept[1] < found.lengths[-1] else " or more"
        kept = f"90 % of what can be known {found.span}{longer}"
    first, last = (float((found.loss - found.floor)[place]) for place in (0, -1))
    return f"{kept}; {first:.4f} above the floor at {found.lengths[0]}, {last:.4f} at the longest"


def _say_automaton(found: Any) -> str:
    least = "" if found.minimal is None else f" (least that solves it: {found.minimal})"
    return (
        f"{many(len(found.machine), 'state')}{least}; {found.variation:.4f} from the network; "
        f"says what is likeliest in {100 * found.accuracy:.1f} % of steps, the network in "
        f"{100 * found.network_accuracy:.1f} %"
    )


def _say_recurrence(found: Any) -> str:
    moves, _ = found
    return (
        f"spectral radius {moves.radius:.3f}; greatest Lyapunov exponents "
        f"{', '.join(f'{each:.3f}' for each in moves.exponents[:3].tolist())} a step"
    )


def _say_triviality(found: Any) -> str:
    return (
        f"best of {len(found.losses)} random networks {float(found.losses[0]):.4f}; this one "
        f"{found.network:.4f}, best constant {found.ceiling:.4f}, floor {found.floor:.4f}"
    )


DIAGNOSTICS = {
    "behaviour": Diagnostic(
        lambda run, seed: _behaviour(run), _say_behaviour, figures.of_behaviour
    ),
    "calibration": Diagnostic(
        lambda run, seed: refitted(run.network, run.parts.data, run.parts.data.validated),
        _say_calibration,
        figures.of_calibration,
    ),
    "horizon": Diagnostic(
        lambda run, seed: horizon(run.network, run.task, seed), _say_horizon, figures.of_horizon
    ),
    "memory": Diagnostic(
        lambda run, seed: memory(run.network, run.task, seed), _say_memory, figures.of_memory
    ),
    "decoding": Diagnostic(
        lambda run, seed: decode(run.network, run.task, seed), _say_decoding, figures.of_decoding
    ),
    "counterfactual": Diagnostic(
        lambda run, seed: counterfactual(run.network, run.task, seed),
        _say_counterfactual,
        figures.of_counterfactual,
    ),
    "length": Diagnostic(
        lambda run, seed: length_curve(run.network, run.task, _trained_length(run), seed),
        _say_length,
        figures.of_length,
    ),
    "automaton": Diagnostic(
        lambda run, seed: automaton(run.network, run.task, seed),
        _say_automaton,
        figures.of_automaton,
    ),
    "recurrence": Diagnostic(
        lambda run, seed: (
            recurrence(run.network, run.task, seed),
            gradients(run.network, run.task, seed),
        ),
        _say_recurrence,
        figures.of_recurrence,
    ),
    "triviality": Diagnostic(
        lambda run, seed: triviality(run.network, run.task, seed),
        _say_triviality,
        figures.of_triviality,
    ),
}
