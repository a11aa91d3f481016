"""Networks on endless words of groups: what each reaches, beside what theory says of it.

python docs/figures/groups.py --seeds 16 --folder logs/groups --into docs/theory.md

trains what is not trained yet, and replaces what stands between `<!-- groups -->` and
`<!-- /groups -->`. A loss is the mean over the letters 1025 to 2048 of 64 new streams.
"""

import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from overview import put
from torch import Generator

from lossladder.console import Parser
from lossladder.cores import machine
from lossladder.models import Network
from lossladder.runs.load import Run, load_run
from lossladder.tasks import Words

DOOR = Path(__file__).parents[2] / "train.py"
GROUPS = "Z2", "Z3", "Z6", "S3", "A4", "S4"
# name in the table -> words of the command
NETWORKS = {
    "rnn": "model=rnn",
    "lstm": "model=lstm",
    "gru": "model=gru",
    **{
        f"diagonal, {kind}, {layers} layer{'s' if layers > 1 else ''}": (
            f"model=diagonal model.range={kind} model.layers={layers} model.reader=mlp"
        )
        for kind in ("unit", "signed", "complex")
        for layers in (1, 2)
    },
    **{
        f"delta, beta to {beta}, {products} factor{'s' if products > 1 else ''}": (
            f"model=delta model.beta_max={beta} model.products={products} model.hidden_size=8 "
            "model.reader=mlp"
        )
        for beta in (1, 2)
        for products in (1, 2)
    },
}
_NEAR = 0.05  # nats between a loss in the long run and its rung: calibration takes as much
_STREAMS, _FIRST, _LAST = 64, 1024, 2048


@torch.no_grad()
def long_run(network: Network, task: Words) -> float:
    """Return the loss of letters that follow many others, nats."""
    generator = Generator().manual_seed(0)
    before = task.draw(generator, _STREAMS, _FIRST)
    after = task.draw(generator, _STREAMS, _LAST - _FIRST, before.after)
    _, state = network(task.features(before.inputs))
    outputs, _ = network(task.features(after.inputs), state)
    return float(task.losses(outputs.double(), after.targets.long()).mean())


def cell(runs: Sequence[Run]) -> str:
    """Return how many of some runs stand on each rung in the long run, and theory's mark.

    The runs are of one network and group. What is further from every rung is given by its median.
    """
    if not runs:
        return "–"
    task = runs[0].task
    assert isinstance(task, Words)
    ladder, found, away = task.ladder(), Counter[str](), []
    for run in runs:
        loss = long_run(run.network, task)
        near = [rung for rung in ladder if abs(rung.loss - loss) < _NEAR]
        if near:
            found[f"{near[0].loss:.3f}"] += 1
        else:
            away.append(loss)
    told = [f"{count} × {loss}" for loss, count in sorted(found.items())]
    if away:
        told.append(f"{len(away)} near {statistics.median(away):.2f}")
    marks = runs[0].result.theory or ()
    lower = [mark["loss"] for mark in marks if mark["bound"] == "lower"]
    enough = any(mark["bound"] == "suffices" for mark in marks)
    # of several bounds the strongest; what suffices is the floor
    least = f" (≥ {max(lower):.3f})" if lower else " (0 can be had)" if enough else ""
    return ", ".join(told) + least


def table(folder: Path, seeds: int, groups: Sequence[str], names: Sequence[str]) -> str:
    """Train the networks; return a Markdown table, one row for each."""
    torch.set_num_threads(1)
    lines = [f"| network | {' | '.join(groups)} |", f"|---|{'---|' * len(groups)}"]
    for name in names:
        sweep = folder / name.replace(", ", "_").replace(" ", "_")
        command = [
            *(sys.executable, str(DOOR), "-m", "experiment=words_endless"),
            *(f"task.group={','.join(groups)}", *NETWORKS[name].split(), f"seed=range({seeds})"),
            *("trainer.progress=false", f"logs={folder}/logs", f"hydra.sweep.dir={sweep}"),
        ]
        # what diverged or was trained already is no reason to end
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        runs = [load_run(path.parent) for path in sorted(sweep.glob("*/result.json"))]
        done = [run for run in runs if run.result.status == "done"]
        cells = [cell([r for r in done if r.config["task"]["group"] == group]) for group in groups]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join([*lines, "", f"{seeds} seeds each, on {machine()}."])


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/groups.py", description=__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--groups", nargs="+", default=GROUPS, choices=GROUPS)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--folder", type=Path, default=Path("logs/groups"))
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    with parser.refusing():
        asked = parser.parse_args()
        put(table(asked.folder, asked.seeds, asked.groups, asked.networks), asked.into, "groups")
