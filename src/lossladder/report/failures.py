"""Runs that ended badly, by their last words: a hundred runs often fail for one reason."""

from lossladder.report.sweep_folder import RunSummary, Sweep

DIVERGED = "the loss became infinite or no number"


def bad_ends(sweep: Sweep) -> dict[tuple[str, str], list[RunSummary]]:
    """Return (status, last words) -> the runs that ended so, those of most first."""
    alike: dict[tuple[str, str], list[RunSummary]] = {}
    for run in sweep.runs:
        if run.status in ("failed", "diverged"):
            why = run.why if run.status == "failed" else DIVERGED
            alike.setdefault((run.status, why), []).append(run)
    return dict(sorted(alike.items(), key=lambda pair: -len(pair[1])))
