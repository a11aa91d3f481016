"""Rungs that do not follow one another: what is drawn of their order, and said by it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from left_runs import leave
from lossladder.ladder import Ladder
from lossladder.report.figure import Order, draw_order, order_of
from lossladder.report.page import write_report
from lossladder.report.sweep_folder import LadderRecord
from lossladder.runs.result import Result, RungRecord
from lossladder.runs.verdict import verdict
from lossladder.tasks import Counter, Delay, Dyck, Echo, Words
from lossladder.training.conclude import rungs

TITLE = "Which rung includes which"


def order(ladder: Ladder) -> Order:
    found = order_of(LadderRecord("words", rungs(ladder)))
    assert found is not None
    return found


LADDERS = [Words("S4").ladder(), Words("A5").ladder(), Counter().ladder(), Dyck().ladder()]


@pytest.mark.parametrize("ladder", LADDERS, ids=repr)
def test_every_rung_is_drawn_once_and_every_step_is_a_line_that_goes_up(ladder):
    drawn = order(ladder)
    assert [one.rung.name for one in drawn.rungs] == [rung.name for rung in ladder]
    lines = {(line.low.rung.name, line.high.rung.name) for line in drawn.lines}
    assert lines == {(low.name, high.name) for low, high in ladder.steps}
    for line in drawn.lines:
        (first, *_, last), heights = line.points, [height for _, height in line.points]
        assert (first[0], last[0]) == (line.low.across, line.high.across)
        assert heights == sorted(heights, reverse=True)
        # through no name on its way
        assert not {(x, y) for x, y in line.points} & {(r.across, r.level) for r in drawn.rungs}
    places = {(one.level, one.across) for one in drawn.rungs}
    assert len(places) == len(ladder), "two lie on one place"
    levels = [one.level for one in drawn.rungs]
    assert (levels[0], max(levels)) == (0, drawn.levels - 1)
    assert [one.rung.name for one in drawn.rungs if one.is_floor] == [ladder.floor.name]


def test_the_picture_of_the_docs_has_every_rung_and_line():
    drawn = order(Words("S4").ladder())
    (axes,) = draw_order(drawn).axes
    assert len(axes.lines) == len(drawn.lines) == 17
    words = [text.get_text() for text in axes.texts]
    assert words == [f"{one.name}  {one.rung.loss:.4f}" for one in drawn.rungs]


@pytest.mark.parametrize("task", [Words("Z4"), Delay(), Echo(dict.fromkeys(range(1, 6), 0.05))])
def test_rungs_that_follow_one_another_or_are_too_many_are_not_drawn(task):
    known = rungs(task.ladder())
    follow = all(len(rung.includes or ()) < 2 for rung in known)
    assert follow == (len(known) < 32)
    assert order_of(LadderRecord("task", known)) is None


def test_of_a_result_of_before_no_order_is_drawn():
    old = tuple(replace(rung, includes=None) for rung in rungs(Words("S3").ladder()))
    assert order_of(LadderRecord("words", old)) is None


@pytest.mark.parametrize("wrong", [("nobody",), ("all",), ("sign",)])
def test_what_no_ladder_has_is_not_drawn(wrong):
    """A file may say anything: a rung that is not there, one that comes later, or itself."""
    known = [
        replace(rung, includes=wrong) if rung.name == "sign" else rung
        for rung in rungs(Words("S3").ladder())
    ]
    assert order_of(LadderRecord("words", tuple(known))) is None


def test_the_page_shows_the_order_where_there_is_one(tmp_path):
    for name, task in (("sides", Words("S3")), ("line", Words("Z4"))):
        leave(tmp_path / name / "run", rungs=rungs(task.ladder()), task="words")
    sides, line = ((write_report(tmp_path / name)).read_text() for name in ("sides", "line"))
    assert TITLE not in line
    picture = re.search(r'<svg class="order".*?</svg>', sides, re.DOTALL)
    assert TITLE in sides
    assert picture
    assert picture[0].count("<line") == 4
    assert [name.strip() for name in re.findall(r"</title>(.*?)<", picture[0])] == [
        "none", "sign", "one point", "all",
    ]  # fmt: skip


def test_runs_of_before_and_after_are_held_against_one_ladder(tmp_path):
    new = rungs(Words("S3").ladder())
    leave(tmp_path / "new", rungs=new, task="words")
    leave(tmp_path / "old", rungs=[replace(rung, includes=None) for rung in new], task="words")
    assert "Settings across" not in write_report(tmp_path).read_text()


# --- what the verdict says --------------------------------------------------------------------

AWAY = {"none": 0.9, "sign": 0.9, "one point": 0.9, "all": 0.9}


def between(
    away: dict[str, float], known: tuple[RungRecord, ...], passed: str, **others: Any
) -> str:
    """Return the line of a run on S3 that stands between, so far from each rung."""
    told = Result(
        "words", "lstm", "engine", 0, "done", loss=0.9, standard_error=0.001, floor=0.0,
        divergence=0.9, divergence_error=0.001, standing="between", rung=passed, share=0.5,
        nearest=min(away, key=away.__getitem__), divergences=away, rungs=known, **others,
    )  # fmt: skip
    return next(line for line in verdict(told).splitlines() if line.startswith("rung"))


@pytest.mark.parametrize(
    ("nearest", "second", "said"),
    [
        ("sign", "all", "between sign (1.0986) and all (0.0000);"),
        ("one point", "none", "between none (1.7918) and one point (0.6931);"),
        ("none", "one point", "between none (1.7918) and one point (0.6931);"),
        ("all", "sign", "between sign (1.0986) and all (0.0000);"),
    ],
)
def test_a_run_is_between_rungs_of_which_one_includes_the_other(nearest, second, said):
    """Between sign and point, in loss, there is no way."""
    away = {**AWAY, nearest: 0.1, second: 0.5}
    assert said in between(away, rungs(Words("S3").ladder()), "sign")


def test_a_result_of_before_is_between_neighbours_in_loss():
    old = tuple(replace(rung, includes=None) for rung in rungs(Words("S3").ladder()))
    for near in AWAY:
        line = between({**AWAY, near: 0.1}, old, "sign")
        assert "between sign (1.0986) and one point (0.6931);" in line


def test_whoever_has_passed_the_floor_in_another_way_is_off_its_predictor():
    line = between(AWAY, rungs(Words("S3").ladder()), "all")
    assert "between all (0.0000) and its predictor" in line


def test_the_line_says_what_a_readout_fitted_again_would_save():
    known = rungs(Words("S3").ladder())
    refitted = {"refitted_loss": 0.6931, "refitted_saved": 0.0421}
    away = {**AWAY, "one point": 0.05}
    line = between(away, known, "sign", refitted_on="one point", **refitted)
    assert line.endswith(
        "; on one point (0.6931) but for its readout, which fitted again saves 0.0421 nats"
    )
    assert "readout" not in between(away, known, "sign", **refitted), "it would stand on none"


def test_what_is_kept_of_a_rung_is_read_again():
    for includes in ((), ("none",), None):
        rung = RungRecord("sign", 1.1, "", 5, includes)
        left = {"task": "words", "model": "rnn", "engine": "fused", "seed": 0, "status": "done"}
        result = Result(**left, rungs=(rung,))
        again = Result.parse(dict(result) | {"curve": {"updates": [], "loss": []}, "steps": 0})
        assert again.rungs[0].includes == includes
