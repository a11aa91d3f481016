"""The report of a sweep: its numbers are those of the runs, and no folder can break it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas
import pytest
from matplotlib.image import imread

import lossladder
from left_runs import ECHO, GONE, leave
from lossladder.cli.main import run
from lossladder.cli.report import main
from lossladder.report.page import write_report
from lossladder.report.sweep_folder import BINS, RunSummary, read_run, read_sweep
from lossladder.report.terminal import summed_up, table
from lossladder.runs.result import RungRecord as Rung
from lossladder.runs.verdict import number as written
from lossladder.runs.verdict import standing
from seen_page import Seen, reported
from tensorboard_server import Page, chromium

SWEPT = ("model=rnn,gru", "data.bptt_steps=5,10", "seed=0,1,2", "data.batch_size=64")
SHORT = ("trainer.max_epochs=null", "trainer.max_steps=100", "trainer.progress=false")
EVIL = '"><script>document.title="gone"</script><img src=x onerror=alert(1)>&amp;'


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real sweep: two networks, two lengths, three seeds."""
    folder = tmp_path_factory.mktemp("logs") / "sweep"
    outcome = run(["-m", *SWEPT, *SHORT, f"hydra.sweep.dir={folder}"])
    assert outcome.code == 0, outcome.complaints
    return folder


@pytest.fixture(scope="module")
def page(sweep: Path) -> Path:
    return write_report(sweep)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("pictures")) as page:
        yield page


def test_the_command_says_where_the_page_is(sweep, tmp_path, capsys):
    main([str(sweep), "--out", str(tmp_path / "deep" / "out")])
    page = tmp_path / "deep" / "out" / "report.html"
    assert capsys.readouterr().err == f"report {page}\n"
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "report.csv",
        "report.html",
        "report.png",
    ]
    assert imread(page.with_name("report.png")).shape[1] > 1000
    runs = [link for link in Seen(page).links() if link.endswith("/")]
    assert len(runs) == 2  # the best run and the worst, as seen from the page
    assert all((page.parent / unquote(link) / "result.json").exists() for link in runs)


def test_the_page_says_what_was_swept_and_with_what(page):
    seen = Seen(page)
    assert "model × data.bptt_steps on echo" in seen.words
    assert "12 runs: 4 settings, 3 seeds." in seen.words
    assert "12 done" in seen.words
    assert "Not done" not in seen.words
    asked = " ".join((*SWEPT, *SHORT))
    assert f"python train.py -m {asked} hydra.sweep.dir={page.parent}" in seen.words
    for package in ("torch", "lightning", "numpy"):
        assert f"{package} " in seen.words.partition("Runs made with")[2]
    assert f"lossladder {lossladder.__version__}" in seen.words
    for name, loss in (("none", "0.6616"), ("lag 3", "0.5192"), ("lags 3 and 8", "0.4545")):
        assert f"{name} {loss}" in seen.words  # beside its line


def test_numbers_of_the_page_are_those_of_the_data_frame(page, sweep):
    runs, seen = lossladder.results(sweep), Seen(page)
    rungs = ["none", "lag 8", "lag 3", "lags 3 and 8"]
    assert len(runs) == 12
    known = runs.where(runs.notna(), None).to_dict("records")
    runs["place"] = [standing(row).partition(", past")[0] for row in known]
    means = {}
    for (model, steps), alike in runs.groupby(["model", "data.bptt_steps"]):
        away = alike["divergence"]
        means[model, steps] = away.mean()
        reached = alike[[f"updates to {rung}" for rung in rungs]].fillna(np.inf).median()
        shares = [(alike["place"] == f"on {rung}").mean() for rung in rungs]
        beside = []
        for place in sorted({*runs["place"]} - {f"on {rung}" for rung in rungs}):
            there = alike[alike["place"] == place]
            worth = f"{there['share'].mean():.0%} known" if place == "between" else ""
            beside.append(f"{len(there) / 3:.0%}{worth if len(there) else ''}")
        assert seen.row(f"{model}, bptt steps {steps}") == [
            f"{model}, bptt steps {steps}",
            "3",
            f"{written(away.mean())} ± {written(away.std())}",
            *(
                f"{share:.0%}" + (f"at {updates:,.0f}" if np.isfinite(updates) else "–")
                for share, updates in zip(shares, reached, strict=True)
            ),
            *beside,
            f"{alike['training_seconds'].median():.2f}",
        ]
    for model in ("rnn", "gru"):  # the heat map
        across = [written(means[model, steps]) for steps in (5, 10)]
        assert seen.row(model, "map") == [model, *across]
    runs = runs.sort_values("divergence")
    for word, row in (("Best run", runs.iloc[0]), ("Worst run", runs.iloc[-1])):
        told = f"{written(row['divergence'])} from the exact law"
        error = f"(standard error {written(row['divergence_error'])})"
        assert f"{word}: {Path(row['folder']).name}, {told} {error}." in seen.words


