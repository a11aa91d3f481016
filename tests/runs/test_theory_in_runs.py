"""What theorems say stands in what a run leaves: result, verdict, TensorBoard and report."""

import json
from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from left_runs import ECHO, leave
from lossladder import load_run
from lossladder.evaluate import evaluate
from lossladder.report.figure import curves_scene, draw
from lossladder.report.page import write_report
from lossladder.report.summary import Line, Stated, rows, stated
from lossladder.report.sweep_folder import LadderRecord, read_sweep
from lossladder.runs.result import Result, read_result
from lossladder.runs.verdict import strongest, verdict
from short_runs import short_run, train

S3 = [
    {"name": "none", "loss": log(6), "knows": "nothing", "reached_at": 1},
    {"name": "sign", "loss": log(3), "knows": "the sign", "reached_at": None},
    {"name": "all", "loss": 0.0, "knows": "everything", "reached_at": None},
]


def mark(bound: str, loss: float | None, agrees: str | None, **others: Any) -> dict[str, Any]:
    return {
        "statement": "signs, 1 layer",
        "source": "Somebody (2024), theorem 2",
        "loss": loss,
        "rung": {log(3): "sign", 0.0: "all"}.get(loss or 0.0),
        "says": f"what is {bound} is said",
        "kind": "corollary",
        "bound": bound,
        "asymptotic": True,
        "agrees": agrees,
        **others,
    }


def told(loss: float, *theory: dict[str, Any]) -> list[str]:
    """Lines of a verdict that speak of theory."""
    result = {
        "task": "words",
        "model": "mine",
        "engine": "fused",
        "seed": 0,
        "unit": "nats",
        "loss": loss,
        "standard_error": 0.001,
        "floor": 0.0,
        "share": 1 - loss / log(6),
        "divergence": loss,
        "divergence_error": 0.0,
        "standing": "between",
        "rung": "none",
        "rungs": S3,
        "nearest": "none",
        "divergences": {"none": loss},
        "theory": theory,
    }
    return [line for line in verdict(result).splitlines() if line.startswith("theory")]


def test_a_verdict_says_who_agrees_falls_short_or_beats():
    (line,) = told(1.1, mark("lower", log(3), "agrees"))
    assert line == (
        "theory what is lower is said, not below 1.0986 (sign): agrees "
        "(corollary of Somebody (2024), theorem 2)"
    )
    (line,) = told(1.7, mark("lower", log(3), "falls short"))
    assert "not below 1.0986 (sign): falls short by 0.6014: more could be learnt" in line
    (line,) = told(0.7, mark("lower", log(3), "beats"))
    assert "beats by 0.3986, as short sequences can; longer ones would tell (evaluate.py" in line
    (line,) = told(0.7, mark("lower", log(3), "beats", asymptotic=False, kind="proof"))
    assert "beats by 0.3986, which cannot be" in line
    assert line.endswith("(Somebody (2024), theorem 2)")
    (line,) = told(0.7, mark("suffices", 0.0, "falls short"))
    assert "0.0000 (all): falls short by 0.7000, a matter of learning" in line
    (line,) = told(0.001, mark("suffices", 0.0, "agrees"))
    assert "0.0000 (all): agrees" in line


