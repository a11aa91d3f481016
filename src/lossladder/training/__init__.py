"""Floor 3: the only Lightning code. Data, the learner, its callbacks, and the folder of a run."""

from lossladder.training.build import Parts, RequestError, build
from lossladder.training.curriculum import Curriculum
from lossladder.training.fresh import Fresh
from lossladder.training.learner import Learner
from lossladder.training.run import Run, load_run
from lossladder.training.split import Split
from lossladder.training.streams import Streams

__all__ = [
    "Curriculum",
    "Fresh",
    "Learner",
    "Parts",
    "RequestError",
    "Run",
    "Split",
    "Streams",
    "build",
    "load_run",
]
