"""`evaluate.py diagnostics=...`: lines, pictures, numbers; and what cannot be asked."""

import json

import pytest
from PIL import Image

from doors import SHORT
from lossladder.report.diagnose import DIAGNOSTICS


@pytest.fixture
def echo_run(left):
    return left("task=echo", *SHORT, "data.batch_size=16", "trainer.snapshots=true")


def test_all_diagnostics_say_a_line_and_leave_a_picture_and_numbers(echo_run, evaluated):
    said = evaluated(f"run={echo_run}", "diagnostics=all").out.splitlines()
    assert [line.split()[0] for line in said] == [*DIAGNOSTICS, "figures"]
    into = echo_run / "diagnostics"
    numbers = json.loads((into / "diagnostics.json").read_text())
    assert [*numbers] == [*DIAGNOSTICS]
    # a fitted readout is told with its loss, and not with all that it put out
    assert "outputs" not in numbers["calibration"]["refitted"]
    assert len(numbers["horizon"]["loss"]) == len(numbers["horizon"]["known"])
    for name in DIAGNOSTICS:
        with Image.open(into / f"{name}.png") as picture:
            assert picture.size == (840, 525)
            # light, and not empty
            colours = picture.convert("L").getcolors()
            assert max(colours)[1] > 250
            assert len(colours) > 3


def test_some_are_measured_alone_and_those_that_do_not_fit_are_left_out(train, evaluated):
    run = train("task=count", *SHORT, "data.batch_size=16", "data=fresh").folders[0]
    said = evaluated(f"run={run}", "diagnostics=length,memory").out.splitlines()
    assert said[0] == "length         left out: counts of longer strings have no classes"
    assert said[1].startswith("memory         R2")
    assert sorted(path.name for path in (run / "diagnostics").iterdir()) == [
        "diagnostics.json",
        "memory.png",
    ]


@pytest.mark.slow
def test_the_same_run_is_measured_the_same_twice(echo_run, evaluated):
    first, again = (
        evaluated(f"run={echo_run}", "diagnostics=horizon,counterfactual").out for _ in range(2)
    )
    assert first == again


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("words", "complaint"),
    [(("diagnostics=all,horizons",), "there is no 'horizons'; allowed: all, or some of behaviour"),
     (("diagnostics=",), "there is no ''"),
     (("diagnostics=all", "--json"), "diagnostics leave their numbers in diagnostics.json")],
)  # fmt: skip
def test_what_there_is_not_is_refused_in_one_line(echo_run, evaluated, words, complaint):
    outcome = evaluated(f"run={echo_run}", *words)
    assert outcome.code == 2
    assert complaint in outcome.complaint
    assert not (echo_run / "diagnostics").exists()
