"""Passports: what a suite trains, what its page says of it, and what is compared with what."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from docs.figures.map import draw, table
from doors import Door
from lossladder.cli import report
from lossladder.cli.hydra_errors import check
from lossladder.cli.resolvers import conf_dir, register_resolvers
from lossladder.report import passport_page
from lossladder.report.inference import Share, difference
from lossladder.report.passport import (
    PassportRow,
    differences,
    protocol,
    read_passport,
    references,
    write_passport,
)
from lossladder.report.passport_page import compare_passports, write_page
from lossladder.runs.folder import read_flat_config, write_config
from lossladder.runs.result import read_result
from lossladder.sweeps.compose import resolved, without_hydra
from lossladder.sweeps.suite import Suite
from seen_page import Seen

TINY = {
    "tasks": {
        "easy": {"echo": ["task=echo", "data.stream_steps=200", "data.batch_size=20"]},
        "paper": {"words": ["task=words", "task.group=Z2", "data.batch_size=20"]},
    },
    "words": ["model.state=4", "trainer.max_steps=30", "engine=stacked", "trainer.progress=false"],
    "seeds": 2,
    "tuning_seeds": 1,
    "learning_rates": [1e-5, 0.03],
}
TIMES = ("microseconds", "seconds", "tuning_seconds")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A config folder of one's own, with a suite of two tasks."""
    return write_suite(tmp_path / "conf", TINY)


def write_suite(conf: Path, suite: dict) -> Path:
    (conf / "suite").mkdir(parents=True, exist_ok=True)
    (conf / "suite" / "tiny.yaml").write_text(yaml.safe_dump(suite))
    return conf


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "passport.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def row(network: str, seed: int = 0, **values) -> PassportRow:
    """A run that stands on the floor of echo, but for what is said."""
    plain = PassportRow(
        network, "easy/echo", "0" * 12, seed, "done", solved=True, known=1.0, reached=100,
        updates=500, learning_rate=0.01, parameters=50, state=4, microseconds=20.0, seconds=0.01,
        task="echo", standing="on", stands_on="all", loss=0.45, divergence=0.001,
        rungs=(("none", 0.66), ("lag 3", 0.52), ("all", 0.45)),
    )  # fmt: skip
    return replace(plain, **values)


def seeds(network: str, count: int, learned: int, **values) -> list[PassportRow]:
    return [
        row(network, seed, solved=seed < learned, known=1.0 if seed < learned else 0.3, **values)
        for seed in range(count)
    ]


# --- from the command to the table --------------------------------------------------------------


def test_a_suite_chooses_a_rate_on_seeds_of_its_own_and_reports_others(train: Door, conf: Path):
    left = train("-m", "suite=tiny", "model=rnn", "-cd", str(conf), "hydra.sweep.dir=${logs}/p")
    assert left.code == 0, left.err
    assert "passport " in left.out
    folder = left.logs / "p"
    configs = [yaml.safe_load(path.read_text()) for path in folder.glob("*/config.yaml")]
    made = {(c["suite"]["entry"], c["optimizer"]["lr"], c["seed"]) for c in configs}
    tuning = {(e, r, 1000) for e in ("easy/echo", "paper/words") for r in TINY["learning_rates"]}
    # 1e-5 does not move in 30 updates: the other is chosen
    assert made - tuning == {(e, 0.03, s) for e in ("easy/echo", "paper/words") for s in (0, 1)}
    assert tuning < made
    rows = rows_of(folder)
    # with it the same can be made again, as the suite lies in a folder of one's own
    assert {f" --config-dir {conf} " in r["command"] for r in rows} == {True}
    assert [(r["entry"], r["seed"]) for r in rows] == [
        *(("easy/echo", "0"), ("easy/echo", "1")), *(("paper/words", "0"), ("paper/words", "1")),
    ]  # fmt: skip
    assert {r["network"] for r in rows} == {"rnn"}
    assert {r["learning_rate"] for r in rows} == {"0.03"}
    assert all(r["state"] == "4" and r["status"] == "done" for r in rows)
    # one seed a task is measured at longer lengths
    assert [bool(r["lengths"]) for r in rows].count(True) == 2
    for r in rows:
        (kept,) = [c for c in folder.glob(f"*seed-{r['seed']}-*") if _is(c, r)]
        result = read_result(kept)
        assert float(r["loss"]) == pytest.approx(result["loss"], rel=1e-5)
        assert float(r["known"]) == pytest.approx(result["share"], rel=1e-5)
    assert (folder / "passport.html").is_file()
    assert (folder / "passport.png").is_file()

    # the same command does nothing twice
    words = ("-m", "suite=tiny", "model=rnn", "-cd", str(conf))
    again = train(*words, "hydra.sweep.dir=${logs}/p")
    assert again.out.count("runs were done before") == 2


