"""The end of a run: what was learnt is measured and becomes its result."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import Logger

import lossladder
from lossladder.data.datamodule import Data, seeded
from lossladder.diagnostics import (
    Behaviour,
    Calibration,
    Score,
    calibration,
    rows_for,
    score,
    score_outputs,
    uses,
)
from lossladder.ladder import Ladder, Mark, Standing, either
from lossladder.models import Network
from lossladder.runs.result import CurveRecord, Result, RungRecord
from lossladder.runs.verdict import strongest
from lossladder.tasks import Batch
from lossladder.tensorboard.hparams import metrics, settings
from lossladder.tensorboard.logger import EventFileLogger
from lossladder.theory import TheoryMark, marks
from lossladder.training.callbacks import stopped
from lossladder.training.learner import Learner, validation_score
from lossladder.training.random_state import random_numbers_of


def conclude(
    config: Mapping[str, Any],
    learner: Learner,
    status: str,
    seconds: float,
    folder: Path,
    loggers: Sequence[Logger],
    why: str | None = None,
) -> Result:
    """Measure what came of a run, and show it to its loggers.

    Nothing has ended before `result.json` is written, which is for the caller to do last of all.

    Args:
        config: of the run.
        learner: trained.
        status: done, failed, diverged or interrupted; a run that is done may have diverged or been
            stopped, which is found out here.
        seconds: wall time from claiming the folder to here.
        folder: the run's own.
        loggers: the run's own.
        why: last line of the traceback of a run that failed.
    """
    learner.record_rest()
    data, ladder, snapshots = learner.data, learner.ladder, learner.snapshots
    curve = CurveRecord(**learner.training_curve.points())
    validation = CurveRecord(**learner.validation_curve.points())
    measured: dict[str, Any] = {}
    # weights that diverged are useless, and a network that failed may fail again
    if learner.updates and not learner.diverged and status != "failed":
        # the last validation will do if nothing was learnt since
        latest = learner.score if learner.validated_at == learner.updates else None
        measured = measure(learner.network, data, latest)
    if status == "done" and (reason := _lost(learner, measured.get("loss"))):
        status, why, measured = "diverged", reason, {}
    above = config["trainer"].get("stop_above") or {}
    if status == "done" and (reason := stopped(learner, above)):
        status, why = "stopped", reason
    names = dict(config["names"])
    # a logger of one's own may have raised before there was an engine
    engine = vars(learner).get("engine")
    if engine is not None:
        # what trained in the end: `engine=auto` is a choice, no engine
        names["engine"] = engine.name
    result = Result(
        **names,
        seed=config["seed"],
        status="failed" if measured.get("leaks") else status,
        why=why,
        seconds=seconds,
        **{"unit": ladder.loss.unit, "floor": ladder.floor.loss, **measured},
        engine_why=None if engine is None else engine.why,
        rungs=rungs(ladder, learner.passed.at),
        steps=learner.updates,
        steps_per_second=learner.updates / learner.seconds if learner.seconds else None,
        training_seconds=learner.seconds,
        parameters=sum(parameter.numel() for parameter in learner.network.trained()),
        curve=curve,
        validation=validation,
        snapshots=snapshots.record() if snapshots is not None and snapshots.taken else None,
        length=data.length,
        versions={
            "lossladder": lossladder.__version__,
            "torch": torch.__version__,
            "lightning": lightning.__version__,
            "numpy": np.__version__,
        },
    )
    shown = settings(config, result)
    for logger in loggers:
        if isinstance(logger, EventFileLogger):
            logger.show(shown, result)
        else:
            logger.log_hyperparams(shown)
            logger.log_metrics(metrics(result), step=result.steps)
            logger.finalize("success" if result.status == "done" else "failed")
    return result


def _lost(learner: Learner, loss: float | None) -> str | None:
    """Return why a run that came to its end has learnt worse than nothing; None: it has not."""
    ceiling, floor = learner.ladder.ceiling.loss, learner.ladder.floor.loss
    # far above what knows nothing: a network that is merely bad is no such case
    if loss is None or loss <= max(learner.first, ceiling + 10 * max(ceiling - floor, ceiling)):
        return None
    return (
        f"The validation loss ended at {loss:.4g}; before the first update the loss was "
        f"{learner.first:.4g}, and who knows nothing has {ceiling:.4g}"
    )


def _standing(ladder: Ladder, measured: Score, behaviour: Behaviour) -> Standing:
    loss, error = measured.loss, measured.standard_error
    return ladder.standing(loss, error, behaviour.divergences, behaviour.nearest)


def rungs(ladder: Ladder, passed: Mapping[str, int] | None = None) -> tuple[RungRecord, ...]:
    """Return a ladder as results keep it, with the update at which each rung was passed."""
    reached_at = passed or {}
    above: dict[str, list[str]] = {rung.name: [] for rung in ladder}
    for rung, other in ladder.steps:
        above[rung.name].append(other.name)
    return tuple(
        RungRecord(
            rung.name, rung.loss, rung.knows, reached_at.get(rung.name), tuple(above[rung.name])
        )
        for rung in ladder
    )


def theory(
    network: Network, data: Data, loss: float, standard_error: float
) -> list[dict[str, Any]]:
    """Return what theorems say of a network on its task, and how its loss stands to that."""
    ladder = data.ladder()
    return [
        {**_stated(mark), "agrees": mark.agreement(loss, standard_error, ladder)}
        for mark in marks(network, data.task, ladder)
    ]


def theory_references(network: Network, data: Data) -> list[Mark]:
    """Return what theorems say of a network on its task, as reference lines."""
    stated = strongest([_stated(mark) for mark in marks(network, data.task, data.ladder())])
    return [Mark(f"theory {one['statement']}", one["loss"], one["says"]) for one in stated]


def _stated(mark: TheoryMark) -> dict[str, Any]:
    # what must not be read into a statement is said once, in docs/theory.md
    return {key: value for key, value in asdict(mark).items() if key != "not_said"}


def measure(network: Network, data: Data, measured: Score | None = None) -> dict[str, Any]:
    """Return loss, standing, behaviour and mistakes of a network, on the validation sequences.

    A network that draws random numbers draws the same ones each time.

    Args:
        network: trained.
        data: whose validation sequences they are.
        measured: the network's score on them, if it is known already.
    """
    measured = measured or validation_score(network, data)
    with random_numbers_of(seeded("measuring", data.validation_seed)):
        return _measured(network, data, measured)


def _measured(network: Network, data: Data, measured: Score) -> dict[str, Any]:
    batch, ladder = data.validated, data.ladder()
    behaviour = Behaviour(measured, batch, ladder)
    divergence, error = behaviour.from_floor
    divergences = behaviour.divergences
    values: dict[str, Any] = {
        "loss": measured.loss,
        "standard_error": measured.standard_error,
        "unit": ladder.loss.unit,
        "floor": ladder.floor.loss,
        "above_floor": ladder.above_floor(measured.loss),
        "divergence": divergence,
        "divergence_error": error,
        "nearest": next(iter(divergences)),
        "divergences": divergences,
        "leak": measured.leak,
        "leaks": measured.leaks,
        "memory": [asdict(mark) for mark in data.marks()] or None,
        "theory": theory(network, data, measured.loss, measured.standard_error) or None,
    }
    standing = _standing(ladder, measured, behaviour)
    values["share"] = standing.share
    if measured.error is not None:
        values |= {key: getattr(measured, key) for key in ("error", "mistakes", "sequences")}
    training_set = data.training_set()
    if training_set is not None:
        training, hidden = score(network, data.task, training_set), data.hidden()
        values |= {
            "test_error": measured.error,
            "train_error": training.error,
            "train_loss": training.loss,
            "hidden_sequences": int(hidden.sum()),
            "hidden_classes": sorted(set(batch.targets[hidden][batch.scored[hidden]].tolist())),
        }
        if hidden.any() and not hidden.all():
            # what a split hid says nothing of what was learnt from it
            batch, outputs = Batch(*(part[~hidden] for part in batch)), measured.outputs[~hidden]
            shown = score_outputs(outputs, data.task, batch, data.exhaustive)
            standing = _standing(ladder, shown, Behaviour(shown, batch, ladder))
            values["loss_of_shown"] = shown.loss
    values |= {
        # of the same sequences as the standing, or what is between might have passed no rung
        "rung": either(standing.passed) or None,
        "standing": standing.where,
        "stands_on": either(standing.on) or None,
        "knows": " or ".join(rung.knows for rung in standing.on) if standing.knows else None,
        "uses": [
            asdict(use)
            for use in uses(network, data.task, seeded("measuring", data.validation_seed))
        ],
    }
    if standing.where == "between":
        values |= _refitted(network, data, batch, ladder)
    return values


def _refitted(network: Network, data: Data, batch: Batch, ladder: Ladder) -> dict[str, Any]:
    """Return where a network between rungs would stand if its readout were fitted again."""
    found = refitted(network, data, batch)
    standing = _standing(ladder, found.refitted, Behaviour(found.refitted, batch, ladder))
    return {
        "refitted_loss": found.refitted.loss,
        "refitted_saved": found.saved,
        "refitted_on": either(standing.on) if standing.knows else None,
    }


def refitted(network: Network, data: Data, batch: Batch) -> Calibration:
    """Return what a network would lose if its readout were fitted again, as a run's data have it.

    Args:
        network: trained.
        data: says what it is fitted on: the training set or, if that is endless, fresh sequences.
        batch: sequences of its validation to measure on.
    """
    fitting = data.training_set()
    if fitting is None:
        scored, steps = data.validated.scored, data.validated.inputs.shape[1]
        rows = data.sequences(rows_for(network, scored), steps)
        fitting = data.task.sample(seeded("measuring", data.validation_seed, 1), rows, steps)
        # as of validation, the first steps of streams count for nothing
        fitting = fitting._replace(scored=fitting.scored & scored.any(dim=0))
    return calibration(network, data.task, batch, fitting, data.exhaustive)