def test_the_data_frame_has_what_the_runs_left(sweep):
    runs = lossladder.results(str(sweep))
    measured = (
        *("loss", "standard_error", "above_floor", "divergence", "divergence_error", "share"),
        *("standing", "stands_on", "knows", "nearest", "rung"),
    )
    assert list(runs.columns[:15]) == ["model", "data.bptt_steps", "seed", "status", *measured]
    asked = runs[["model", "data.bptt_steps", "seed"]].itertuples(index=False, name=None)
    assert sorted(asked) == list(product(("gru", "rnn"), (5, 10), (0, 1, 2)))
    for row in runs.to_dict("records"):
        result = lossladder.load_run(row["folder"]).result
        for key in ("status", *measured, "seconds", "training_seconds"):
            known = key in result
            assert row[key] == result[key] if known else pandas.isna(row[key])
        for rung in result["rungs"]:
            expected = np.nan if rung["reached_at"] is None else rung["reached_at"]
            assert row[f"updates to {rung['name']}"] == pytest.approx(expected, nan_ok=True)


def test_the_file_beside_the_page_holds_the_same_table(page, sweep):
    left = pandas.read_csv(page.with_name("report.csv"))
    runs = lossladder.results(sweep)
    assert all((sweep / folder / "config.yaml").exists() for folder in left["folder"])
    runs = runs.where(runs.notna(), np.nan)  # a file has no None
    pandas.testing.assert_frame_equal(
        left.drop(columns="folder"), runs.drop(columns="folder"), check_dtype=False
    )


def test_a_missing_pandas_is_named_with_the_way_to_get_it(sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install .lossladder\[notebook\]."):
        lossladder.results(sweep)
    assert write_report(sweep).exists()  # the page needs none


def test_the_page_refers_to_nothing_but_the_folder_it_lies_in(page):
    seen, text = Seen(page), page.read_text()
    inside = [link for link in seen.links() if link != "data:,"]
    assert len(inside) == 3
    assert all((page.parent / unquote(link)).exists() for link in inside)
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in seen.tags}
    assert [attrs for tag, attrs in seen.tags if tag == "script"] == [{}]  # our own
    assert not re.search(r"https?:|url\(|@import", text)
    assert len(text) < 60_000


def _points(browser: Page, path: str) -> list[tuple[float, float, list[int]]]:
    """Where a visible curve passes on the page, and in which colour."""
    return browser.page.evaluate(
        """path => {
            const curve = [...document.querySelectorAll(path)].find(c => c.getClientRects().length);
            const box = curve.getScreenCTM();
            const colour = getComputedStyle(curve).stroke.match(/\\d+/g).map(Number);
            return [0.2, 0.5, 0.8].map(share => {
                const at = curve.getPointAtLength(share * curve.getTotalLength());
                const there = at.matrixTransform(box);
                return [there.x + scrollX, there.y + scrollY, colour];
            });
        }""",
        path,
    )


def _seen(browser: Page, points: list[tuple[float, float, list[int]]]) -> list[bool]:
    pixels = imread(BytesIO(browser.page.screenshot(full_page=True)))[..., :3] * 255
    near = [pixels[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] for x, y, _ in points]
    return [
        bool((abs(part - np.array(colour)).max(axis=2) < 40).any())
        for part, (_, _, colour) in zip(near, points, strict=True)
    ]


