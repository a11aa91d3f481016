"""Score a trained network again: on other sequences, longer ones, another task of its kind."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lossladder.checks import RequestError
from lossladder.console import echo, refuse, relative, take_any_text
from lossladder.lazy import loading

HELP = """Score a trained network again.

python evaluate.py run=logs/<run>                        as it was validated
python evaluate.py run=logs/<run> task.num_steps=500     on longer sequences
python evaluate.py run=logs/<run> data.validation_seed=1 on others, where they are drawn
python evaluate.py run=logs/<run> diagnostics=all        what it learned: docs/diagnostics.md
python evaluate.py run=logs/<run> --json                 as JSON, for a program to read
python train.py evaluate run=logs/<run>                  in a project of one's own

Any key of the run's config.yaml can be changed, as far as its weights still fit. Streams (echo)
have no length of their own: they are scored over 500 steps, after some that fill the state."""


def evaluate(
    folder: str, changes: Sequence[str] = (), packages: Collection[str] = ()
) -> dict[str, Any]:
    """Score the network of a run.

    Args:
        folder: of the run.
        changes: to its config, as on the command line: `["task.num_steps=500"]`.
        packages: that its config may name classes of, besides the library's own.
    Returns:
        Loss, rung, behaviour and mistakes, as in `result.json`.
    Raises:
        RequestError: if the folder is no run, or its weights do not fit the changes.
    """
    # torch takes seconds, and --help needs none of it
    with loading():
        from lossladder.runs.load import load_run
        from lossladder.training.conclude import measure, rungs

    run = load_run(folder, changes, packages=packages)
    # of another task than it was trained on nothing is known of training
    passed = {} if changes else {r.name: r.reached_at for r in run.result.rungs if r.reached_at}
    measured = measure(run.network, run.parts.data)
    return {
        **run.config["names"],
        "engine": run.result.engine,
        "seed": run.config["seed"],
        "run": folder,
        "status": run.result.status,
        **{key: value for key, value in measured.items() if value is not None or key == "rung"},
        "rungs": [asdict(rung) for rung in rungs(run.parts.data.ladder(), passed)],
    }


def main(words: Sequence[str] | None = None, packages: Collection[str] = ()) -> None:
    """Evaluate as the command line says.

    Args:
        words: of the command line; None: those that the program was started with.
        packages: that a config may name classes of, besides the library's own.
    """
    take_any_text()
    words = sys.argv[1:] if words is None else words
    if {"-h", "--help"} & set(words):
        echo(HELP)
        return
    as_json = "--json" in words
    changes = [word for word in words if word != "--json"]
    for word in changes:
        if "=" not in word:
            # report.py takes a bare folder, and one might think that this does, too
            hint = (
                f"if it is the folder of a run, run={word}" if Path(word).exists() else "see --help"
            )
            refuse(f"{word}: cannot be read as key=value; {hint}")
    folders = [word.removeprefix("run=") for word in changes if word.startswith("run=")]
    if len(folders) != 1:
        refuse("run=: name the folder of one run; see --help")
    asked = [
        word.removeprefix("diagnostics=") for word in changes if word.startswith("diagnostics=")
    ]
    try:
        others = [word for word in changes if not word.startswith(("run=", "diagnostics="))]
        if asked:
            if as_json:
                refuse("--json: diagnostics leave their numbers in diagnostics.json, in the run")
            with loading():
                import torch

                from lossladder.report.diagnose import FOLDER, diagnose

            # matrices so small gain nothing from more, and on a busy machine lose much by waiting
            torch.set_num_threads(1)
            for found in diagnose(folders[0], ",".join(asked).split(","), others, packages):
                echo(str(found))
            echo(f"{'figures':<15}{relative(Path(folders[0]).absolute() / FOLDER)}")
            return
        result = evaluate(folders[0], others, packages)
    except RequestError as wrong:
        refuse(str(wrong))
    from lossladder.runs.verdict import verdict

    echo(json.dumps(result, indent=2) if as_json else verdict(result))