@pytest.mark.slow
def test_the_same_command_elsewhere_makes_the_same_table_but_for_timings(train: Door, conf: Path):
    tables = []
    for folder in ("p", "q"):
        words = ("-m", "suite=tiny", "model=rnn", "-cd", str(conf))
        left = train(*words, f"hydra.sweep.dir=${{logs}}/{folder}")
        assert left.code == 0, left.err
        tables.append(rows_of(left.logs / folder))
    for mine, theirs in zip(*tables, strict=True):
        for key in mine.keys() - {*TIMES, "command"}:
            assert mine[key] == theirs[key], key


def _is(folder: Path, row: dict[str, str]) -> bool:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    return config["suite"]["entry"] == row["entry"]


@pytest.mark.slow
def test_several_networks_have_names_and_rates_of_their_own(train: Door, conf: Path):
    write_suite(conf, TINY | {"tasks": {"easy": TINY["tasks"]["easy"]}, "seeds": 1})
    words = ("-m", "suite=tiny", "model=rnn", "model.gain=0.5,1.0", "-cd", str(conf))
    left = train(*words, "hydra.sweep.dir=${logs}/p")
    assert left.code == 0, left.err
    assert {r["network"] for r in rows_of(left.logs / "p")} == {"rnn (gain 0.5)", "rnn (gain 1.0)"}
    # by other rates a seed would be there twice
    table = (left.logs / "p" / "passport.csv").read_bytes()
    left = train(*words, "hydra.sweep.dir=${logs}/p", "suite.learning_rates=[0.01]")
    assert left.code == 2
    assert "suite.learning_rates=[0.01]: was [1e-05, 0.03] in" in left.err.splitlines()[0]
    assert (left.logs / "p" / "passport.csv").read_bytes() == table


FEW = {
    "copy": [
        *("task=copy", "task.delay=1", "model.state=null", "engine=auto", "trainer.max_steps=40"),
        *("model.bits=1,2", "model.hidden_size=1,3"),
    ]
}


@pytest.mark.slow
def test_networks_of_few_bits_are_shown_and_counted_apart(train: Door, conf: Path):
    one = TINY | {"tasks": {"easy": TINY["tasks"]["easy"]}, "learning_rates": [0.03], "bits": FEW}
    write_suite(conf, one)
    words = ("-m", "suite=tiny", "-cd", str(conf), "passport.bits=true")
    left = train(*words, "model=gru_cell,lstm", "hydra.sweep.dir=${logs}/p")
    assert left.code == 0, left.err
    # one of the two has no step that could be rounded, and the rest goes on
    said = "lossladder: lstm is not shown by bits of state: model.bits=1: rounds the state"
    assert [line[: len(said)] for line in left.err.splitlines()] == [said]
    folder = left.logs / "p"
    assert {(r["network"], r["entry"], r["seed"]) for r in rows_of(folder)} == {
        (network, "easy/echo", seed) for network in ("gru_cell", "lstm") for seed in "01"
    }
    page = Seen(folder / "passport.html")
    assert "Not finished" not in page.words
    assert "Loss against bits of state – gru_cell" in page.words
    assert "4 runs, " in page.words
    assert [tag for tag, _ in page.tags].count("img") == 1
    # each kind of network once: two sizes, of one bit and of two
    kept = [yaml.safe_load(path.read_text()) for path in folder.glob("*/config.yaml")]
    few = [c["model"] for c in kept if c["suite"].get("panel")]
    assert sorted((m["bits"], m["hidden_size"]) for m in few) == [(1, 1), (1, 3), (2, 1), (2, 3)]


