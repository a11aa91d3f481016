"""Floor 4: from config to objects, and Lightning's part of a run: learner, callbacks, end."""

from lossladder.lazy import lazy_names

# where the DataModules lived before: the configs of earlier runs name them here
_MOVED = ("Curriculum", "Fresh", "Split", "Streams")
__getattr__ = lazy_names(__name__, dict.fromkeys(_MOVED, "lossladder.data"))