@pytest.mark.parametrize("width", [1200, 360, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_curves_on_any_screen(page, browser, width, scheme):
    said: list[str] = []
    browser.page.on("console", lambda message: said.append(message.text))
    browser.page.on("pageerror", lambda error: said.append(str(error)))
    browser.page.set_viewport_size({"width": width, "height": 800})
    browser.page.emulate_media(color_scheme=scheme)
    browser.asked.clear()
    browser.page.goto(page.as_uri())
    assert said == []
    assert browser.asked == [page.as_uri()]  # and nothing else
    assert browser.page.evaluate("document.documentElement.scrollWidth") == width
    paper = browser.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", paper))) < 60) == (scheme == "dark")
    for place in range(4):
        points = _points(browser, f"figure.curves .c{place} .median")
        # where curves cross, another may lie on top of a point
        assert sum(_seen(browser, points)) >= 2
    gone = "document.querySelectorAll('svg .c3').forEach(curve => curve.remove())"
    browser.page.evaluate(gone)
    assert sum(_seen(browser, points)) < 2  # the check can fail


_BOX = """() => {
    const box = [...document.querySelectorAll('.scroll')].find(b => b.querySelector('.settings'));
    const edges = box.getBoundingClientRect();
    const cell = name => box.querySelector(name).getBoundingClientRect();
    return {left: edges.left, right: edges.right, hidden: box.scrollWidth - box.clientWidth,
            first: cell('tbody th').left, top: cell('thead tr').top + scrollY,
            second: cell('tbody td:nth-of-type(4)').right};
}"""


def _edge(browser: Page, box: dict[str, float]) -> float:
    """How far the right edge of the table, where nothing is written, is from paper."""
    pixels = imread(BytesIO(browser.page.screenshot(full_page=True)))[..., :3]
    strip = pixels[int(box["top"]) + 1, int(box["right"]) - 30 : int(box["right"])]
    return float(abs(strip - strip[0]).max())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_wider_than_the_screen_hints_at_it_and_keeps_its_names(page, browser, scheme):
    browser.page.set_viewport_size({"width": 390, "height": 800})
    browser.page.emulate_media(color_scheme=scheme)
    browser.page.goto(page.as_uri())
    before = browser.page.evaluate(_BOX)
    assert before["hidden"] > 20
    assert before["second"] < before["right"]  # two rungs are in sight
    assert _edge(browser, before) > 0.05
    browser.page.evaluate("document.querySelectorAll('.scroll').forEach(b => b.scrollLeft = 9999)")
    after = browser.page.evaluate(_BOX)
    assert after["first"] == before["first"] == before["left"]
    assert _edge(browser, after) < 0.02  # nothing more to come
    lines = "document.querySelector('.map thead th').getBoundingClientRect().height / 20"
    assert browser.page.evaluate(lines) < 3


def test_what_folders_say_is_shown_and_never_obeyed(tmp_path, browser):
    evil = [Rung(f"none{EVIL}", 0.7, knows=EVIL), Rung("all", 0.4)]
    for number, lr in enumerate(("0.1", EVIL)):
        name = f'{number}-"<b>&=,#?%'
        leave(tmp_path / name, rungs=evil, optimizer={"lr": lr}, seed=number, task=f"echo{EVIL}")
    why = {"status": "failed", "why": f"Error: {EVIL}"}
    leave(tmp_path / "2", rungs=evil, task=f"echo{EVIL}", result=why)
    (tmp_path / f"3{EVIL.replace('/', '')}").mkdir()
    (tmp_path / f"3{EVIL.replace('/', '')}" / "result.json").write_text("{")
    (tmp_path / "multirun.yaml").write_text(
        json.dumps({"hydra": {"overrides": {"hydra": [], "task": [f"optimizer.lr=0.1,{EVIL}"]}}})
    )
    page = write_report(tmp_path)
    seen = Seen(page)
    assert not {"img", "b>"} & {tag for tag, _ in seen.tags}
    assert seen.words.count(EVIL) >= 10
    assert f"Error: {EVIL}" in seen.words
    browser.page.goto(page.as_uri())
    assert browser.page.locator("script, img").count() == 1  # our own
    assert browser.page.title().endswith("– lossladder")
    browser.page.locator("figure.curves .plot").first.press("ArrowRight")
    tip = browser.page.locator("figure.curves .tip").inner_text()
    assert f"nearest rung: none{EVIL}" in tip  # our script obeys it neither
    asked = "links => links.map(link => link.pathname)"  # what comes after # and ? is not in it
    paths = browser.page.eval_on_selector_all("main a", asked)
    runs = [Path(unquote(path)) for path in paths if path.endswith("/")]
    assert len(runs) == 3  # the best, the worst, and the one that failed
    assert all((run / "config.yaml").exists() for run in runs)


def test_damaged_folders_are_named_and_left_out(tmp_path):
    leave(tmp_path / "0")
    torn, foreign, stray, garbled, other = (leave(tmp_path / f"{n}") for n in range(1, 6))
    (torn / "result.json").write_text((torn / "result.json").read_text()[:200])
    (foreign / "result.json").write_text("[]")
    (stray / "config.yaml").unlink()
    (garbled / "config.yaml").write_text("seed: [")
    (other / "config.yaml").write_text("a: b")
    crooked = leave(tmp_path / "6", result={"rungs": [{"name": "none"}]})
    hollow = leave(tmp_path / "7", result={"rungs": []})
    (tmp_path / "+reference" / "lag 3").mkdir(parents=True)  # no run, and not damaged
    (tmp_path / "multirun.yaml").write_text("hydra: 1")
    seen = reported(tmp_path)
    for folder, what in (
        (torn, "its result.json cannot be read: "),
        (foreign, "its result.json is no result of a run"),
        (stray, "has no config.yaml"),
        (garbled, "its config.yaml is no config of a run: "),
        (other, "its config.yaml is no config of a run: "),
        (crooked, "its result.json is no result of a run"),
        (hollow, "its result.json is no result of a run"),
        (tmp_path / "multirun.yaml", "is no record of a sweep"),
    ):
        assert f"{folder.name}: {what}" in seen.words
        assert f"{folder.name}: {what}" in table(read_sweep(tmp_path))
    assert "1 run: 1 setting, 1 seed." in seen.words
    assert "8 damaged" in seen.words
    assert "reference" not in seen.words
    assert len(lossladder.results(tmp_path)) == 1


HUGE = "1" + "0" * 400  # no float is so large
FOREIGN = [  # what stands in a result.json, and what is said of it
    ("[1]", "is no result of a run"),
    ("null", "is no result of a run"),
    ("NaN", "is no result of a run"),
    ('"x"', "is no result of a run"),
    ('{"status": "done"}', "is no result of a run: it has no task"),
    ("[" * 100_000, "cannot be read: maximum recursion depth"),
    ("1" * 5000, "cannot be read: Exceeds the limit"),
    (b"\xff\xfe\x00{", "cannot be read: "),
    (b'{"task": "\xff"}', "cannot be read: 'utf-8' codec"),
    ("", "cannot be read: "),
    ({"status": "well"}, "is no result of a run: its status is 'well'"),
    ({"steps": HUGE}, "is no result of a run, by its steps"),
    ({"seed": True}, "is no result of a run, by its seed"),
    ({"rungs": [{"name": "a", "loss": 1e300}]}, "is no result of a run, by its rungs"),
    ({"rungs": [{"name": "a", "loss": 0.1, "reached_at": HUGE}]}, "by its rungs"),
    ({"rungs": []}, "is no result of a run: it has no ladder"),
    ({"curve": {"updates": [2, 1], "loss": [0.1, 0.2]}}, "by its curve"),
    ({"curve": {"updates": [1, HUGE], "loss": [0.1, 0.2]}}, "by its curve"),
    ({"curve": {"updates": [1, 2], "loss": [0.1, "0.2"]}}, "by its curve"),
    ({"curve": {"updates": [1, 2], "loss": [0.1]}}, "by its curve"),
]
FOREIGN_CONFIGS = [b"- a", b"null", b"", b"\xff\xfe", b"[" * 100_000, b"{a: " * 100_000,
                   b"- " * 100_000, b'!!python/object/apply:os.system ["true"]',
                   b"seed: x\nnames: {task: a, model: b}"]  # fmt: skip


def test_what_is_foreign_is_told_and_stops_nothing(tmp_path):
    leave(tmp_path / "good")
    for number, (content, _) in enumerate(FOREIGN):
        file = leave(tmp_path / f"{number}") / "result.json"
        if isinstance(content, dict):
            left = json.dumps({**json.loads(file.read_text()), **content})
            content = left.replace(f'"{HUGE}"', HUGE)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for number, config in enumerate(FOREIGN_CONFIGS):
        (leave(tmp_path / f"config {number}") / "config.yaml").write_bytes(config)
    seen, said = reported(tmp_path), table(read_sweep(tmp_path))
    damaged = [line for line in said.splitlines() if "its result.json " in line]
    for (number, (_, what)), line in zip(enumerate(FOREIGN), damaged, strict=True):
        assert line.startswith(f"{number}: its result.json ")
        assert what in line
        assert line in seen.words
    for number, _ in enumerate(FOREIGN_CONFIGS):
        assert f"config {number}: its config.yaml is no config of a run: " in seen.words
    assert "1 run: 1 setting, 1 seed." in seen.words
    assert f"{len(FOREIGN) + len(FOREIGN_CONFIGS)} damaged" in seen.words
    assert len(lossladder.results(tmp_path)) == 1


def test_a_loss_that_is_hopelessly_large_is_no_point_of_a_curve(tmp_path):
    large = (1e38, 1e300, int(HUGE), float("inf"), float("nan"))
    for seed, loss in enumerate(large):
        curve = {"updates": [0, 1, 2], "loss": [0.9, 0.7, loss]}
        leave(tmp_path / f"{seed}", seed=seed, result={"curve": curve, "loss": loss})
        run = read_run(tmp_path / f"{seed}")
        assert isinstance(run, RunSummary)
        assert run.curve is not None
        assert run.curve.updates.tolist() == [1]  # and there is no update 0 on its axis
    assert "5 runs: 1 setting, 5 seeds." in reported(tmp_path).words


def test_runs_that_go_on_are_counted_and_listed(tmp_path):
    for seed in range(3):
        leave(tmp_path / f"{seed}", seed=seed)
    (tmp_path / "1" / "result.json").unlink()
    seen = reported(tmp_path)
    assert "2 done1 still going" in seen.words
    assert seen.row("rnn")[1] == "31 going"
    assert seen.row("rnn")[-2] == "100%at 10"  # of those that ended
    assert "Still going, or killed: no result yet (1)" in seen.words
    runs = lossladder.results(tmp_path)
    assert runs["status"].tolist() == ["done", "going", "done"]
    assert runs["loss"].isna().tolist() == [False, True, False]
    for seed in (0, 2):
        (tmp_path / f"{seed}" / "result.json").unlink()
    assert "3 still going" in reported(tmp_path).words  # a sweep that has just begun
    assert "3 going" in table(read_sweep(tmp_path))


def test_failures_are_told_by_their_last_words(tmp_path):
    broken = {**GONE, "status": "failed", "why": "RuntimeError: the cell is broken"}
    for number in range(3):
        leave(tmp_path / f"{number}", seed=number, result=broken)
    leave(tmp_path / "3", seed=3, result={"status": "failed", "leaks": True})
    diverged = {**GONE, "status": "diverged"}
    leave(tmp_path / "4", seed=4, loss=(0.7, 0.9, float("nan")), result=diverged)
    seen = reported(tmp_path)
    assert "RuntimeError: the cell is broken3: 0 1 2" in seen.words
    assert "sees what it is to predict" in seen.words
    assert "no number or hopelessly large1: 4 after 50 updates" in seen.words
    assert seen.row("rnn")[1] == "51 diverged, 4 failed"
    assert seen.row("rnn")[-2] == "100%"  # of the one that ended by itself, on no rung


def test_a_map_is_drawn_where_two_settings_vary_and_only_there(tmp_path):
    for number, (lr, size) in enumerate(((0.1, 4), (0.1, 16), (0.2, 4))):
        leave(tmp_path / "two" / f"{number}", optimizer={"lr": lr}, model={"hidden_size": size})
        leave(tmp_path / "one" / f"{number}", optimizer={"lr": lr + number})
    seen = reported(tmp_path / "two")
    assert "Divergence from the exact law by model.hidden_size and optimizer.lr" in seen.words
    assert seen.row("4", "map") == ["4", "0.0055", "0.0055"]
    assert seen.row("16", "map") == ["16", "0.0055", "–"]
    assert " and optimizer.lr" not in reported(tmp_path / "one").words


def test_every_key_that_was_asked_for_is_told_even_if_another_implies_it(tmp_path):
    """As in a random search, where every learning rate goes with a size of its own."""
    for number in range(3):
        leave(tmp_path / f"{number}", optimizer={"lr": number / 10}, model={"hidden_size": number})
    assert "optimizer.lr" not in lossladder.results(tmp_path)
    asked = {"hydra": [], "task": ["model.hidden_size=0,1,2", "optimizer.lr=0,0.1,0.2"]}
    (tmp_path / "multirun.yaml").write_text(json.dumps({"hydra": {"overrides": asked}}))
    assert lossladder.results(tmp_path)["optimizer.lr"].tolist() == [0.0, 0.1, 0.2]


def test_tasks_have_ladders_and_pictures_of_their_own(tmp_path):
    leave(tmp_path / "0")
    other = [Rung("none", 1.0), Rung("all", 0.0)]
    names = {"task": "count", "model": "rnn"}
    leave(tmp_path / "1", rungs=other, task="count", names=names)
    seen = reported(tmp_path)
    assert sum(attrs.get("class") == "curves" for _, attrs in seen.tags) == 2
    assert seen.row("echo")[3:6] == ["0%at 10", "0%at 10", "100%at 10"]
    assert seen.row("count")[3:5] == ["0%at 10", "100%at 10"]
    columns = lossladder.results(tmp_path).columns
    assert {f"updates to {rung.name}" for rung in (*ECHO, *other)} <= set(columns)


def test_a_long_curve_is_kept_short(tmp_path):
    updates = list(range(1, 1001))
    long = {"updates": updates, "loss": [1 / update for update in updates]}
    run = read_run(leave(tmp_path / "run", result={"curve": long}))
    assert isinstance(run, RunSummary)
    curve = run.curve
    assert curve is not None
    assert len(curve.updates) <= BINS
    assert curve.updates[-1] == 1000


def test_a_folder_that_is_no_sweep_is_answered_in_one_line(tmp_path, capsys):
    run = leave(tmp_path / "sweep" / "0")
    (tmp_path / "empty").mkdir()
    for words, complaint in (
        (["nowhere"], "nowhere: no such folder; name the folder of a sweep"),
        ([str(tmp_path / "empty")], "holds no runs"),
        ([str(run)], "is a single run"),
        ([str(run / "config.yaml")], "no such folder"),
        ([str(run.parent), "--out", str(run / "config.yaml")], "config.yaml: File exists"),
        ([], "required: SWEEP"),
        ([str(run.parent), "--colour"], "unrecognized arguments: --colour"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        (line,) = capsys.readouterr().err.splitlines()
        assert ended.value.code == 2
        assert line.startswith("lossladder: ")
        assert complaint in line
    assert list((tmp_path / "empty").iterdir()) == []
    told = summed_up(tmp_path / "empty", "", lambda path: Path(path.name))
    assert told == "sweep  no run has ended\nfolder empty"


@pytest.mark.parametrize(
    ("script", "program"),
    [("report.py", "python report.py"), ("/usr/bin/lossladder-report", "lossladder-report")],
)
def test_the_help_names_the_command_as_it_was_typed(script, program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert out.startswith(f"usage: {program} [-h]")
    assert f"\n{program} logs/<sweep> --out FOLDER" in out


@pytest.mark.slow
def test_ten_thousand_runs_take_seconds_and_little_memory(tmp_path):
    updates = np.unique(np.geomspace(1, 1e5, 600).astype(int)).tolist()
    curve = {"updates": updates, "loss": np.linspace(0.7, 0.46, len(updates)).tolist()}
    use = {"variation": 0.5, "variation_error": 0.01, "true_variation": 0.5}
    result = {"curve": curve, "uses": [{"lag": lag, **use} for lag in range(19)]}
    for number in range(10_000):
        lr, seed = divmod(number, 100)
        folder = tmp_path / f"{number}"
        leave(folder, optimizer={"lr": lr}, seed=seed, result=result)
    ask = (sys.executable, "-c", _MEASURED, str(tmp_path))
    done = subprocess.run(ask, check=True, capture_output=True, text=True)
    seconds, peak = map(float, done.stdout.split())
    assert seconds < 20
    assert peak < 200 * 1024  # KiB
    assert len(Seen(tmp_path / "report.html").rows) > 100
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


_MEASURED = """
import re, sys, time
from pathlib import Path
from lossladder.cli.report import main
main(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(time.process_time(), peak[1])
"""


def test_diagnostics_of_the_best_and_the_median_are_shown_on_request(sweep, tmp_path, capsys):
    main([str(sweep), "--out", str(tmp_path), "--diagnostics", "calibration,behaviour"])
    text = (tmp_path / "report.html").read_text()
    runs = sorted(
        (path.parent.name for path in sweep.glob("*/result.json")),
        key=lambda name: json.loads((sweep / name / "result.json").read_text())["divergence"],
    )
    heads = re.findall(r"<h3>What the (\w+) network learned: <a href=\"[^\"]+\">([^<]+)</a>", text)
    assert heads == [("best", runs[0]), ("median", runs[6])]
    assert text.count('<img src="data:image/png;base64,') == 2
    assert text.count("behaviour: left out: the run took none on its way") == 2
    assert (sweep / runs[0] / "diagnostics/calibration.png").is_file()
    assert "What the best network learned" not in write_report(sweep, tmp_path).read_text()


def test_a_diagnostic_there_is_not_is_refused(sweep, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(sweep), "--out", str(tmp_path), "--diagnostics", "horizons"])
    assert end.value.code == 2
    assert "there is no 'horizons'; allowed: all, or some of behaviour" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()