@pytest.mark.slow  # six diagnostics of two networks of one task
def test_a_page_shows_what_the_best_and_the_median_network_learned(train: Door, conf: Path):
    write_suite(conf, TINY | {"tasks": {"easy": TINY["tasks"]["easy"]}, "learning_rates": [0.03]})
    words = ("-m", "suite=tiny", "model=rnn", "-cd", str(conf))
    plain = train(*words)
    (folder,) = plain.logs.iterdir()
    assert "looked" not in (folder / "passport.html").read_text().split("</style>")[1]
    # the same folder, and nothing is trained anew
    again = train(*words, "passport.diagnostics=true")
    assert again.code == 0, again.err
    assert [*plain.logs.iterdir()] == [folder]
    assert "2 of 2 runs were done before" in again.out
    page = Seen(folder / "passport.html")
    assert "echo, rnn: best, seed " in page.words
    assert "echo, rnn: median, seed " in page.words
    pictures = [attrs["src"] or "" for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 2 * len({attrs["alt"] for tag, attrs in page.tags if tag == "img"}) > 0
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures)


def test_what_is_unfinished_is_said_and_a_suite_of_one_rate_tries_none(
    train: Door, conf: Path, capsys
):
    write_suite(conf, TINY | {"learning_rates": [0.03], "seeds": 1})
    left = train("-m", "suite=tiny", "-cd", str(conf), "hydra.sweep.dir=${logs}/p")
    assert left.code == 0, left.err
    folder = left.logs / "p"
    assert len(list(folder.glob("*/result.json"))) == 2
    assert "Not finished" not in (folder / "passport.html").read_text()
    next(folder.glob("*paper*/result.json")).unlink()
    report.main([str(folder)])
    assert (
        "Not finished: 1 of 2 runs to report are missing; the same command goes on."
        in Seen(folder / "passport.html").words
    )
    assert len(rows_of(folder)) == 1


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("suite=tiny",), "suite=tiny: a suite is a sweep; add -m"),
        (("-m", "suite=tiny", "seed=3"), "seed=3: the suite decides it; change suite.seeds"),
        (("-m", "suite=tiny", "task=echo"), "task=echo: the suite decides it; change suite.tasks"),
        (("-m", "suite=tiny,quick"), "one suite at a time"),
        (("-m", "suite=tiny", "suite.seeds=0"), "suite.seeds=0: must be a whole number"),
        (("-m", "suite=tiny", "suite.learning_rates=[]"), "suite.learning_rates=[]: must be"),
        (("-m", "suite=tiny", "+suite.sedes=2"), "did you mean suite.seeds?"),
        (("-m", "suite=tinny"), "did you mean tiny?"),
        (("-m", "suite=tiny", "suite.tasks.easy.echo=['task.group=S3']"), "task.group=S3: "),
        (
            ("-m", "suite=tiny", "suite.tasks.easy.echo=null"),
            "suite easy/echo=None: must be a list",
        ),
        (("-m", "suite=tiny", "+suite.tasks.own=[task]"), "suite.tasks.own=['task']: must map"),
        (("-m", "suite=tiny", "suite.tasks={easy: null}", "~suite.tasks.paper"), "names no task"),
        (
            ("-m", "suite=tiny", "suite.words=['seed=3']"),
            "seed=3: leave it out; change suite.seeds",
        ),
        (
            ("passport.diagnostics=true",),
            "passport.diagnostics=true: is for a suite; add -m suite=",
        ),
        (("-m", "suite=tiny", "passport.diagnostics=3"), "diagnostics=3: must be true or false"),
        (("-m", "suite=tiny", "suite.seeds=1001"), "must be a whole number from 1 to 1000"),
        (("-m", "suite=tiny", "search=optuna"), "chooses its learning rates itself; leave out"),
        (("-m", "suite=tiny", "resume=latest"), "goes on by itself where it stopped"),
        (("-m", "suite=tiny", "hydra.sweeper.jobs=[['model=nnn']]"), "model=nnn: must be one of"),
    ],
)
def test_a_wrong_request_is_answered_in_a_line_and_leaves_nothing(train: Door, conf, words, said):
    left = train(*words, "-cd", str(conf))
    assert left.code == 2
    assert said in left.complaint
    assert not left.anything


