"""A network of one's own with a matrix for a state: in every engine, in a run and in a sweep."""

from functools import partial
from pathlib import Path

import pytest
import torch
from fast_weights import FastWeights
from test_members import KINDS, assert_each_is_as_if_alone, chunks_of, in_float64, members_of
from torch import nn
from torch.optim import Adam

import lossladder
from lossladder.cli.main import run
from lossladder.engines import Auto, Autograd, Stacked, StackedEngine, stack_chunks
from lossladder.models import Cell
from lossladder.models.recurrent import output_and_state
from lossladder.testing import check_engine, check_network

SMALL = ("data.batch_size=20", "trainer.validate_every=50", "trainer.max_epochs=null")
MODEL = "model._target_=fast_weights.FastWeights"  # with the keys of model=rnn


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    monkeypatch.setenv("LOSSLADDER_PACKAGES", "fast_weights")


@pytest.fixture
def trained(tmp_path):
    """`python train.py *words`, with a matrix for a state; the folders of its runs."""

    def door(name: str, *words: str) -> list[Path]:
        folder = tmp_path / name
        where = f"hydra.sweep.dir={folder}" if "-m" in words else f"hydra.run.dir={folder}"
        own = () if any("resume" in word for word in words) else ("model.hidden_size=3", MODEL)
        asked = (*words, *own, "trainer.progress=false", where, f"logs={tmp_path / 'logs'}")
        outcome = run(asked)
        assert outcome.code == 0, outcome.complaints
        return sorted(path.parent for path in folder.rglob("result.json"))

    return door


# --- what a step may return -----------------------------------------------------------------


def test_a_pair_of_a_tensor_and_a_tuple_is_an_output_and_a_state():
    out, h, c = torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2)
    for stepped, expected in (
        ((h,), (h, (h,))),
        ((h, c), (h, (h, c))),
        ((out, (h,)), (out, (h,))),
        ((out, (c, h, h)), (out, (c, h, h))),
        ((out, ()), (out, ())),
    ):
        output, state = output_and_state(stepped)
        assert output is expected[0]
        assert all(a is b for a, b in zip(state, expected[1], strict=True))


@pytest.mark.parametrize(
    ("stepped", "kinds"),
    [
        (torch.zeros(2, 3), "Tensor"),
        ((), r"\(\)"),
        ((torch.zeros(2, 3), [torch.zeros(2)]), r"\(Tensor, list\)"),
        (((torch.zeros(2, 3),), torch.zeros(2)), r"\(\(Tensor\), Tensor\)"),
        ((torch.zeros(2, 3), (torch.zeros(2), 3)), r"\(Tensor, \(Tensor, int\)\)"),
    ],
)
def test_what_is_neither_is_refused_with_what_came(stepped, kinds):
    with pytest.raises(TypeError, match=f"step returned {kinds}: must be the next state"):
        output_and_state(stepped)


def test_the_state_is_what_the_shapes_say_and_starts_at_zero():
    memory, weight = FastWeights(2, 3).double().initial_state(batch_size=4)
    assert (memory.shape, weight.shape) == ((4, 3, 3), (4,))
    assert memory.dtype == weight.dtype == torch.float64
    assert not memory.any()
    assert not weight.any()


def test_the_output_is_read_out_and_not_carried():
    """Two steps by hand: keys, values and queries of one unit."""
    recurrent = FastWeights(1, 1, decay=0.5).double()
    recurrent.project.weight.data[:] = torch.tensor([[1.0], [2.0], [3.0]])
    nn.init.zeros_(recurrent.project.bias)
    hiddens, (memory, weight) = recurrent(
        torch.tensor([[[1.0], [2.0]]]).double(), recurrent.initial_state(1)
    )
    # 2 * 1 is written and asked for with 3; then half of it stays beside 4 * 2, asked for with 6
    assert hiddens.flatten().tolist() == [6.0, 6 * (1 + 8) / 1.5]
    assert memory.item() == 9.0
    assert weight.item() == 1.5


# --- engines --------------------------------------------------------------------------------


def test_it_keeps_the_laws_of_all_networks():
    check_network(FastWeights(2, 5))


@pytest.mark.parametrize("engine", [Autograd, StackedEngine, Auto])
def test_it_trains_like_in_a_plain_loop(engine):
    check_engine(engine, networks=(FastWeights,), optimizers=(partial(Adam, lr=0.1),))


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_among_members_as_if_alone(kind, built):
    words, carried = KINDS[kind]
    task = in_float64(built(*words, "model=rnn").task)
    members = members_of(FastWeights(task.input_size, 3), output_size=task.output_size)
    assert_each_is_as_if_alone(*members, task, carried)


class Stateless(Cell):
    """Has an output, and nothing to carry."""

    state_parts = 0
    remembers = False

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.layer = nn.Linear(input_size, hidden_size)

    def initialise(self, generator=None) -> None:
        pass

    def step(self, x, state):
        return torch.tanh(self.layer(x)), ()


def test_a_state_may_be_empty(built):
    task = in_float64(built("task=echo").task)
    assert_each_is_as_if_alone(*members_of(Stateless(2, 3)), task, carried=True)


def test_auto_makes_a_kernel_of_it(built):
    parts = built("model=rnn", MODEL, "engine=auto")
    optimizer = parts.make_optimizer(parts.network.trained())
    assert parts.make_engine(parts.network, parts.task, optimizer).name == "fused"


def test_a_large_state_is_not_counted_as_a_small_one(built):
    """Members are mapped in shares whose states fit into the cache: a matrix is what is counted."""
    networks, optimizers = members_of(FastWeights(2, 100))
    task = in_float64(built("task=echo").task)
    (chunk,) = chunks_of(task, carried=True, members=1)
    shares = [
        Stacked([network], task, [optimizer])._best_at_once(stack_chunks([chunk]))
        for network, optimizer in zip(networks[:1], optimizers[:1], strict=True)
    ]
    assert shares == [8]


# --- runs -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_alone_or_in_a_sweep_goes_on_where_it_stopped(trained):
    """In the middle of a stream: the matrix lies in the checkpoint."""
    words = "task=echo", *SMALL
    (whole,) = trained("whole", *words, "seed=1", "trainer.max_steps=90")
    (part,) = trained("part", *words, "seed=1", "trainer.max_steps=50")
    # four are trained together, for `gain` says only how the weights start
    many = trained("sweep", "-m", *words, "model.gain=0.5,1.0", "seed=0,1", "trainer.max_steps=50")
    (member,) = (m for m in many if of(m).config["seed"] == of(m).config["model"]["gain"])
    assert [of(stopped).result.engine for stopped in (part, member)] == ["fused", "fused"]
    for name, stopped, tolerance in (("alone", part, 0.0), ("member", member, 1e-5)):
        checkpoint = torch.load(stopped / "checkpoints/last.ckpt", weights_only=True)
        shapes = [tuple(tensor.shape) for tensor in checkpoint["lossladder"]["state"]]
        assert shapes == [(20, 3, 3), (20,)]
        (rest,) = trained(name, f"resume={stopped}", "trainer.max_steps=90")
        expected, resumed = of(whole), of(rest)
        assert resumed.result.curve.updates == expected.result.curve.updates
        losses = expected.result.curve.loss
        assert resumed.result.curve.loss == pytest.approx(losses, rel=0, abs=tolerance)
        for key, value in expected.network.state_dict().items():
            assert torch.allclose(resumed.network.state_dict()[key], value, rtol=0, atol=tolerance)


def of(folder: Path) -> lossladder.Run:
    return lossladder.load_run(folder)
