"""A search: what is asked for, what is told, who stops early, and what a kill changes (nothing)."""

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

import lossladder
from doors import Door
from lossladder.checks import RequestError
from lossladder.cli.main import run
from lossladder.drawing import png
from lossladder.report.page import write_report
from lossladder.report.search_figure import Trial, draw_search, importance, read_search

optuna = pytest.importorskip("optuna")

from lossladder.sweeps.search import Search, SearchedKey  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = (
    *("task=echo", "data.batch_size=20", "data.stream_steps=300", "trainer.progress=false"),
    *("trainer.max_epochs=null", "trainer.max_steps=80"),
)
# names as they come from the shell
LR, SIZE = "optimizer.lr=tag(log,interval(1e-3,3e-1))", "model.hidden_size=choice(2,4)"
ASKED = ("-m", "search=optuna", *SMALL, LR, SIZE, "search.seeds=2", "search.batch=4")


def record_of(folder: Path) -> dict:
    return json.loads((folder / "search.json").read_text())


def results_of(folder: Path) -> dict[str, dict]:
    """What runs left, by the name of their folder, but for what the clock says."""
    found = {}
    for file in folder.glob("*/result.json"):
        left = json.loads(file.read_text())
        clock = ("seconds", "training_seconds", "steps_per_second")
        found[file.parent.name] = {key: left[key] for key in left.keys() - clock}
    return found


