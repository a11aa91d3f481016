"""A checkpoint that is not as it was written is noticed, and the one before it taken."""

import json
import random
from pathlib import Path

import pytest
import torch

from lossladder.checks import RequestError
from lossladder.runs.checkpoint import read_checkpoint
from lossladder.runs.folder import CHECKPOINT
from lossladder.training.trainer import AtomicCheckpointIO

WORDS = ("model.hidden_size=4", "trainer.progress=false", "trainer.validate_every=50")


@pytest.fixture
def run(train, tmp_path) -> Path:
    """The folder of a run with two checkpoints."""
    folder = tmp_path / "run"
    assert train(*WORDS, "trainer.max_steps=100", f"hydra.run.dir={folder}").code == 0
    return folder


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("count", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_no_flipped_bit_passes(run, count):
    """Of 400, torch itself loads 293 as if nothing were wrong."""
    path = run / CHECKPOINT
    content, chance = path.read_bytes(), random.Random(0)
    path.with_stem("previous").unlink()
    for _ in range(count):
        path.write_bytes(flipped(content, chance.randrange(8 * len(content))))
        with pytest.raises(RequestError, match="damaged"):
            read_checkpoint(path, "run=here")


def test_torch_reads_what_is_sealed(run):
    """The seal is a comment of the archive that a checkpoint is."""
    ours = read_checkpoint(run / CHECKPOINT, "run=here")
    theirs = torch.load(run / CHECKPOINT, weights_only=True)
    assert ours["lossladder"]["updates"] == theirs["lossladder"]["updates"] == 100


@pytest.mark.sampled(1)
@pytest.mark.parametrize("damage", ["flipped", "empty", "half", "gone"])
def test_where_the_newest_is_damaged_the_one_before_is_taken_and_that_is_said(run, train, damage):
    path, whole = run / CHECKPOINT, run.with_name("whole")
    content = path.read_bytes()
    parts = {"flipped": flipped(content, 9000), "empty": b"", "half": content[: len(content) // 2]}
    path.write_bytes(parts.get(damage, b""))
    rest = run.with_name("rest")
    outcome = train(f"resume={run}", "trainer.max_steps=150", f"hydra.run.dir={rest}")
    assert outcome.code == 0, outcome.err
    assert "is damaged; taking the checkpoint before it, previous.ckpt" in outcome.err
    train(*WORDS, "trainer.max_steps=150", f"hydra.run.dir={whole}")
    ends, due = (json.loads((folder / "result.json").read_text()) for folder in (rest, whole))
    assert (ends["loss"], ends["curve"], ends["rungs"]) == (due["loss"], due["curve"], due["rungs"])


def test_a_kill_between_two_checkpoints_leaves_the_one_before(tmp_path, monkeypatch):
    """The moment at which the old one has been moved and the new one has not."""
    path, writer = tmp_path / "last.ckpt", AtomicCheckpointIO()
    writer.save_checkpoint({"number": 1}, path)
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target == path:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        writer.save_checkpoint({"number": 2}, path)
    assert read_checkpoint(path, "run=here")["number"] == 1
