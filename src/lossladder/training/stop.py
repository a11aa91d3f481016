"""Stop a run as soon as it stands on a rung."""

from lightning.pytorch import Callback, Trainer

from lossladder import arguments
from lossladder.ladder import Ladder
from lossladder.training.learner import Learner


class StopAtRung(Callback):
    """Ends training when the validation loss stands on a rung or under it.

    Args:
        ladder: what the validation loss is held against.
        name: of the rung.
    Raises:
        ValueError: if the ladder has no such rung.
    """

    def __init__(self, ladder: Ladder, name: str) -> None:
        self.ladder = ladder
        names = [rung.name for rung in ladder]
        arguments.one_of("stop_at", name, ("floor", *names))
        self.rung = ladder.floor if name == "floor" else ladder[name]

    def on_validation_end(self, trainer: Trainer, pl_module: Learner) -> None:
        """Stop, if the rung is reached."""
        if self.reached_by(pl_module):
            trainer.should_stop = True

    def reached_by(self, learner: Learner) -> bool:
        """Whether the learner's last validation loss stands on the rung or under it."""
        if learner.score is None:
            return False
        reached = self.ladder.reached(learner.score.loss)
        return reached is not None and reached.loss <= self.rung.loss
