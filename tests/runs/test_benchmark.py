"""The benchmark's results, not its timings."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fits, growth, page, tables
from benchmarks.cells import CELLS, WIDTHS, WRITTEN
from benchmarks.contests import CONTESTS, Contest
from benchmarks.entries import PROBES, Entry
from benchmarks.measure import measure
from benchmarks.ours.engines import ManyFused, ManyStacked, One, OneFused
from benchmarks.ours.growing import Growing, Streaming
from benchmarks.peers.torch_loop import TorchLoop
from benchmarks.problems import count, echo, parity
from benchmarks.process import Worker
from benchmarks.results import floor, measured, per_second, times_as_fast
from lossladder.training.learner import Learner

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance"
TINY = {"bptt_steps": 5, "hidden_size": 4, "batch_size": 20, "stream_steps": 100}


# --- the same work --------------------------------------------------------------------------


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "problem",
    [
        echo(**TINY),
        count(updates=10, hidden_size=5),
        parity(examples=20, hidden_size=2),
        *(echo(**TINY, cell=cell) for cell in (*WRITTEN, "lstm", "gru")),
    ],
    ids=["echo", "count", "parity", *WRITTEN, "lstm", "gru"],
)
def test_all_our_engines_and_the_plain_loop_have_the_same_losses(problem):
    expected = TorchLoop(problem).round(None).losses
    assert expected is not None
    for kind, members in ((One, 1), (OneFused, 1), (ManyFused, 3), (ManyStacked, 3)):
        losses = kind(problem, members=members).round(None).losses
        assert losses is not None
        assert losses.shape == (members, problem.windows)
        np.testing.assert_allclose(losses[0], expected[0], atol=2e-5)
        assert members == 1 or not np.allclose(losses[1], losses[0], atol=1e-5)  # its own start


@pytest.mark.slow
def test_inside_the_trainer_the_losses_are_the_same(tmp_path):
    problem = {"kind": "echo", **TINY}
    where = "benchmarks.ours.trainer:InTrainer"
    task = {"where": where, "cores": [0], "problem": problem, "engine": "autograd", "epochs": 2}
    worker = Worker(sys.executable, task)
    answer = worker.round(size=None, least=0)
    worker.kill()
    assert answer["work"] == 40
    expected = One(echo(**TINY)).round(None).losses
    assert expected is not None
    assert answer["loss"] == pytest.approx(float(expected.mean()), abs=2e-5)


@pytest.mark.slow
def test_members_in_two_processes_have_the_losses_of_one():
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip("needs two cores")
    task = {"where": "benchmarks.ours.engines:Apart", "cores": cores, "members": 4}
    worker = Worker(sys.executable, {**task, "problem": {"kind": "echo", **TINY}})
    answer = worker.round(size=None, least=0)
    worker.kill()
    assert answer["work"] == 4 * 20
    losses = ManyFused(echo(**TINY), members=2).round(None).losses
    assert losses is not None
    assert answer["loss_of_all"] == pytest.approx(float(losses.mean()), abs=1e-6)


def test_the_clock_of_a_run_stops_before_its_validation(monkeypatch):
    monkeypatch.setenv("LOSSLADDER_PACKAGES", "benchmarks,tests")  # as the import would set it
    trainer = import_module("benchmarks.ours.trainer")
    noted = []

    def note(kind: type, name: str) -> None:
        whole = getattr(kind, name)

        def noting(*args):
            noted.append(name)
            return whole(*args)

        monkeypatch.setattr(kind, name, noting)

    contestant = trainer.InTrainer(echo(**TINY), engine="fused", epochs=2)
    for kind, name in (
        (trainer.Clock, "__enter__"),
        (trainer.Given, "chunk"),
        (Learner, "record"),
        (trainer.Clock, "__exit__"),
        (Learner, "validate"),
    ):
        note(kind, name)
    assert contestant.round(None).work == 40
    chunks = ["chunk", "record"] * 2
    assert noted == ["__enter__", *chunks, "__exit__", "validate"]


def test_every_contest_names_its_entries_once_and_compares_with_entries_there_are():
    for contest in (*CONTESTS.values(), *CELLS.values()):
        entries = {entry.name: entry for entry in contest.entries}
        assert len(entries) == len(contest.entries)
        members = [entries[name].options.get("members", 1) for name in contest.ours]
        assert len(set(members)) == len(members)  # one for each number of members


def test_every_engine_of_the_growth_curves_is_there():
    for axis in (*growth.AXES, *WIDTHS):
        for engine in axis.engines:
            (Streaming if axis.name == "stream" else Growing)(axis.name, engine, **axis.options)


# --- turns, and who falls over --------------------------------------------------------------


def contest_of(tmp_path: Path, **kinds: dict) -> Contest:
    entries = []
    for name, options in kinds.items():
        kind = options.pop("kind", "Noting")
        noting = {} if kind == "Lonely" else {"name": name, "diary": str(tmp_path / "diary")}
        where = f"tests.runs.contestants:{kind}"
        package = "jax" if kind == "Lonely" else ""
        entries.append(Entry(name, name, where, package, noting | options, warm_up=False))
    return Contest("tiny", "A tiny contest", "updates", entries, compared="loss")


def test_contestants_take_turns(tmp_path):
    taken = measure(contest_of(tmp_path, a={}, b={}, c={}), 3, {}, say=lambda line: None)
    assert (tmp_path / "diary").read_text() == "abcabcabc"
    assert all(entry["peak_mb"] > 0 for entry in taken["entries"].values())
    assert per_second(taken["entries"]["a"], "cpu") == 100


def test_a_missing_peer_is_skipped_with_a_line_that_says_how_to_get_it(tmp_path):
    said: list[str] = []
    taken = measure(contest_of(tmp_path, a={}, lonely={"kind": "Lonely"}), 2, {}, said.append)
    assert list(measured(taken)) == ["a"]
    lonely = taken["entries"]["lonely"]
    assert lonely["status"] == "skipped"
    assert "no_such_peer" in lonely["why"]
    assert "pip install jax" in lonely["why"]
    assert "--python jax=" in lonely["why"]
    assert sum("lonely" in line for line in said) == 1


def test_a_peer_that_crashes_is_named_and_the_others_go_on(tmp_path):
    kinds = {"a": {}, "falls": {"kind": "Crashing"}, "c": {}}
    taken = measure(contest_of(tmp_path, **kinds), 3, {}, say=lambda line: None)
    assert list(measured(taken)) == ["a", "c"]
    assert len(taken["entries"]["c"]["rounds"]) == 3
    falls = taken["entries"]["falls"]
    assert (falls["status"], len(falls["rounds"])) == ("crashed", 1)
    assert falls["why"] == "ended with 3: out of luck"
    assert "falls: crashed, ended with 3: out of luck" in tables.skipped({"tiny": taken})


def test_an_interpreter_that_is_not_there_costs_one_entry_only(tmp_path):
    pythons = {"a": str(tmp_path / "no" / "python")}
    taken = measure(contest_of(tmp_path, a={}, b={}), 1, pythons, say=lambda line: None)
    assert taken["entries"]["a"]["status"] == "crashed"
    assert list(measured(taken)) == ["b"]


# --- what the rounds say --------------------------------------------------------------------


def test_a_loss_that_is_not_everybodys_is_marked(tmp_path):
    contest = contest_of(tmp_path, a={}, b={}, wrong={"loss": 0.6})
    taken = measure(contest, 1, {}, say=lambda line: None)
    taken["problem"] = {"kind": "echo", **TINY}
    rows = [row for row in tables.contest(taken).splitlines() if "differs" in row]
    assert len(rows) == 1
    assert rows[0].startswith("| wrong |")


def test_the_floor_is_the_arithmetic_at_the_speeds_that_were_measured():
    rounds = {"gemm": (1e11, 2.0), "tanh": (2e9, 1.0)}
    probes = {
        entry.name: {"rounds": [{"work": work, "cpu": cpu, "wall": cpu}]}
        for entry in PROBES
        for work, cpu in [rounds[entry.name]]
    }
    sizes = {"kind": "echo", "bptt_steps": 10, "hidden_size": 16, "stream_steps": 10}
    # 2000 steps: 16 (2 + 16) weights and 16 x 2 of the readout, each used three times
    arithmetic = 3 * 2 * 2000 * (16 * 18 + 32) / 5e10
    tanh = 2000 * (16 + 1) / 2e9
    assert floor({"problem": sizes, "entries": probes}) == pytest.approx(arithmetic + tanh)


def test_a_ratio_is_to_ours_with_as_many_members(tmp_path):
    kinds = {
        "slow": {"seconds": 50.0},
        "one": {},
        "two": {"seconds": 4.0},
        "pair": {"seconds": 8.0},
    }
    taken = measure(contest_of(tmp_path, **kinds), 1, {}, say=lambda line: None)
    entries = taken["entries"]
    entries["two"]["members"] = entries["pair"]["members"] = 2
    ours = ("one", "two")
    ratios = {name: times_as_fast(taken, entry, ours) for name, entry in entries.items()}
    assert ratios == {"slow": 50.0, "one": 1.0, "two": 1.0, "pair": 2.0}
    assert times_as_fast(taken, entries["pair"], ours=("one", "missing")) is None
    rows = [row.split(" | ") for row in tables.contest(taken, ours).splitlines()]
    shown = {name.removeprefix("| "): ratio for name, _, _, ratio, *_ in rows[2:]}
    assert shown == {"slow": "50 ×", "one": "1 ×", "two": "1 ×", "pair": "2 ×"}


def test_the_crossing_of_two_curves_is_found():
    def points(*micros: float) -> list[dict]:
        sizes = (4, 16, 64, 256)
        return [
            {"size": size, "rounds": [{"cpu": m * 1e-6, "work": 1.0, "wall": 1.0}]}
            for size, m in zip(sizes, micros, strict=True)
        ]

    axis = {"title": "hidden size", "points": {"fused": points(1, 4, 64, 1024)}}
    assert fits.crossing(axis) is None
    axis["points"]["autograd"] = points(100, 100, 128, 512)
    assert fits.crossing(axis) == "hidden size: `autograd` overtakes `fused` at about 128."


def test_the_slope_is_that_of_the_larger_half():
    assert fits.slope([1, 10, 100, 1000], [5, 5, 50, 500]) == pytest.approx(1)
    assert fits.slope([1, 10, 100, 1000], [5, 7, 3, 3]) == pytest.approx(0)


def test_growth_goes_on_without_an_engine_that_is_missing():
    engines = {"there": None, "small": 10, "missing": None}
    axis = growth.Axis("batch", "batch", "tests.runs.contestants:Sized", [1, 10, 100], engines)
    grown = growth.grow(2, say=lambda line: None, axes=[axis])["axes"]["batch"]
    assert fits.curve(grown["points"]["there"]) == ([1, 10, 100], [1e6, 1e7, 1e8])
    assert fits.curve(grown["points"]["small"]) == ([1, 10], [1e6, 1e7])
    assert list(grown["skipped"]) == ["missing"]


# --- the page -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["performance", "scale"])
def test_the_pages_agree_with_the_results(name):
    results = [
        json.loads((RESULTS / f"{of}.json").read_text())
        for of in ("contests", "growth", "cells", "widths", "networks", "suite", "clusters")
    ]
    text = PAGE.with_stem(name).read_text()
    assert page.filled(text, *results) == text


def test_the_page_has_no_number_that_was_typed_in():
    words = re.sub(r"<!-- (?!end)(\w+) -->\n.*?<!-- end -->", "", PAGE.read_text(), flags=re.DOTALL)
    assert not re.findall(r"\d+(?:\.\d+)? ?(?:×|x|%|µs|ms|MB|GB)", words)


def test_its_pictures_are_there_and_small():
    for name in re.findall(r"\]\((pictures/[^)]+)\)", PAGE.read_text()):
        assert 5_000 < (ROOT / "docs" / name).stat().st_size < 150_000


@pytest.mark.slow
def test_the_door_opens_and_answers_a_wrong_word_in_a_line():
    def door(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "benchmark.py", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ)

    assert "--contests" in door("--help").stdout
    wrong = door("--python", "jax")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].endswith("as in jax=.venv-jax/bin/python")
