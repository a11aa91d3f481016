"""What is written for a cell is code for every processor, and the same text in every process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim import Adam
from zoo import ZOO

from lossladder.engines import Chunk, FusedPopulation, stack_chunks
from lossladder.engines.fused import kernel
from lossladder.engines.fused.codes import code_symbols
from lossladder.engines.fused.kernel import Kernel
from lossladder.engines.fused.machine_code import assemble, compile_module
from lossladder.engines.fused.processor import Processor, this_processor
from lossladder.engines.fused.readout import CROSS_ENTROPY
from lossladder.engines.fused.tracing import trace
from lossladder.models import RNN, GRUCell, LSTMCell, Network
from lossladder.tasks import Echo

CELLS = {"rnn": RNN, "lstm_cell": LSTMCell, "gru_cell": GRUCell, **ZOO}
LINUX = "x86_64-unknown-linux-gnu"
# with the name of their registers in assembly
PROCESSORS = {
    "avx512": (Processor(LINUX, "x86-64", "+avx512f,+avx512vl,+avx2,+fma"), "%zmm"),
    "avx2": (Processor(LINUX, "x86-64", "+avx2,+fma,-avx512f"), "%ymm"),
    "sse2": (Processor(LINUX, "x86-64", "+sse2,-avx"), "%xmm"),
    "aarch64": (Processor("aarch64-linux-gnu", "", "+neon"), ".4s"),
    "apple": (Processor("arm64-apple-macosx", "", "+neon"), ".4s"),
}
# among them they have every function there is
SOME = ("lstm_cell", "complex", "quantised")


def made(name, dtype=np.float32):
    """A cell's kernel, of which nothing is compiled yet."""
    torch.manual_seed(0)
    network = Network(CELLS[name](2, 5), 3)
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    return Kernel(trace(network), code_symbols(np.eye(2, dtype=dtype)), names, CROSS_ENTROPY, dtype)


def compiles(name, of, monkeypatch):
    processor, register = PROCESSORS[of]
    monkeypatch.setattr(kernel, "this_processor", lambda: processor)
    text = made(name).text
    assert compile_module(text, processor)
    found = assemble(text, processor)
    if "zmm" not in register:
        assert "%zmm" not in found
    if register == "%xmm":
        assert "%ymm" not in found
    assert (register in found) or (".4s" in register and "fmla" in found)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("of", PROCESSORS)
@pytest.mark.parametrize("name", SOME)
def test_a_kernel_is_code_for_every_processor(name, of, monkeypatch):
    compiles(name, of, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("of", PROCESSORS)
@pytest.mark.parametrize("name", [name for name in CELLS if name not in SOME])
def test_every_kernel_is_code_for_every_processor(name, of, monkeypatch):
    compiles(name, of, monkeypatch)


def in_another_process(what, **variables):
    """What a function of this module prints in a process with other variables."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1] / "src"), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    code = f"import test_processors; test_processors.{what}()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def losses(name):
    torch.manual_seed(0)
    network, task = Network(CELLS[name](2, 5), 2), Echo()
    draw = task.draw(torch.Generator().manual_seed(1), 40, 8 * 5)
    inputs, targets = (t.unflatten(1, (8, 5)).transpose(0, 1) for t in (draw.inputs, draw.targets))
    population = FusedPopulation([network], task, [Adam(network.trained(), lr=0.01)])
    found, _ = population.train(stack_chunks([Chunk(inputs, targets, None, carried=True)]), None)
    assert not population._instead
    return found[0].tolist()


def print_losses():
    print(this_processor().register)
    for name in SOME:
        print(*losses(name))


@pytest.mark.sampled(1)
@pytest.mark.skipif(not this_processor().is_x86, reason="x86's own instructions")
@pytest.mark.parametrize(("features", "register"), [("+sse2", 4), ("+avx2,+fma", 8)])
def test_fewer_instructions_train_alike(features, register):
    if this_processor().register < register:
        pytest.skip("this processor has no more")
    restricted = {"LOSSLADDER_CPU": "x86-64", "LOSSLADDER_CPU_FEATURES": features}
    found, *lines = in_another_process("print_losses", **restricted)
    assert int(found) == register
    for name, line in zip(SOME, lines, strict=True):
        np.testing.assert_allclose([*map(float, line.split())], losses(name), rtol=1e-5)


def print_keys():
    for name in CELLS:
        print(name, hashlib.sha256(made(name).key.encode()).hexdigest())


@pytest.mark.slow
def test_the_text_of_a_kernel_is_the_same_in_every_process():
    first, second = map(_keys_with, ("1", "2"))
    assert first == second
    assert len(set(first)) == len(CELLS)


def _keys_with(seed):
    return in_another_process("print_keys", PYTHONHASHSEED=seed)