def test_a_name_with_a_slash_would_be_taken_for_a_level():
    with pytest.raises(ValueError, match=r"suite\.tasks: a/b: is no name"):
        Suite.parse(TINY | {"tasks": {"a/b": {"c": []}}})


def test_a_suite_whose_script_is_only_printed_trains_nothing(train: Door, conf: Path):
    pytest.importorskip("submitit", reason="no submitit: pip install -e '.[slurm]'")
    left = train("-m", "suite=tiny", "launch=slurm", "launch.dry=true", "-cd", str(conf))
    assert left.code == 0
    assert "#SBATCH" in left.out
    assert not left.anything


@pytest.mark.slow
def test_shipped_suites_are_composed_of_tasks_there_are():
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), "train", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        # it has all that the others have; every task is composed
        full = check(["suite=full"], loader, multirun=True, name="train")
        assert (full.suite.seeds, full.passport.bits, [*full.suite.bits]) == (
            *(10, True),
            ["copy", "recall"],
        )


# --- what is said -------------------------------------------------------------------------------


def test_a_difference_is_said_only_where_it_stands_after_correction():
    mine = seeds("mine", 5, 5)
    found, compared = differences([*mine, *seeds("lstm", 10, 0)], [("mine", "lstm")])
    assert compared == 1
    (one,) = found
    assert (one.network, one.other, one.parts) == ("mine", "lstm", True)
    assert one.interval == difference(Share(5, 5), Share(0, 10))
    # 5 of 5 against 0 of 5 is a chance of 1 in 126: enough for one comparison, not for twelve
    few = [*mine, *seeds("lstm", 5, 0)]
    assert differences(few, [("mine", "lstm")])[0]
    twelve = [replace(r, entry=f"easy/{task}") for task in range(12) for r in few]
    assert differences(twelve, [("mine", "lstm")]) == ([], 12)
    # of other settings nothing is compared
    other = [replace(r, protocol="1" * 12) for r in seeds("lstm", 10, 0)]
    assert differences([*mine, *other], [("mine", "lstm")]) == ([], 0)


def test_the_interval_of_a_difference_is_at_the_level_that_holm_leaves_and_excludes_zero():
    # the two that are told apart first share a level, the third has one of its own
    learned = {"a": (10, 0), "b": (10, 0), "c": (10, 4), "d": (5, 5)}
    rows = [
        replace(one, entry=f"easy/{entry}")
        for entry, counts in learned.items()
        for name, count in zip(("mine", "lstm"), counts, strict=True)
        for one in seeds(name, 10, count)
    ]
    found, compared = differences(rows, [("lstm", "mine")])
    assert compared == 4
    assert {one.entry: one.interval for one in found} == {
        "easy/a": difference(Share(10, 10), Share(0, 10), 1 - 0.05 / 4),
        "easy/b": difference(Share(10, 10), Share(0, 10), 1 - 0.05 / 4),
        "easy/c": difference(Share(10, 10), Share(4, 10), 1 - 0.05 / 2),
    }
    # here the test alone would say so: 12 times its chance is 0.037, and the interval has zero
    both = [*seeds("mine", 11, 11), *seeds("lstm", 100, 56)]
    twelve = [replace(r, entry=f"easy/{task}") for task in range(12) for r in both]
    assert differences(twelve, [("mine", "lstm")]) == ([], 12)


def test_most_seeds_of_both_part_nobody():
    found, _ = differences([*seeds("mine", 30, 30), *seeds("lstm", 30, 20)], [("mine", "lstm")])
    assert [one.parts for one in found] == [False]


def test_newcombe_of_no_event_is_as_published():
    # Newcombe (1998), table II: 10/10 and 0/10, method 10
    low, high = difference(Share(10, 10), Share(0, 10))
    assert (round(low, 4), round(high, 4)) == (0.6075, 1.0)


def test_the_line_on_top_says_who_learns_what(tmp_path: Path, monkeypatch):
    known = tuple(seeds("lstm", 10, 0))
    monkeypatch.setattr(passport_page, "references", lambda: known)
    page = Seen(write_page(seeds("mine", 5, 5), tmp_path))
    assert "mine learns, lstm does not: echo (5 of 5 seeds, 0 of 10; 48–100 points)." in page.words
    assert "5 of 5 seeds on the floor [57–100 %]" in page.words
    assert page.links() == ["data:,"]
    monkeypatch.setattr(passport_page, "references", lambda: known[:1])
    page = Seen(write_page(seeds("mine", 5, 5), tmp_path))
    assert "The seeds show no difference from an lstm on 1 task." in page.words
    monkeypatch.setattr(passport_page, "references", lambda: ())
    assert "No lstm was trained" in Seen(write_page(seeds("mine", 5, 5), tmp_path)).words


