"""Shapes and types of calls are checked in every test, from before the package is imported."""

from jaxtyping import install_import_hook

# Without the compiler of cells, which makes thousands of calls for each and handles no numbers.
_CHECKED = (
    *("checks", "data", "diagnostics", "evaluate", "ladder", "models", "report", "runs", "sweeps"),
    *("tasks", "tensorboard", "testing", "train", "training", "engines.auto", "engines.autograd"),
    *("engines.engine", "engines.fused.fused", "engines.optimizers", "engines.population"),
    *("engines.schedules", "engines.stacked", "engines.stepwise"),
)
# an int will do for a float, as everywhere in Python
_BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
install_import_hook([f"lossladder.{name}" for name in _CHECKED], _BEARTYPE)
