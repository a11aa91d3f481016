"""Floor 3: the DataModules, as `conf/data` has them."""

from lossladder.data.curriculum import Curriculum
from lossladder.data.datamodule import Data
from lossladder.data.fresh import Fresh
from lossladder.data.split import Split
from lossladder.data.streams import Streams

__all__ = ["Curriculum", "Data", "Fresh", "Split", "Streams"]