def test_nothing_is_said_of_comparisons_that_there_are_not(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(passport_page, "references", lambda: ())
    page = Seen(write_page(seeds("mine", 10, 10) + seeds("other", 10, 0), tmp_path))
    assert "mine learns" in page.words
    assert "show no difference" not in page.words
    rows = seeds("mine", 10, 10) + seeds("other", 10, 0, entry="easy/another")
    page = Seen(write_page(rows, tmp_path))
    assert "nothing is compared" in page.words
    assert "0 comparisons" not in page.words


def test_a_curve_is_told_by_its_ends_and_what_is_worse_between(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(passport_page, "references", lambda: ())
    for curve, said in (
        ([(10, 0.97), (20, -2.69), (640, 0.54)], "10 to 640 steps: 97 % to 54 %, 0 % between"),
        ([(40, 0.97), (80, 0.9), (640, 0.54)], "known at 40 to 640 steps: 97 % to 54 %"),
    ):
        page = Seen(write_page([row("mine", lengths=curve)], tmp_path))
        assert said in page.words


def test_marks_of_theorems_stand_over_the_column_of_their_network(tmp_path: Path, monkeypatch):
    lower, enough = ("signs", 0.66, "lower"), ("counts", 0.45, "suffices")
    known = tuple(seeds("lstm", 3, 3, theory=(enough,)))
    monkeypatch.setattr(passport_page, "references", lambda: known)
    page = Seen(write_page(seeds("mine", 3, 0, theory=(lower,)), tmp_path))
    (mine, other) = (attrs for tag, attrs in page.tags if (attrs.get("class") or "")[:4] == "mark")
    # over the first column, at the ceiling; over the second, at the floor
    assert (mine["class"], other["class"]) == ("mark", "mark dotted")
    starts = [
        [float(n) for n in (a["d"] or "M").partition("h")[0][1:].split()] for a in (mine, other)
    ]
    assert starts[0][0] < starts[1][0]
    assert [y for _, y in starts] == [8 + 108, 8]
    assert "by theory in the long run no lower than 0.6600 (signs)" in page.words
    assert "0.4500 can be had" not in page.words  # of another's network nothing is said


def test_a_network_called_like_a_reference_is_told_from_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(passport_page, "references", lambda: tuple(seeds("lstm", 10, 10)))
    page = Seen(write_page(seeds("lstm", 5, 0), tmp_path))
    assert (
        "lstm learns, lstm (here) does not: echo (10 of 10 seeds, 0 of 5; 48–100 points)."
        in page.words
    )


def test_tasks_that_are_called_alike_at_two_levels_are_told_apart(tmp_path: Path, monkeypatch):
    known = [
        *seeds("lstm", 10, 10),
        *(replace(one, entry="paper/echo") for one in seeds("lstm", 10, 0)),
    ]
    monkeypatch.setattr(passport_page, "references", lambda: tuple(known))
    rows = [
        *seeds("mine", 10, 0),
        *(replace(one, entry="paper/echo") for one in seeds("mine", 10, 10)),
    ]
    page = Seen(write_page(rows, tmp_path))
    assert "lstm learns, mine does not: echo easy (10 of 10 seeds, 0 of 10;" in page.words
    assert "mine learns, lstm does not: echo paper (10 of 10 seeds, 0 of 10;" in page.words


def test_what_a_table_says_is_escaped(tmp_path: Path):
    evil = "<script>alert(1)</script>"
    write_page([row(evil, entry=f"easy/{evil}", command=evil, machine=evil)], tmp_path)
    assert "<script" not in (tmp_path / "passport.html").read_text()


def test_the_map_has_a_panel_for_each_level_and_room_for_the_longest_name():
    long = "attention (window 8, heads 12)"
    rows = [*seeds(long, 5, 5), *(replace(one, entry="paper/words_A5") for one in seeds("b", 5, 1))]
    first = [line.split("|")[1].strip() for line in table(rows).splitlines()[2:]]
    assert first == ["**easy**", "echo", "**paper**", "words A5"]
    easy, paper = (figure := draw(rows)).axes
    assert [label.get_text() for label in paper.get_xticklabels()] == ["words A5"]
    assert easy.get_position().y0 > paper.get_position().y1
    figure.draw_without_rendering()
    assert all(label.get_window_extent().x0 > 0 for label in easy.get_yticklabels())


def test_the_map_says_of_each_network_and_task_how_many_seeds_learned():
    rows = [*seeds("a", 5, 5), *seeds("b", 10, 4, theory=(("signs", 0.66, "lower"),))]
    rows += [replace(one, entry="easy/copy") for one in seeds("b", 10, 10)]
    assert table(rows).splitlines()[2:] == ["| echo | 5/5 | 4/10, 30 % ≥ |", "| copy | – | 10/10 |"]
    (axes,) = (figure := draw(rows)).axes
    assert [text.get_text() for text in axes.texts] == ["5/5", "4/10", "30 %", "–", "10/10"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    # half of the seeds know 30 %: the lighter; and a frame, dashed
    cells = [one for one in axes.patches if one.get_fill()]
    assert [sum(one.get_facecolor()[:3]) > 2 for one in cells] == [False, True, False]
    assert len(axes.patches) == 3 + 1
    assert "of 5/5 is 57–100 % and of 10/10 is 72–100 %" in figure.texts[0].get_text()


# --- tables -------------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was(tmp_path: Path):
    rows = [
        row("mine", theory=(("range [0, 1]", 0.66, "lower"),), lengths=((10, 0.9), (20, 0.5))),
        row("mine", 1, status="diverged", solved=False, known=None, reached=None, loss=None),
    ]
    write_passport(rows, tmp_path / "a.csv")
    assert read_passport(tmp_path / "a.csv") == rows


def test_passports_are_compared_and_namesakes_told_apart(tmp_path: Path, capsys):
    for folder, learned in (("one", 8), ("two", 0)):
        (tmp_path / folder).mkdir()
        write_passport(seeds("mine", 8, learned), tmp_path / folder / "passport.csv")
    tables = [str(tmp_path / folder / "passport.csv") for folder in ("one", "two")]
    report.main(["passports", *tables, "--out", str(tmp_path / "both")])
    page = Seen(tmp_path / "both" / "passport.html")
    assert "mine (1: one) learns, mine (2: two) does not: echo" in page.words
    write_passport([row(f"n{place}") for place in range(8)], tmp_path / "many.csv")
    with pytest.raises(ValueError, match="at most 7"):
        compare_passports([tmp_path / "many.csv"], tmp_path)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "network,seed\nx,one\n"])
def test_what_is_no_passport_is_refused(tmp_path: Path, text, capsys):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SystemExit) as end:
        report.main(["passports", str(tmp_path / "a.csv"), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "passport" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_column_is_explained():
    page = (Path(__file__).parents[2] / "docs" / "passport.md").read_text()
    for name in PassportRow.__dataclass_fields__:
        assert f"| `{name}` |" in page, name


def test_references_were_trained_by_the_settings_of_passport(tmp_path: Path):
    """Or nothing would stand beside anybody's passport: then `make references` trains them anew."""
    kept: dict[tuple[str, str], set[str]] = {}
    for one in references():
        kept.setdefault((one.entry, one.protocol), set()).add(one.network)
    every = {one.network for one in references()}
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), "train", version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", ["suite=passport"]).suite)
        suite = Suite.parse(plain)
        for place, (entry, words) in enumerate(suite.entries().items()):
            asked = [*suite.words, *words, "model=lstm"]
            config = compose("train", asked, return_hydra_config=True)
            found = resolved(without_hydra(config), config.hydra.runtime.choices)
            (tmp_path / str(place)).mkdir()
            write_config(tmp_path / str(place), found)
            own = entry, protocol(read_flat_config(tmp_path / str(place)))
            # a window of attention takes hours at published lengths
            easy = entry.startswith("easy/")
            assert kept.get(own) == every - (set() if easy else {"attention (window 8)"}), entry
