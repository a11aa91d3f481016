"""What was written of a cell is kept, and found again by that cell alone."""

import numpy as np
import pytest
import torch
import zoo
from random_cells import draw_problem
from torch.optim import SGD

from lossladder.engines import Fused, FusedPopulation
from lossladder.engines.fused import emission
from lossladder.engines.fused.emission import Emitter, emit
from lossladder.engines.fused.kernel import Kernel
from lossladder.models import GRU, RNN, Network
from lossladder.tasks import Count, Echo, WorkedExample


@pytest.fixture(autouse=True)
def memory(own_kernels) -> dict:
    """What was written in this test."""
    return emission._WRITTEN


def kernel_of(network: Network, task=None) -> Kernel:
    task = task or Echo()
    population = FusedPopulation([network], task, [SGD(network.trained(), lr=0.1)])
    return population.kernel(isinstance(task, WorkedExample))


def written(kernel: Kernel):
    return Emitter(kernel.layout, kernel.dtype == np.float64, kernel.processor).write()


def found(kernel: Kernel):
    return emit(kernel.layout, kernel.dtype == np.float64, kernel.processor)


def leaky(keep: float, hidden: int = 3) -> Network:
    return Network(zoo.Leaky(2, hidden, keep), 2)


def frozen(network: Network, name: str) -> Network:
    dict(network.named_parameters())[name].requires_grad_(False)
    return network


CELLS = {
    "leaky": lambda: kernel_of(leaky(0.9)),
    "another number": lambda: kernel_of(leaky(0.8)),
    "a number that is common": lambda: kernel_of(leaky(0.5)),
    "a unit more": lambda: kernel_of(leaky(0.9, 4)),
    "a frozen weight": lambda: kernel_of(frozen(leaky(0.9), "recurrent.weight.weight")),
    "a frozen bias": lambda: kernel_of(frozen(leaky(0.9), "recurrent.weight.bias")),
    "another class": lambda: kernel_of(Network(zoo.Leaky(2, 3, 0.9), 3), Count(num_steps=2)),
    "float64": lambda: kernel_of(leaky(0.9).double()),
    "real inputs": lambda: kernel_of(leaky(0.9), WorkedExample()),
    "parameters of parameters": lambda: kernel_of(Network(zoo.Skew(2, 3), 2)),
    "rnn": lambda: kernel_of(Network(RNN(2, 3), 2)),
    "gru": lambda: kernel_of(Network(GRU(2, 3), 2)),
}


def test_each_cell_finds_what_would_be_written_for_it(memory):
    modules = {}
    for name, make in CELLS.items():
        kernel = make()
        modules[name] = written(kernel)
        assert found(kernel) == modules[name], name
    assert len(memory) == len(CELLS)
    memory.clear()  # from the disk
    for name, make in CELLS.items():
        assert found(make()) == modules[name], name


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 48), marks=pytest.mark.slow)])
def test_random_cells_find_their_own(seeds):
    for seed in seeds:
        task, network, _, _ = draw_problem(seed, 2)
        if (
            network.trained()
            and Fused.unsupported_reason(network, task, SGD(network.trained(), lr=1.0)) is None
        ):
            kernel = kernel_of(network, task)
            assert found(kernel) == written(kernel), seed


def test_nothing_is_written_twice(monkeypatch, memory):
    first = kernel_of(leaky(0.9))
    monkeypatch.setattr(Emitter, "write", lambda self: pytest.fail("it was written again"))
    assert kernel_of(leaky(0.9)).digest == first.digest
    memory.clear()
    assert kernel_of(leaky(0.9)).digest == first.digest


def test_what_is_found_depends_on_the_code_that_writes(monkeypatch, memory):
    kernel_of(leaky(0.9))
    monkeypatch.setattr(emission, "_writers", lambda: "another version")
    kernel_of(leaky(0.9))
    assert len(memory) == 2


def test_what_cannot_be_described_is_written_each_time(memory):
    kernel = kernel_of(leaky(0.9))
    kernel.layout.graph.starts = [torch.zeros(1)]
    with pytest.raises(TypeError, match="of type Tensor"):
        kernel.layout.graph.described()
    before = dict(memory)
    assert found(kernel) == written(kernel)
    assert memory == before
