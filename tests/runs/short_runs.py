"""Short real runs, made in this process through the door that the command line uses."""

import contextlib
import io
from pathlib import Path

from lossladder.cli.main import run

SHORT = {
    "adding": ("task=adding", "trainer.max_steps=100"),
    "delay": ("task=delay", "trainer.max_steps=100"),
    "echo": ("experiment=echo_both", "trainer.max_steps=300"),
    "copy": ("task=copy", "trainer.max_steps=100"),
    "count": ("task=count", "model=lstm", "trainer.max_steps=500"),
    "counter": ("task=counter", "trainer.max_steps=100"),
    "dyck": ("task=dyck", "trainer.max_steps=100"),
    "modular": ("task=modular", "trainer.max_steps=100"),
    "markov_in_context": ("task=markov_in_context", "trainer.max_steps=100"),
    "source": ("task=source", "trainer.max_steps=100"),
    "flipflop": ("task=flipflop", "trainer.max_steps=100"),
    "parity": ("task=parity", "trainer.max_steps=100"),
    "even_pairs": ("task=even_pairs", "trainer.max_steps=100"),
    "recall": ("task=recall", "trainer.max_steps=100"),
    "unfold": ("task=unfold", "trainer.max_steps=100"),
    "words": ("task=words", "trainer.max_steps=100"),
    "worked_example": ("task=worked_example", "trainer.max_steps=100"),
    "xor": ("task=xor", "trainer.max_steps=100"),
    "xor_lags": ("task=xor_lags", "trainer.max_steps=100"),
}


def short_run(logs: Path, task: str, *overrides: str) -> Path:
    """Train for a few hundred updates; returns the folder of the run."""
    before = set(logs.glob(f"{task}-*"))
    train(logs, *SHORT[task], "trainer.max_epochs=null", *overrides)
    (folder,) = set(logs.glob(f"{task}-*")) - before
    return folder


def train(logs: Path, *words: str) -> str:
    """`python train.py *words`; returns what it said."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        outcome = run([*words, "trainer.progress=false", f"logs={logs}"])
    assert outcome.code == 0, outcome.complaints
    return said.getvalue()
