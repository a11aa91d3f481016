"""The six networks of docs/verdict.md, trained again: what each is told, and what it uses.

python docs/figures/verdicts.py --into docs/verdict.md

replaces what stands between the marks `<!-- six -->` and `<!-- /six -->`.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from overview import put

from lossladder.console import Parser
from lossladder.runs.verdict import number, standing, used_inputs

DOOR = Path(__file__).parents[2] / "train.py"
_HEAD = (
    "| network | loss | passed in loss | what it is told | acts like | uses, of what there is |\n"
    "|---|---|---|---|---|---|"
)
# name in the table -> words of the command
NETWORKS = {
    "echo, gradients over one step": "experiment=r2rt_grid hydra.mode=RUN data.bptt_steps=1 "
    "model.hidden_size=16 seed=6",
    "echo, 8 units": "experiment=echo_both model.hidden_size=8",
    "echo, a GRU on its way": "model=gru optimizer=adagrad optimizer.lr=0.1 data.bptt_steps=5",
    "echo, two lags of one worth": "'task.effects={2:0.4,5:0.4}' task.base=0.1 "
    "model.hidden_size=4 optimizer=sgd optimizer.lr=0.1 trainer.max_steps=400",
    "count, a few strings wrong": "task=count model=rnn seed=1",
    "echo, a learning rate of 1000": "optimizer.lr=1000 trainer.max_steps=100",
}


def table() -> str:
    """Train the networks; return a Markdown table, one row for each."""
    rows: list[str] = []
    for name, words in NETWORKS.items():
        with TemporaryDirectory() as folder:
            quiet = ("trainer.progress=false", f"logs={folder}", f"hydra.run.dir={folder}/run")
            command = [sys.executable, str(DOOR), *words.replace("'", "").split(), *quiet]
            # one that diverges ends with another exit code, and has a result all the same
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
            result = json.loads(Path(folder, "run/result.json").read_text())
        rows.append(f"| {name}: `{words}` | {' | '.join(_cells(result))} |")
    return "\n".join([_HEAD, *rows])


def _cells(result: dict[str, Any]) -> list[str]:
    if result["loss"] is None:
        return ["–", "–", f"{result['status']}: {result['why']}", "–", "–"]
    told = standing(result)
    if result["standing"] == "between":
        told = f"between; {100 * result['share']:.0f} % of what can be known"
    away = f"{result['nearest']} ({number(result['divergences'][result['nearest']])} away)"
    uses = "; ".join(used_inputs(result["uses"]))
    return [number(result["loss"]), str(result["rung"]), told, away, uses]


if __name__ == "__main__":
    parser = Parser(prog="python docs/figures/verdicts.py", description=__doc__)
    parser.add_argument("--into", metavar="PAGE.md", type=Path, required=True)
    with parser.refusing():
        put(table(), parser.parse_args().into, "six")