def command(folder: Path, *words: str) -> list[str]:
    return [*ASKED, "search.trials=8", *words, f"hydra.sweep.dir={folder}"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing disturbed: two batches of four trials with two seeds each."""
    folder = tmp_path_factory.mktemp("searched") / "whole"
    assert run(command(folder)).code == 0
    return folder


# --- what is asked for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("a=interval(1,3)", SearchedKey(low=1.0, high=3.0)),
        ("a=int(interval(1,3))", SearchedKey(low=1, high=3, step=1)),
        ("a=tag(log,interval(1e-4,3e-1))", SearchedKey(low=1e-4, high=0.3, log=True)),
        ("a=tag(log,int(interval(4,64)))", SearchedKey(low=4, high=64, step=1, log=True)),
        ("a=range(2,9,3)", SearchedKey(low=2, high=8, step=3)),
        ("a=choice(4,8,4)", SearchedKey(choices=("4", "8"))),
        ("model=rnn,lstm", SearchedKey(choices=("rnn", "lstm"))),
        ("a=choice({3:0.5},'b c')", SearchedKey(choices=("{3:0.5}", r"b\ c"))),
    ],
)
def test_a_key_is_searched_over_what_its_word_says(word, key):
    parsed = SearchedKey.parse(OverridesParser.create().parse_override(word))
    assert parsed == key
    drawn = optuna.create_study().ask({"a": key.distribution()}).params["a"]
    assert drawn in key.choices if key.choices else key.low <= drawn <= key.high


def test_numbers_are_ones_that_can_be_typed_and_stay_in_their_range():
    key = SearchedKey(low=0.00012344, high=0.3)
    assert [key.rounded(value) for value in (0.123456, 0.00012344)] == [0.1235, 0.00012344]
    assert SearchedKey(low=1, high=9, step=1).rounded(7) == 7


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), ["no key to search", "tag(log,interval("]),
        (("optimizer.lr=log(1e-4,3e-1)",), ["optimizer.lr=tag(log,interval(1e-4,3e-1))"]),
        (("optimizer.lr=tag(log,interval(0,1))",), ["above 0"]),
        (("optimizer.lr=interval(1,0.1)",), ["below its last"]),
        (("optimizer.lr=tag(lin,interval(0,1))",), ["its tag must be log"]),
        (("model.hidden_size=tag(log,choice(1,2))",), ["choices have no order"]),
        (("model.hidden_size=choice(0,2)",), ["model.hidden_size=0: must be a whole number"]),
        ((SIZE, "seed=0,1"), ["seed=0,1: is not searched", "search.seeds="]),
        ((SIZE, "search.seeds=0"), ["search.seeds=0: must be a whole number of at least 1"]),
        ((SIZE, "search.trails=3"), ["search.trails=3", "did you mean search.trials?"]),
        ((SIZE, "trainer.stop_above=3"), ["trainer.stop_above=3: must be null"]),
        ((SIZE, "trainer.stop_above={7:1}"), ["no validation follows update 7"]),
    ],
)
def test_a_wrong_search_is_one_line_and_leaves_nothing(train: Door, words, said):
    left = train("-m", "search=optuna", *SMALL, *words)
    assert left.code == 2
    assert all(part in left.complaint for part in said), left.complaint
    assert not left.anything


def test_an_interval_without_a_search_says_what_to_add(train: Door):
    left = train("-m", LR)
    assert left.code == 2
    assert "add search=optuna" in left.complaint


def test_without_optuna_it_says_what_to_install(train: Door, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    left = train("-m", "search=optuna", SIZE)
    assert (left.code, left.anything) == (2, False)
    assert "pip install -e '.[search]'" in left.complaint


# --- what is told ---------------------------------------------------------------------------


def test_a_trial_is_told_the_median_of_its_members(searched):
    trials, left = record_of(searched)["trials"], results_of(searched)
    assert [trial["above_floor"] for trial in trials] == sorted(t["above_floor"] for t in trials)
    assert len(trials) == 8
    for trial in trials:
        members = [left[name] for name in trial["folders"]]
        assert [member["seed"] for member in members] == [0, 1]
        assert trial["members"] == [member["above_floor"] for member in members]
        assert trial["above_floor"] == statistics.median(trial["members"])
        assert trial["statuses"] == [member["status"] for member in members]
    assert sum(map(len, (trial["folders"] for trial in trials))) == len(left)


def test_whoever_was_behind_those_of_before_is_stopped_and_nobody_else(searched):
    trials, left = record_of(searched)["trials"], results_of(searched)
    before = [left[name] for t in trials if t["number"] < 4 for name in t["folders"]]
    after = [left[name] for t in trials if t["number"] >= 4 for name in t["folders"]]
    assert {result["status"] for result in before} == {"done"}
    limits = {
        at: statistics.median(
            dict(zip(*result["validation"].values(), strict=True))[at] - result["floor"]
            for result in before
        )
        for at in (20, 40)
    }
    for result in after:
        seen = dict(zip(*result["validation"].values(), strict=True))
        behind = [at for at in limits if at in seen and seen[at] - result["floor"] > limits[at]]
        assert result["status"] == ("stopped" if behind else "done")
        assert result["steps"] == (behind or [80])[0]
        # its curve is kept, as far as it went
        assert result["curve"]["updates"][-1] == result["steps"]
    assert {result["status"] for result in after} == {"done", "stopped"}


@pytest.mark.slow
def test_halvings_may_be_left_out(train: Door, tmp_path):
    left = train(*command(tmp_path / "all", "search.halvings=0", "search.trials=5"))
    assert left.code == 0
    assert {result["status"] for result in left.results} <= {"done"}
    assert {r["status"] for r in results_of(tmp_path / "all").values()} == {"done"}


@pytest.mark.slow
def test_who_comes_to_nothing_is_worst_and_ends_no_search(tmp_path):
    words = ("optimizer=sgd", "optimizer.lr=choice(1e9,0.1)", "search.halvings=0")
    folder = tmp_path / "some"
    asked = ["-m", "search=optuna", *SMALL, *words, "search.seeds=2", f"hydra.sweep.dir={folder}"]
    assert run([*asked, "search.trials=6"]).code == 0
    for trial in record_of(folder)["trials"]:
        diverges = float(trial["setting"]["optimizer.lr"]) == 1e9
        assert (trial["above_floor"] is None) == diverges
        assert set(trial["statuses"]) == ({"diverged"} if diverges else {"done"})
    kept = [trial["above_floor"] is None for trial in record_of(folder)["trials"]]
    assert kept == sorted(kept)
    assert 0 < sum(kept) < 6


def test_a_search_without_any_good_end_fails(train: Door, tmp_path):
    words = ("optimizer=sgd", "optimizer.lr=choice(1e9,1e8)", "search.trials=2")
    left = train("-m", "search=optuna", *SMALL, *words, f"hydra.sweep.dir={tmp_path / 'none'}")
    assert left.code == 1
    assert "no trial came to a good end" in left.err


# --- kills and company ----------------------------------------------------------------------


def test_the_same_command_again_trains_nothing(searched):
    before = {file: file.stat().st_mtime_ns for file in searched.glob("*/result.json")}
    record = record_of(searched)
    assert run(command(searched)).code == 0
    assert {file: file.stat().st_mtime_ns for file in searched.glob("*/result.json")} == before
    assert record_of(searched) == record


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 2, 3])
def test_what_a_kill_left_goes_on_as_if_nothing_had_been(searched, tmp_path, lines):
    """The record is cut off in the second batch: while it was asked for, before it was told."""
    folder = tmp_path / "killed"
    shutil.copytree(searched, folder)
    journal = folder / "search.journal"
    kept = journal.read_bytes().splitlines(keepends=True)
    asked = [place for place, line in enumerate(kept) if b'"op_code":4' in line]
    assert len(asked) == 8
    cut = asked[4 + lines - 1]
    # half a line, as a power cut may leave it
    journal.write_bytes(b"".join(kept[:cut]) + kept[cut][:20])
    (folder / "search.json").unlink()
    late = [t for t in record_of(searched)["trials"] if t["number"] >= 4]
    for trial in late[:lines]:
        for name in trial["folders"]:
            shutil.rmtree(folder / name)
    assert run(command(folder)).code == 0
    assert record_of(folder) == record_of(searched)
    assert results_of(folder) == results_of(searched)


@pytest.mark.slow
def test_more_trials_go_on_where_fewer_ended(searched, tmp_path):
    folder = tmp_path / "more"
    assert run(command(folder, "search.trials=3")).code == 0
    assert run(command(folder)).code == 0
    assert record_of(folder) == record_of(searched)


def test_the_folder_of_another_search_is_refused(searched, capsys):
    record = record_of(searched)
    for words, other in ((["search.seeds=3"], "seeds"), (["model=gru"], "config")):
        assert run(command(searched, *words)).code == 2
        assert f"holds a search with other {other}; choose another" in capsys.readouterr().err
    assert record_of(searched) == record


def test_trials_end_the_study_only_where_a_run_was_cut_off_from_outside(tmp_path):
    (tmp_path / "run-0123456789ab").mkdir()
    composer = SimpleNamespace(plain=lambda words: {"cut": words})
    search = SimpleNamespace(folder=tmp_path, composer=composer)
    with pytest.raises(lossladder.runs.result.RunFailedError, match="the same command goes on"):
        Search._left(search, [["a=1"]], [None])
    (member,) = Search._left(search, [["a=1"]], [RequestError("wrong")])
    assert (member.status, member.above) == ("wrong", math.inf)


@pytest.mark.slow
def test_two_processes_share_a_search_and_one_is_killed(searched, tmp_path):
    folder = tmp_path / "shared"
    words = [sys.executable, str(ROOT / "train.py"), *command(folder)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    first, second = (subprocess.Popen(words, **quiet) for _ in range(2))
    end = time.monotonic() + 300
    while not list(folder.glob("*/result.json")):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert second.wait(timeout=300) == 0
    assert record_of(folder) == record_of(searched)
    assert results_of(folder) == results_of(searched)


# --- one run --------------------------------------------------------------------------------


def test_a_run_alone_stops_where_a_member_would(train: Door):
    words = (*SMALL, "trainer.validate_every=20", "trainer.stop_above={40:0.01}")
    left = train(*words)
    (result,) = left.results
    assert left.code == 0
    assert (result["status"], result["steps"]) == ("stopped", 40)
    assert "above the floor after 40 updates, more than 0.01" in result["why"]
    assert result["validation"]["updates"] == [20, 40]
    assert "Stopped early" in left.out


# --- what is shown --------------------------------------------------------------------------


def test_the_report_says_and_shows_what_came_of_it(searched, capsys):
    page = write_report(searched).read_text()
    assert "Search: 8 of 8 trials, 2 seeds each" in page
    assert 'src="data:image/png;base64,' in page
    assert page.count("stopped early") >= 2
    best = record_of(searched)["trials"][0]
    assert f"<td>{best['setting']['optimizer.lr']}</td>" in page
    picture = Image.open(searched / "search.png")
    assert len(picture.convert("RGB").getcolors(1 << 20)) > 10
    assert run(command(searched)).code == 0
    out = capsys.readouterr().out
    assert out.startswith("search\n8 of 8 trials, 2 seeds each; the best")
    setting = f"model.hidden_size={best['setting']['model.hidden_size']}"
    assert f"{setting} optimizer.lr={best['setting']['optimizer.lr']}" in out.splitlines()[2]
    assert "importance  " in out


def test_a_picture_has_room_for_every_kind_of_key_and_for_few_trials(searched):
    record = read_search(searched)
    assert record
    one = record._replace(trials=record.trials[:1], importance={})
    assert Image.open(BytesIO(png(draw_search(one)))).size[0] > 1000
    none = record.trials[0]._replace(above_floor=None, members=[])
    assert draw_search(record._replace(trials=[none])) is None


def test_a_key_that_decides_is_important_and_one_that_does_not_is_not():
    numbers = {"choices": [], "low": 0, "high": 1, "log": False}
    trials = [
        # far from the middle is bad, on either side
        Trial(n, {"a": n / 39, "b": (n * 17 % 40) / 39}, abs(n / 39 - 0.5), [0.1], (), ())
        for n in range(40)
    ]
    trials[0] = trials[0]._replace(above_floor=None)
    # by six parts, within which a sixth of the order is left, and its adjustment
    assert importance("a", numbers, trials) > 0.8
    assert importance("b", numbers, trials) < 0.2


def test_a_damaged_record_costs_the_report_nothing_else(searched, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(searched, folder)
    for content in ("{", "[]", '{"trials": [{}]}'):
        (folder / "search.json").write_text(content)
        assert "hidden_size" in write_report(folder).read_text()


def test_in_python_a_search_is_a_table_of_trials(searched):
    words = [word for word in ASKED if word not in ("-m", "search=optuna")]
    trials = lossladder.search(*words, trials=8, folder=searched)
    assert list(trials["above_floor"]) == [t["above_floor"] for t in record_of(searched)["trials"]]
    assert set(trials["model.hidden_size"]) == {2, 4}
    assert (trials["least"] <= trials["above_floor"]).all()
    assert lossladder.load_run(trials["folders"][0][0]).result.seed == 0
    with pytest.raises(ValueError, match="no key to search"):
        lossladder.search(*SMALL, folder=searched)