def test_a_verdict_tells_the_strongest_bound_the_positive_one_and_no_more():
    low, high = mark("lower", 0.5, "beats"), mark("lower", log(3), "beats", says="the strongest")
    enough, warning = mark("suffices", 0.0, "agrees"), mark("warning", None, None)
    lines = told(0.4, low, high, enough, warning)
    assert [line.partition(",")[0] for line in lines] == [
        "theory the strongest",
        "theory what is suffices is said",
    ]
    # a warning is for those who have learnt something that no bound stands against
    assert len(told(0.4, enough, warning)) == 2
    assert told(0.4, warning) == ["theory what is warning is said (Somebody (2024), theorem 2)"]
    assert told(1.7, warning) == []
    assert told(0.4) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network without a memory, whose window is one step."""
    return short_run(tmp_path_factory.mktemp("logs"), "echo", "model=mlp", "trainer.max_steps=200")


def test_a_run_keeps_what_theorems_say_and_whether_it_agrees(run):
    left = json.loads((run / "result.json").read_text())
    (stands,) = left["theory"]
    assert stands == {
        "statement": "1 step seen",
        "source": stands["source"],
        "loss": pytest.approx(0.661563238158),
        "rung": "none",
        "says": "who sees 1 step does no better",
        "kind": "proof",
        "bound": "lower",
        "asymptotic": False,
        "agrees": "agrees",
    }
    again, loaded = evaluate(str(run)), load_run(run).result.theory
    assert again["theory"] == left["theory"] == list(loaded or ())
    assert "theory who sees 1 step does no better, not below 0.6616 (none): agrees" in verdict(left)


def test_a_theorem_has_a_reference_line_of_its_own(run):
    names = {path.name for path in (run.parent / "+reference").iterdir()}
    assert "echo theory 1 step seen (0.6616)" in names
    assert "echo none (0.6616)" in names


def test_every_member_of_a_sweep_has_it(tmp_path):
    train(tmp_path, "-m", "task=echo", "model=mlp", "seed=0,1", "trainer.max_steps=20",
          "trainer.max_epochs=null")  # fmt: skip
    results = [read_result(path.parent) for path in tmp_path.rglob("result.json")]
    assert len(results) == 2
    assert all(isinstance(r, Result) and r.theory for r in results)
    lines = [path.name for path in tmp_path.rglob("+reference/*theory*")]
    assert lines == ["echo theory 1 step seen (0.6616)"]


def test_a_result_of_before_is_read_and_one_of_another_kind_is_damaged(tmp_path):
    old = leave(tmp_path / "echo-old")
    assert isinstance(found := read_result(old), Result)
    assert found.theory is None
    good = leave(tmp_path / "echo-new", result={"theory": [mark("lower", 0.5, "agrees")]})
    assert isinstance(found := read_result(good), Result)
    assert found["theory"] == [mark("lower", 0.5, "agrees")]
    for number, bad in enumerate(([1], "x", [{"loss": "low"}], [{"agrees": 3}])):
        folder = leave(tmp_path / f"echo-bad{number}", result={"theory": bad})
        assert not isinstance(read_result(folder), Result)


def test_a_report_draws_theorems_dashed_and_counts_who_agrees(tmp_path):
    bound = mark("lower", 0.55, "agrees", says="nobody & <b>", rung=None)
    for seed, agrees in enumerate(("agrees", "agrees", "beats")):
        leave(
            tmp_path / f"echo-{seed}", result={"theory": [{**bound, "agrees": agrees}]}, seed=seed
        )
    (one,) = stated(rows(read_sweep(tmp_path)))
    assert (one.loss, one.counted) == (0.55, "2 agree, 1 beats it")
    page = write_report(tmp_path).read_text()
    assert "<b>0.5500</b> nobody &amp; &lt;b&gt; (Somebody (2024), theorem 2): 2 agree" in page
    assert page.count('class="rung dashed" d=') == 2, "once on either axis"
    other = tmp_path / "without"
    leave(other / "echo-1")
    assert "dashed&" not in (text := write_report(other).read_text())
    assert 'class="rung dashed" d=' not in text


def test_a_picture_tells_a_theorem_from_the_rung_it_lies_on():
    curve = Line("rnn", np.array([10.0, 100.0]), np.array([[0.7, 0.5]]))
    theory = [Stated("1 step seen", ECHO[1].loss, "who sees 1 step", "", Counter())]
    scene = curves_scene(LadderRecord("echo", tuple(ECHO)), [curve], theory=theory)
    assert [(line.name, line.dashed) for line in scene.rungs] == [
        ("none", False),
        ("lag 3", False),
        ("1 step seen", True),
        ("lags 3 and 8", False),
    ]
    (axes,) = draw(scene).axes
    assert sum(line.get_linestyle() == "--" for line in axes.lines) == 1


def test_the_strongest_are_the_highest_bound_and_the_lowest_that_suffices():
    assert strongest([]) == []
    marks = [mark("suffices", 0.4, "agrees"), mark("suffices", 0.1, "agrees")]
    assert strongest(marks) == marks[1:]
