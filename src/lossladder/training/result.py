"""What a run measures and leaves in `result.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

import lossladder
from lossladder.diagnostics import Score, behaviour, score
from lossladder.ladder import Ladder
from lossladder.models import Network
from lossladder.training.board import Board
from lossladder.training.data import Data
from lossladder.training.folder import write_result
from lossladder.training.learner import Learner


def conclude(
    config: Mapping[str, Any],
    learner: Learner,
    status: str,
    seconds: float,
    folder: Path,
    board: Board,
    why: str | None = None,
) -> dict[str, Any]:
    """Measure what came of a run; write it down in its folder and show it on its board.

    Args:
        config: of the run.
        learner: trained.
        status: done, failed, diverged or interrupted.
        seconds: wall time from claiming the folder to here.
        folder: the run's own.
        board: the run's own.
        why: last line of the traceback of a run that failed.
    """
    result = {
        **config["names"],
        "seed": config["seed"],
        "status": status,
        "why": why,
        "seconds": seconds,
        **_summary(learner),
    }
    if result.get("leaks"):
        result["status"] = "failed"
    write_result(folder, result)
    board.show(config, result)
    return result


def _summary(learner: Learner) -> dict[str, Any]:
    """Everything measured in a run, as plain values."""
    learner.record_rest()
    data, ladder = learner.data, learner.data.ladder()
    curve, validation = learner.training_curve.points(), learner.validation_curve.points()
    # where sequences grow in training, only validation is always at the length of the ladder
    climbed = curve if data.length is None else validation
    passed = data.training_ladder().passed(climbed["updates"], climbed["loss"])
    measured = learner.score is not None and not learner.diverged
    return {
        **(_measured(learner) if measured else {"loss": None, "rung": None}),
        "engine": learner.engine.name,
        "engine_why": learner.engine.why,
        "unit": ladder.loss.unit,
        "floor": ladder.floor.loss,
        "rungs": rungs(ladder, passed),
        "steps": learner.updates,
        "steps_per_second": learner.updates / learner.seconds if learner.seconds else None,
        "training_seconds": learner.seconds,
        "parameters": sum(p.numel() for p in learner.network.trained()),
        "curve": curve,
        "validation": validation,
        **({} if data.length is None else {"length": data.length}),
        "versions": versions(),
    }


def rungs(ladder: Ladder, passed: Mapping[str, int]) -> list[dict[str, Any]]:
    """A ladder as plain values, with the update at which each rung was first reached."""
    return [
        {
            "name": rung.name,
            "loss": rung.loss,
            "knows": rung.knows,
            "reached_at": passed.get(rung.name),
        }
        for rung in ladder
    ]


def _measured(learner: Learner) -> dict[str, Any]:
    """Measure what was learnt; the last validation will do if nothing was learnt since."""
    latest = learner.score if learner.validated_at == learner.updates else None
    return measure(learner.network, learner.data, latest)


def measure(network: Network, data: Data, measured: Score | None = None) -> dict[str, Any]:
    """Loss, rung, behaviour and mistakes of a network, on the validation sequences.

    Args:
        network: trained.
        data: whose validation sequences they are.
        measured: the network's score on them, if it is known already.
    """
    batch, ladder = data.validated, data.ladder()
    measured = measured or score(network, data.task, batch)
    reached = ladder.reached(measured.loss)
    divergences = behaviour(measured, batch, ladder)
    values: dict[str, Any] = {
        "loss": measured.loss,
        "standard_error": measured.standard_error,
        "unit": ladder.loss.unit,
        "floor": ladder.floor.loss,
        "above_floor": ladder.above_floor(measured.loss),
        "rung": None if reached is None else reached.name,
        "nearest": next(iter(divergences)),
        "divergences": divergences,
        "leak": measured.leak,
        "leaks": measured.leaks,
    }
    if measured.error is not None:
        values |= {
            "error": measured.error,
            "mistakes": measured.mistakes,
            "sequences": measured.sequences,
        }
    training_set = data.training_set()
    if training_set is not None:
        training = score(network, data.task, training_set)
        hidden = data.hidden()
        values |= {
            "test_error": measured.error,
            "train_error": training.error,
            "train_loss": training.loss,
            "hidden_sequences": int(hidden.sum()),
            "hidden_classes": sorted(set(batch.targets[hidden][batch.scored[hidden]].tolist())),
        }
    return values


def versions() -> dict[str, str]:
    """Versions a result depends on."""
    return {
        "lossladder": lossladder.__version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "numpy": np.__version__,
    }
