"""The story of runs trained together: from their configs to a folder each."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from lossladder.engines import Population
from lossladder.ladder import Ladder
from lossladder.sweeps.groups import engine_for
from lossladder.sweeps.jobs import Job
from lossladder.training.board import Board
from lossladder.training.build import Parts, asked
from lossladder.training.checkpoints import AtomicCheckpointIO
from lossladder.training.folder import CHECKPOINT, claim, config_text, note
from lossladder.training.learner import Learner
from lossladder.training.references import write_references
from lossladder.training.result import conclude
from lossladder.training.stop import StopAtRung
from lossladder.training.together import Snapshots, Together, Turns
from lossladder.training.trainer import make_trainer
from lossladder.training.undisturbed import undisturbed
from lossladder.training.verdict import verdict

Report = Callable[[int, Counter[str]], None]


def train_together(
    jobs: Sequence[Job], built: Sequence[Parts], references: Path, report: Report
) -> list[dict[str, Any]]:
    """Train all jobs at once; each leaves in its folder what it would have left alone.

    Args:
        jobs: which differ only in what members can differ in.
        built: of their configs, in order.
        references: where reference lines are kept.
        report: is told after each chunk how many updates were made, and who stands where.
    Returns:
        The results, in order; none if nothing trains these together.
    """
    engine = engine_for(built[0], len(jobs))
    if engine is None:
        return []
    name = jobs[0].config["names"]["task"]
    learners = [Learner(parts, name) for parts in built]
    for learner in learners:
        learner.join(engine)

    def population(active: Sequence[Learner]) -> Population:
        optimizers = [learner.optimizer for learner in active]
        networks = [learner.network for learner in active]
        made = engine.among(networks, engine.task, optimizers, engine.gradient_clip)
        made.threads = 1  # other slices have the other cores
        return made

    first, trained = learners[0], jobs[0].config["trainer"]
    plan, ladder = first.data.plan, first.data.ladder()
    together = Together(learners, population, report, _early_end(trained["stop_at"], ladder))
    snapshots = Snapshots()
    root = jobs[0].folder  # any of them: nothing is written there
    trainer = make_trainer(trained, plan.legs, snapshots.shared, root, callbacks=[snapshots])
    boards = [Board(job.folder) for job in jobs]
    for job, learner, board in zip(jobs, learners, boards, strict=True):
        claim(job.folder, job.config)
        note(job.folder, logging.INFO, f"config\n{config_text(job.folder)}")
        learner.board = board
    write_references(references, first.card, ladder, plan.updates)
    started = time.perf_counter()
    status = "done"
    with ExitStack() as open_boards:
        for board in boards:
            open_boards.enter_context(closing(board))
        try:
            trainer.fit(together, datamodule=Turns(learners))
        except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
            status = "interrupted"
        seconds = (time.perf_counter() - started) / len(jobs)
        with undisturbed():  # what has been learnt is written, whoever is in a hurry
            return [
                _leave(job, learner, board, snapshots.of.get(learner), status, seconds)
                for job, learner, board in zip(jobs, learners, boards, strict=True)
            ]


def _early_end(rung: str | None, ladder: Ladder) -> Callable[[Learner], bool]:
    """Whether a learner stops before the plan is done."""
    if rung is None:
        return lambda learner: False
    return asked("trainer", lambda: StopAtRung(ladder, rung)).reached_by


def _leave(
    job: Job,
    learner: Learner,
    board: Board,
    checkpoint: dict[str, Any] | None,
    status: str,
    seconds: float,
) -> dict[str, Any]:
    """What a run leaves when it ends."""
    if checkpoint is not None:
        AtomicCheckpointIO().save_checkpoint(checkpoint, job.folder / CHECKPOINT)
        if checkpoint["lossladder"]["updates"] == learner.data.plan.updates:
            status = "done"  # whatever interrupted the others
    status = "diverged" if learner.diverged else status
    result = conclude(job.config, learner, status, seconds, job.folder, board)
    note(job.folder, logging.INFO, f"verdict\n{verdict(result)}")
    return result
