"""The table of results: tasks by networks, over seeds, as README shows it.

python docs/figures/overview.py SWEEP [SWEEP ...] --into README.md

replaces what stands between the marks `<!-- results -->` and `<!-- /results -->`.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from lossladder.checks import RequestError
from lossladder.console import Parser
from lossladder.cores import machine
from lossladder.report.summary import known, standings
from lossladder.report.sweep_folder import RunSummary, read_sweep
from lossladder.runs.verdict import number

_HEAD = (
    "| task | network | seeds | divergence from the exact law | standing | updates "
    "| mistakes, median | seconds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def overview(sweeps: Sequence[Path]) -> str:
    """Return a Markdown table of the runs of sweeps, one row for each task and network.

    Raises:
        RequestError: if no run is done.
    """
    found: dict[tuple[str, str], list[RunSummary]] = {}
    for sweep in sweeps:
        for run in read_sweep(sweep).runs:
            result = run.result
            if run.done and result.divergence is not None:
                found.setdefault((result.task, result.model), []).append(run)
    if not found:
        raise RequestError("no run of these sweeps is done")
    rows = [_row(task, model, runs) for (task, model), runs in found.items()]
    return "\n".join([_HEAD, *rows, "", f"Seconds of training, on {machine()}."])


def _row(task: str, model: str, runs: Sequence[RunSummary]) -> str:
    away = sorted(known(runs, "divergence"))
    stand = standings(runs)[0]
    mistakes, seconds = known(runs, "mistakes"), known(runs, "training_seconds")
    spread = f"{number(statistics.median(away))} [{number(away[0])}, {number(away[-1])}]"
    cells = (
        *(task, model, str(len(runs)), spread, f"{stand.words}: {len(stand.runs)} of {len(runs)}"),
        _updates(stand.runs),
        f"{statistics.median(mistakes):g}" if mistakes else "–",
        f"{statistics.median(seconds):.2f}" if seconds else "–",
    )
    return f"| {' | '.join(cells)} |"


def _updates(runs: Sequence[RunSummary]) -> str:
    """Return the median update at which runs passed the last rung that they did pass."""
    last = [max((at for at in run.reached if at is not None), default=None) for run in runs]
    passed = [at for at in last if at is not None]
    return f"{statistics.median(passed):,.0f}" if passed else "–"


def put(table: str, page: Path, mark: str = "results") -> None:
    """Put a table between its marks.

    Raises:
        RequestError: if the page has no marks.
    """
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = page.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise RequestError(f"{page}: has no {start} and {end} between which to put the table")
    page.write_text(f"{before}{start}\n{table}\n{end}{after}")


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line; put the table where it belongs, or print it."""
    parser = Parser(prog="python docs/figures/overview.py", description=__doc__)
    parser.add_argument("sweeps", metavar="SWEEP", nargs="+", type=Path, help="folder of a sweep")
    parser.add_argument("--into", metavar="PAGE.md", type=Path, help="page with the marks")
    asked = parser.parse_args(words)
    with parser.refusing():
        table = overview(asked.sweeps)
        if asked.into is None:
            print(table)
        else:
            put(table, asked.into)


if __name__ == "__main__":
    main()
