"""Who there is: every contestant of every contest, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_HOW_TO_GET = {
    "jax": "pip install jax optax",
    "tensorflow": "pip install tensorflow-cpu",
    "keras": "pip install keras tensorflow-cpu",
    "torchmetrics": "pip install torchmetrics",
}


@dataclass(frozen=True)
class Entry:
    """One contestant of a contest.

    Args:
        name: in results and on the command line.
        label: on the page.
        where: module and class.
        package: the peer's, which has an interpreter of its own if the command line says so.
        options: of the class.
        windows: updates of a timed round; None: all of the problem.
        cores: it is pinned to.
        warm_up: one whole round before, untimed, whose losses are compared.
        once: one timed round will do: it takes long.
    """

    name: str
    label: str
    where: str
    package: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    windows: int | None = None
    cores: int = 1
    warm_up: bool = True
    once: bool = False

    @property
    def how_to_get(self) -> str:
        """How one comes by what it needs."""
        if not self.package:
            return "not in this version of lossladder"
        return f"{_HOW_TO_GET[self.package]}, or --python {self.package}=<interpreter that has it>"


_GEMM = Entry("gemm", "arithmetic at its peak", "benchmarks.ours.probes:Gemm")
_TANH = Entry("tanh", "tanh at its peak", "benchmarks.ours.probes:Tanh")
PROBES = (_GEMM, _TANH)

SOME = 200  # updates of a timed round of those who would take too long for a whole one


def jax(members: int, windows: int | None = None) -> Entry:
    """Return JAX, with the whole round in one jit."""
    plural = "" if members == 1 else "s by vmap"
    options = {"members": members}
    label = f"JAX, whole round in one jit, {members} member{plural}"
    return Entry(
        f"jax-{members}", label, "benchmarks.peers.jax_scan:JaxScan", "jax", options, windows
    )


def fused(
    members: int, cores: int = 1, windows: int | None = None, kind: str | None = None
) -> Entry:
    """Return our compiled engine, or another kind of contestant around it."""
    name = f"fused-{members}" + ("" if cores == 1 else f"-on-{cores}")
    label = f"**fused**, {members} member{'' if members == 1 else 's'}"
    label += "" if cores == 1 else f", {cores} cores"
    options: dict[str, Any] = {"members": members, "threads": cores}
    where = kind or f"benchmarks.ours.engines:{'OneFused' if members == 1 else 'ManyFused'}"
    return Entry(name, label, where, "", options, windows, cores)


def apart(members: int) -> Entry:
    """Return our compiled engine in two processes, with half of the members each."""
    label = f"**fused**, {members} members in two processes"
    where = "benchmarks.ours.engines:Apart"
    return Entry(f"apart-{members}", label, where, "", {"members": members}, None, 2)


def stacked(members: int, windows: int | None = None, whose: str = "") -> Entry:
    """Return members that share torch's operations."""
    label = f"**stacked**,{whose} {members} members"
    where = "benchmarks.ours.engines:ManyStacked"
    return Entry(f"stacked-{members}", label, where, "", {"members": members}, windows)


def making(name: str, label: str, **options: bool) -> Entry:
    """Return a kernel that is made, or loaded."""
    return Entry(name, label, "benchmarks.ours.kernels:Making", "", options, warm_up=False)


def in_trainer(engine: str, epochs: int) -> Entry:
    """Return a real run with an engine."""
    options = {"engine": engine, "epochs": epochs}
    label = f"**{engine}**, 1 member, inside the Trainer"
    return Entry(f"{engine}-in-trainer", label, "benchmarks.ours.trainer:InTrainer", "", options)


def start(name: str, label: str, *words: str) -> Entry:
    """Return a command, from its start to its end."""
    where = "benchmarks.ours.runs:Command"
    return Entry(name, label, where, "", {"words": words}, warm_up=False)


def runs(name: str, label: str, kind: str, **options: Any) -> Entry:
    """Return whole runs on two cores, start-up included."""
    file = "population" if kind == "MembersApart" else "runs"
    where = f"benchmarks.ours.{file}:{kind}"
    return Entry(name, label, where, "", options, cores=2, warm_up=False)


AUTOGRAD = Entry("autograd", "**autograd**, 1 member", "benchmarks.ours.engines:One")
LOOP = Entry("torch-loop", "plain PyTorch loop", "benchmarks.peers.torch_loop:TorchLoop")
TEMPLATE = Entry(
    "template",
    "Lightning as every template does it",
    "benchmarks.peers.lightning_template:LightningTemplate",
    "torchmetrics",
    warm_up=False,
)
NOTEBOOK = Entry(
    "notebook",
    "the 2016 notebook's TensorFlow",
    "benchmarks.peers.tensorflow_notebook:TensorFlowNotebook",
    "tensorflow",
)
KERAS = Entry("keras", "Keras `fit`, stateful", "benchmarks.peers.keras_fit:KerasFit", "keras")
KERAS_50 = Entry(
    "keras-50",
    "Keras `fit`, 50 steps an execution, jit",
    "benchmarks.peers.keras_fit:KerasFit",
    "keras",
    {"steps_per_execution": 50, "jit": True},
)
STACKED = stacked(64, SOME, whose=" a user's own cell,")
