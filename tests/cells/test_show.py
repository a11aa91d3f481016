"""What is shown of a kernel: the exact text for the smallest network, and that all can be shown."""

from pathlib import Path

import pytest
import torch
from zoo import ZOO

from lossladder.cli.show_kernel import main
from lossladder.engines import FusedPopulation
from lossladder.engines.fused import show
from lossladder.engines.fused.kernel import Kernel
from lossladder.models import RNN, Network
from lossladder.tasks import Echo

ROOT = Path(__file__).parents[2]
MODELS = sorted(path.stem for path in (ROOT / "conf/model").glob("*.yaml"))

STEP = """\
The step, in normal form
  x[2] is the input, told by 1 number: x = base + code @ directions; h[2] is the state
  a1[2] = x weight[0:2] + h weight[2:4] + bias
  h'[2] = tanh(a1)
  logits[1] = h' V + c
  V and c: of readout.weight and its bias, each class less class 0, whose logit is 0"""

BACK = """\
The way back: dlogits is handed in by the loss
  dh'[2] = dlogits V.T + da1(t+1) weight[2:4].T
  da1[2] = dh' * (1 - h'²)

  gradients, summed over steps and sequences:
  weight[0:2] += x.T da1, weight[2:4] += h.T da1, bias += da1"""

PLAN = """\
The plan: loops over features, all sequences side by side
  forward, step by step
    loop 1: 2 units, 4 at a time, 2 of them to fill it up
        sums      a1 over rows[1:4]
        computes  h'
        writes    h' to rows(t+1)[2:4]
  backward, from the last step to the first
    loop 1: 2 units, 4 at a time, 2 of them to fill it up
        sums      dh' over gates(t+1)[0:2], but at the last step; logits[0:1], where scored
        computes  da1
        writes    da1 to gates[0:2]
        reads     h' from rows(t+1)[2:4]

  where values lie: a row has a number for each sequence, groups of rows begin at fours
    rows   0        the number 1
           1        the code of x
           2-3      h
    gates  0-1      da1
    temp   -        nothing
    logits 0        logits, then dlogits

  kept for the way back: h'
  computed again there: nothing"""

COST = """\
The cost of a step, for one sequence
                                products   functions        read     written
  forward                             12           4           3           4
  readout, there and back              4           -           -           -
  backward                            20           0           7           4
  gradient of the weights             24           0          14           0
  all                                 60           4          24           8
  functions: 4 tanh; units that only fill a loop up are counted, the loss is not"""


def kernel(cell) -> Kernel:
    network = Network(cell, 2)
    optimizer = torch.optim.SGD(network.trained(), lr=0.1)
    return FusedPopulation([network], Echo(), [optimizer]).kernel(real=False)


@pytest.fixture(scope="module")
def rnn() -> Kernel:
    return kernel(RNN(input_size=2, hidden_size=2))


def test_the_text_for_the_smallest_rnn_is_this(rnn):
    assert show.step_text(rnn) == STEP
    assert show.back_text(rnn) == BACK
    assert show.plan_text(rnn) == PLAN
    assert show.cost_text(rnn) == COST


def test_the_page_shows_what_the_command_shows():
    page = (ROOT / "docs/engines.md").read_text()
    for text in (STEP, BACK, PLAN, COST):
        for line in text.splitlines()[1:]:
            assert line.strip() in page, line


@pytest.mark.parametrize("name", ZOO)
def test_every_value_has_a_name_or_a_formula(name):
    made = kernel(ZOO[name](2, 4))
    texts = [show.step_text(made), show.back_text(made), show.plan_text(made)]
    assert show.cost_text(made)
    text = "\n".join(texts)
    assert "Node" not in text
    assert "cot" not in text
    # the way back can be followed: each name on the right stands on the left somewhere
    defined = {line.split("[")[0].strip() for line in text.splitlines() if "] = " in line}
    for number in range(1, 40):
        for letter in "avu":
            assert f"{letter}{number}" in defined or f" {letter}{number} " not in text


def shown(words, capsys) -> tuple[int, str, str]:
    try:
        main(words)
        code = 0
    except SystemExit as end:
        code = end.code
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.sampled(6)
@pytest.mark.parametrize("model", MODELS)
def test_every_network_is_shown_or_said_why_it_cannot(model, capsys):
    code, out, err = shown([f"model={model}", "model.hidden_size=4"], capsys)
    if code == 0:
        assert "The way back" in out
        assert "bytes for" in out
        assert "2 hidden" not in out
    else:
        assert code == 1
        assert not out
        assert err.startswith("lossladder: engine=fused does not fit: the step of ")
        assert err.count("\n") == 1


def test_llvm_and_assembly_are_shown(capsys):
    code, out, _ = shown(["model.hidden_size=2", "--llvm"], capsys)
    assert code == 0
    assert 'define void @"forward"' in out
    code, out, _ = shown(["model.hidden_size=2", "--assembly"], capsys)
    assert code == 0
    assert "forward:" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=rn"], "model=rn"),
        (["model.hidden=3"], "model.hidden"),
        (["model.hidden_size=0"], "model.hidden_size=0"),
        (["model=rnn,lstm"], "more than one value"),
        (["--lvm"], "--lvm"),
        (["--config-dir", "nowhere"], "nowhere: is no folder"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(words, said, capsys):
    code, out, err = shown(words, capsys)
    assert code == 2
    assert not out
    assert said in err
    assert err.count("\n") == 1
