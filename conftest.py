"""Shapes and types of calls are checked in tests, from before the package is imported."""

import os

from jaxtyping import install_import_hook

from lossladder.lazy import loading

# First, for the hook keeps compiled modules apart: what a checked module is the first to import is
# compiled anew, some seconds of each process.
with loading():
    import hydra  # noqa: F401
    import hypothesis  # noqa: F401
    import lightning.pytorch  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

# Without the compiler of cells, which makes thousands of calls for each, and handles no numbers.
# What is called in every step of a run costs a third of all tests: the slow ones check it.
_CHECKED = [
    *("checks", "data", "diagnostics", "ladder", "tasks", "testing", "training.build"),
    *("engines.auto", "engines.engine", "engines.optimizers", "engines.population"),
    *("engines.schedules", "engines.stepwise"),
]
if os.environ.get("LOSSLADDER_CHECK_ALL"):
    _CHECKED += [
        *("evaluate", "models", "report", "runs", "sweeps", "tensorboard", "train", "training"),
        *("engines.autograd", "engines.fused.fused", "engines.stacked"),
    ]
# an int will do for a float, as everywhere in Python
_BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
install_import_hook([f"lossladder.{name}" for name in _CHECKED], _BEARTYPE)
