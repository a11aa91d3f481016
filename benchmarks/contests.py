"""Who runs against whom, on what. All of a contest take turns; only within one do ratios count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.entries import (
    AUTOGRAD,
    KERAS,
    KERAS_50,
    LOOP,
    NOTEBOOK,
    PROBES,
    SOME,
    STACKED,
    TEMPLATE,
    Entry,
    fused,
    in_trainer,
    jax,
    runs,
    start,
)


@dataclass(frozen=True)
class Contest:
    """Contestants that take turns.

    Args:
        name: in results.
        title: on the page.
        unit: of the work.
        entries: in the order of their turns.
        problem: kind and sizes; None: they do not train.
        ours: the entries with which the page compares the others, one for each number of members.
        compared: which loss must be equal: `loss` (mean of the last 100 updates) or `first_loss`.
    """

    name: str
    title: str
    unit: str
    entries: Sequence[Entry]
    problem: Mapping[str, Any] | None = None
    compared: str = "loss"
    ours: Sequence[str] = ()


ECHO_4 = Contest(
    name="echo-4",
    title="Echo, hidden 4, window 5, batch 200",
    unit="updates",
    problem={"kind": "echo", "bptt_steps": 5, "hidden_size": 4},
    ours=("auto-in-trainer", "fused-16", "fused-64"),
    entries=(
        *PROBES, TEMPLATE, KERAS, KERAS_50, LOOP, NOTEBOOK, jax(1), jax(16, SOME), jax(64, SOME),
        AUTOGRAD, in_trainer("autograd", 1), fused(1), in_trainer("fused", 60),
        in_trainer("auto", 60), fused(16), fused(64), fused(64, 2), STACKED,
    ),
)  # fmt: skip
ECHO_16 = Contest(
    name="echo-16",
    title="Echo, hidden 16, window 10, batch 200",
    unit="updates",
    problem={"kind": "echo", "bptt_steps": 10, "hidden_size": 16},
    ours=("fused-1", "fused-16", "fused-64"),
    entries=(
        *PROBES, NOTEBOOK, LOOP, jax(1), jax(16, 100), jax(64, 50), AUTOGRAD, fused(1),
        in_trainer("fused", 20), fused(16, windows=100), fused(64), fused(64, 2),
    ),
)  # fmt: skip
COUNT = Contest(
    name="count",
    title="Count, LSTM of 12, 10 steps, batch 100",
    unit="updates",
    problem={"kind": "count", "updates": 100},
    ours=("fused-1", "fused-16", "fused-64"),
    entries=(
        *PROBES, LOOP, jax(1), jax(16), jax(64, 30), AUTOGRAD, fused(1), fused(16), fused(64),
    ),
)  # fmt: skip
PARITY = Contest(
    name="parity",
    title="Parity, 10 000 strings of 50 bits in one batch, hidden 25",
    unit="updates",
    problem={"kind": "parity"},
    ours=("fused-1",),
    compared="first_loss",
    entries=(
        *PROBES,
        Entry(
            "notebook",
            "the notebook's NumPy (float64)",
            "benchmarks.peers.notebook_parity:NotebookParity",
        ),
        LOOP,
        AUTOGRAD,
        fused(1),
        Entry(
            "fused-double",
            "**fused**, in float64",
            "benchmarks.ours.engines:OneFused",
            "",
            {"double": True},
        ),
    ),
)
DATA = Contest(
    name="data",
    title="A million symbols of echo",
    unit="symbols",
    ours=("ours",),
    entries=(
        Entry(
            "notebook",
            "the notebook's generator",
            "benchmarks.peers.notebook_data:NotebookData",
            "",
            {"symbols": 1_000_000},
        ),
        Entry("ours", "**ours**", "benchmarks.ours.data:EchoData", "", {"symbols": 1_000_000}),
    ),
)
RUNS = Contest(
    name="runs",
    title="64 one-epoch runs of echo, from the command to the results",
    unit="runs",
    ours=("sweep",),
    entries=(
        runs("processes", "a process each, `python train.py`", "Processes", seeds=4),
        runs("members-apart", "**64 members**, start-up apart", "MembersApart", runs=64),
        runs("sweep", "**one command**, `python train.py -m`", "Sweep", seeds=64),
    ),
)
SWEEP = Contest(
    name="sweep",
    title="128 one-epoch runs of echo: 64 seeds by hidden 4 and 16",
    unit="runs",
    ours=("sweep",),
    entries=(
        runs(
            "one-by-one",
            "one by one, `python train.py`",
            "Processes",
            seeds=4,
            sizes=(4, 16),
            at_once=1,
        ),
        runs("sweep", "**one command**, `python train.py -m`", "Sweep", seeds=64, sizes=(4, 16)),
    ),
)
STARTS = Contest(
    name="starts",
    title="Start-up",
    unit="starts",
    entries=(
        start("imports", "importing torch and Lightning", "-c", "import torch, lightning.pytorch"),
        start("help", "`python train.py --help`", "train.py", "--help"),
        start(
            "one-update",
            "`python train.py`, one update, to its verdict",
            *("train.py", "trainer.max_steps=1", "trainer.progress=false"),
        ),
        Entry(
            "compile",
            "compiling the fused kernel, once a machine",
            "benchmarks.ours.runs:Compilation",
            warm_up=False,
            once=True,
        ),
    ),
)
CONTESTS = {c.name: c for c in (ECHO_4, ECHO_16, COUNT, PARITY, DATA, RUNS, SWEEP, STARTS)}
