"""What every network may be asked for: bits of its state, how it is read, how large it is."""

import pytest
import torch
import yaml
from torch import nn

from lossladder.checks import RequestError
from lossladder.cli.main import run
from lossladder.engines import Fused, StackedEngine
from lossladder.models import RNN, Bits, Cell, Layers, Network
from lossladder.runs.load import load_run
from lossladder.testing import check_engine
from lossladder.training.build import build
from lossladder.training.make_network import sized_config

SHORT = ("task=echo", "trainer.max_steps=4", "trainer.progress=false", "data.stream_steps=40")


def numbers(network: Network) -> int:
    return sum(part.numel() for part in network.initial_state(1))


# --- bits -------------------------------------------------------------------------------------


def test_bits_round_every_layer(built):
    network = built("task=echo", "model=gru_cell", "model.layers=2", "model.bits=3").network
    assert isinstance(network.recurrent, Layers)
    assert all(isinstance(part, Bits) for part in network.recurrent.parts)
    assert network.recurrent.dynamics.bits == 2 * 16 * 3


def test_the_start_is_that_of_a_run_without_bits(built):
    rounded, plain = (built("task=echo", "model=rnn", *w).network for w in ([], ["model.bits=3"]))
    pairs = zip(rounded.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


# --- readers ----------------------------------------------------------------------------------


@pytest.mark.sampled(10)
@pytest.mark.parametrize("size", [None, 5])
def test_a_reader_of_any_network_may_have_a_layer_of_tanh(model_yaml, built, size):
    words = [] if size is None else [f"model.reader_size={size}"]
    network = built("task=echo", f"model={model_yaml}", "model.reader=mlp", *words).network
    hidden, units = network.recurrent.hidden_size, size or network.recurrent.hidden_size
    first, tanh, last = network.readout
    assert isinstance(tanh, nn.Tanh)
    assert (first.weight.shape, last.weight.shape) == ((units, hidden), (2, units))
    inputs = torch.randn(3, 7, network.recurrent.input_size)
    hiddens, _ = network.recurrent(inputs, network.initial_state(3))
    expected = torch.tanh(hiddens @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(network(inputs)[0], expected)


def test_keys_of_the_readout_speak_of_the_last_map(built):
    words = "task=echo", "model=rnn", "model.reader=mlp", "model.reader_size=2"
    network = built(*words, "readout.weights=[[1,2],[3,4]]", "readout.bias=0.5").network
    assert network.readout[2].weight.tolist() == [[1, 2], [3, 4]]
    assert network.readout[2].bias.tolist() == [0.5, 0.5]
    assert not network.readout[0].bias.any()
    spread = built(*words, "readout.std=0.01").network
    assert spread.readout[2].weight.abs().max() <= 0.02 < spread.readout[0].weight.abs().max()


def test_of_a_network_that_is_not_trained_the_whole_reader_is(built):
    network = built("task=echo", "model=rnn", "model.reader=mlp", "readout.alone=true").network
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {f"readout.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")}


class Read(RNN):
    """A network that brings the same reader itself, as `check_engine` makes its networks."""

    def readout(self, output_size):
        return Network(RNN(1, self.hidden_size), output_size, reader_size=5).readout


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", [Fused, StackedEngine])
def test_such_a_reader_trains_like_in_a_plain_loop(engine):
    check_engine(engine, networks=(Read,), clips=(None,))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("engine", ["stacked", "fused"])
def test_members_of_a_sweep_keep_their_readers(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "model=rnn", "model.reader=mlp", "model.reader_size=3", f"engine={engine}"
    assert run(["-m", *SHORT, *words, "seed=0,1", "hydra.sweep.dir=logs/two"]).code == 0
    runs = [load_run(path.parent) for path in sorted(tmp_path.glob("logs/two/*/result.json"))]
    assert [kept.result.status for kept in runs] == ["done", "done"]
    assert [kept.network.readout[0].weight.shape for kept in runs] == [(3, 16)] * 2
    one, other = (kept.network.readout[0].weight for kept in runs)
    assert not torch.equal(one, other)


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hidden_size"),
    [
        ("model=lstm", 24),
        ("model=rnn", 48),
        ("model=gru model.layers=3", 16),
        ("model=lstm model.layers=2", 12),
        ("model=gru_cell model.bits=4", 48),
        ("model=attention model.layers=2 model.window=3 task=parity", 21),
        ("model=diagonal model.range=complex task=parity", 48),  # 25 as it is, which is odd
    ],
)
def test_the_state_has_as_many_numbers_as_asked_for(words, hidden_size, built, configured):
    words = ["task=echo", *words.split(), "model.state=48"]
    network = built(*words).network
    assert (numbers(network), network.recurrent.hidden_size) == (48, hidden_size)
    resolved = sized_config(configured(*words), words)
    assert resolved["model"]["hidden_size"] == hidden_size
    assert numbers(build(resolved).network) == 48


class Heads(Cell):
    """Has a matrix for each of four heads, and no sizes that they do not divide."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        if hidden_size % 4:
            raise ValueError(f"hidden_size={hidden_size}: must be a multiple of 4")
        self.weight = nn.Parameter(torch.zeros(input_size, hidden_size))

    @property
    def state_shapes(self):
        return ((4, self.hidden_size // 4, self.hidden_size // 4),)

    def initialise(self, generator=None) -> None:
        nn.init.normal_(self.weight, generator=generator)

    def step(self, x, state):
        return x @ self.weight, state


@pytest.mark.parametrize("hidden_size", [4, 8, 40])
def test_sizes_that_a_network_refuses_are_passed_over(hidden_size, configured, monkeypatch):
    from lossladder import models

    monkeypatch.setattr(models, "RNN", Heads)
    config = configured("model=rnn", "task=echo", f"model.state={hidden_size**2 // 4}")
    del config["model"]["gain"]
    assert build(config).network.recurrent.hidden_size == hidden_size
    config["model"]["state"] = hidden_size**2 // 4 + 1
    with pytest.raises(RequestError, match=f"hidden_size={hidden_size}, or of .*{hidden_size + 4}"):
        build(config)


@pytest.mark.slow
def test_what_was_resolved_is_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "model=lstm", "model.state=10", "hydra.run.dir=logs/run"
    assert run([*SHORT, *words]).code == 0
    kept = yaml.safe_load((tmp_path / "logs/run/config.yaml").read_text())["model"]
    assert (kept["hidden_size"], kept["state"]) == (5, 10)
    assert numbers(load_run(tmp_path / "logs/run").network) == 10
    # the same wish in other words is the same job
    for sizes in (["model.state=10"], ["model.state=10", "model.hidden_size=5"]):
        command = ["-m", *SHORT, "model=lstm", *sizes, "seed=0,1", "hydra.sweep.dir=logs/two"]
        assert run(command).code == 0
    assert len(list(tmp_path.glob("logs/two/*/result.json"))) == 2


def test_two_sizes_that_contradict_each_other_are_refused(configured):
    words = ["task=echo", "model=lstm", "model.state=32", "model.hidden_size=8"]
    with pytest.raises(RequestError, match=r"model.hidden_size=8: with model.state=32 it is 16"):
        sized_config(configured(*words), words)
    # a default is no wish
    assert sized_config(configured(*words), words[:3])["model"]["hidden_size"] == 16
