"""What a report says: of runs that count and runs that do not, of few runs, of odd settings."""

import csv
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lossladder
from docs.figures.overview import overview
from left_runs import ECHO, GONE, between, leave, on
from lossladder.checks import RequestError
from lossladder.report import page as pages
from lossladder.report.figure import curves_scene, draw
from lossladder.report.page import write_report
from lossladder.report.summary import read_lines as read
from lossladder.report.sweep_folder import RunSummary, read_run, read_sweep
from lossladder.report.terminal import summed_up, table
from lossladder.runs.result import RungRecord as Rung
from seen_page import Seen, reported

AGAIN = "the same command again redoes what failed, and nothing else"
CUT_OFF = "the same command again redoes what failed or was cut off, and nothing else"
OTHER = [Rung("none", 1.0), Rung("all", 0.0)]


def mixed(folder: Path) -> Path:
    """Six runs of one setting: two done, two cut off (one was scored), one diverged, one failed."""
    leave(folder / "0", seed=0, loss=(0.7, 0.46))
    leave(folder / "1", seed=1, loss=(0.7, 0.48), result=on("lag 3"))
    leave(folder / "2", seed=2, result={"status": "interrupted", **GONE})
    young = {"status": "interrupted", **on("none"), "training_seconds": 0.1}
    leave(folder / "3", seed=3, loss=(0.7, 0.66), result=young)
    leave(folder / "4", seed=4, result={"status": "diverged", **GONE})
    leave(folder / "5", seed=5, loss=(0.7, 0.3), result={"status": "failed", "leaks": True})
    return folder


def asked(folder: Path, *lines: object) -> None:
    """Leave the record of what was asked for; a text is a line as it is."""
    words = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / ".asked").write_text("".join(f"{line}\n" for line in words))


def test_shares_are_of_runs_that_ended_by_themselves_and_losses_of_those_that_are_done(tmp_path):
    seen = reported(mixed(tmp_path))
    name, seeds, away, *rungs, diverged, seconds = seen.row("rnn")
    assert (name, away, seconds) == ("rnn", "0.0155 ± 0.0141", "1.00")
    assert seeds == "61 diverged, 1 failed, 2 interrupted"
    assert rungs == ["0%at 10", "33%at 10", "33%at 10"]
    assert diverged == "33%"
    assert "1 of 3 seeds" in seen.words
    (best,) = (line for line in seen.words.split(".") if line.strip().startswith("Best run: 0"))
    assert best  # not the leak, which lies lower
    assert "Worst run: 1" in seen.words


def test_updates_to_a_rung_are_those_of_runs_that_ended_by_themselves(tmp_path):
    reached = [asdict(rung) | {"reached_at": 9000} for rung in ECHO]
    leave(tmp_path / "0")
    for seed, status in enumerate(("interrupted", "failed", "interrupted"), start=1):
        leave(tmp_path / f"{seed}", seed=seed, result={"status": status, "rungs": reached})
    assert reported(tmp_path).row("rnn")[3:6] == ["0%at 10", "0%at 10", "100%at 10"]


def test_a_map_leaves_out_what_was_cut_off(tmp_path):
    for number, (lr, size) in enumerate(((0.1, 4), (0.1, 16), (0.2, 4), (0.2, 16))):
        status = "interrupted" if number == 3 else "done"
        config = {"optimizer": {"lr": lr}, "model": {"hidden_size": size}}
        leave(tmp_path / f"{number}", result={"status": status}, **config)
    seen = reported(tmp_path)
    assert seen.row("16", "map") == ["16", "0.0055", "–"]


def test_a_setting_of_which_no_run_ended_by_itself_has_no_shares(tmp_path):
    leave(tmp_path / "0")
    leave(tmp_path / "1", optimizer={"lr": 1}, result={"status": "interrupted", **GONE})
    seen = reported(tmp_path)
    (row,) = (row for row in seen.rows if row[0] == "lr 1")
    assert row[2:] == ["–", "–", "–", "–", "–"]
    assert seen.tables["settings"][1][-2] == "lags 3 and 80.4545"  # and no column beside rungs


def test_the_terminal_counts_rungs_and_losses_of_what_is_done(tmp_path):
    _, row, *_, last = table(read_sweep(mixed(tmp_path))).splitlines()
    assert row.startswith(
        "rnn  6 runs; loss 0.4700 (floor 0.4545), 0.0155 ± 0.0141 from the exact law; "
    )
    assert "1 on lags 3 and 8; 1 on lag 3; " in row
    for status in ("2 interrupted", "1 diverged", "1 failed"):
        assert status in row
    assert last == CUT_OFF


@pytest.mark.parametrize(
    ("status", "line"),
    [("done", None), ("diverged", None), ("failed", AGAIN), ("interrupted", CUT_OFF),
     ("going", CUT_OFF)],
)  # fmt: skip
def test_the_same_command_again_is_offered_where_it_would_do_something(tmp_path, status, line):
    leave(tmp_path / "0")
    leave(tmp_path / "1", seed=1, result={"status": status, **GONE})
    if status == "going":
        (tmp_path / "1" / "result.json").unlink()
    said = table(read_sweep(tmp_path)).splitlines()
    assert [words for words in said if words.startswith("the same")] == ([line] if line else [])


def test_the_table_of_results_has_what_is_done(tmp_path):
    assert "| echo | rnn | 2 |" in overview([mixed(tmp_path / "mixed")])
    leave(tmp_path / "cut" / "0", result={"status": "interrupted"})
    with pytest.raises(RequestError, match="no run"):
        overview([tmp_path / "cut"])


def tasks(folder: Path) -> Path:
    """A run of each of two tasks."""
    leave(folder / "0", result={"divergence_error": 0.0012})
    above = {"standing": "above_ceiling", "stands_on": None, "rung": None}
    leave(folder / "1", rungs=OTHER, task="count", names={"task": "count", "model": "rnn"},
          loss=(1.1,), result=above)  # fmt: skip
    return folder


def test_a_sweep_over_tasks_is_called_so_and_tasks_are_not_ranked(tmp_path):
    seen = reported(tasks(tmp_path))
    assert ("h1", {}) in seen.tags
    assert "2 tasks: echo, count" in seen.words
    assert "one setting" not in seen.words
    for word in ("Best", "Worst"):
        assert word not in seen.words
    assert "echo, floor 0.4545:" in seen.words
    assert (
        "Ends 0.0055 nats a step from the exact law, on “lags 3 and 8”: knows the lags 3 and 8."
        in seen.words
    )
    assert "Ends 1.1000 nats a step from the exact law, above the ceiling." in seen.words


def test_settings_and_runs_are_ranked_within_their_ladder(tmp_path):
    tasks(tmp_path)
    leave(tmp_path / "2", seed=1, loss=(0.7, 0.5))
    seen = reported(tmp_path)
    assert "Best: " not in seen.words  # one setting each
    assert "Best run: 0, 0.0055 from the exact law (standard error 0.0012)." in seen.words
    assert "Worst run: 2, 0.0455 from the exact law." in seen.words
    assert "Best run: 1" not in seen.words


def test_one_setting_is_told_and_not_praised(tmp_path):
    for seed in range(2):
        leave(tmp_path / f"{seed}", seed=seed)
    words = reported(tmp_path).words
    assert "rnn ends 0.0055 ± 0.0000 nats a step from the exact law, 2 of 2 seeds on" in words
    assert "Best: " not in words


def test_a_curve_of_one_point_is_a_dot_between_numbers(tmp_path):
    seen = reported(tasks(tmp_path))
    dots = [a["d"] for tag, a in seen.tags if tag == "path" and a.get("class") == "median dot"]
    assert len(dots) == 2  # on both axes
    assert all((d or "").endswith("l0 0") for d in dots)
    page = (tmp_path / "report.html").read_text().partition("Training on count")[2]
    ticks = [number for number in (5, 10, 20) if f">{number}</text>" in page]
    assert ticks == [5, 10, 20]
    assert ">0</text>" not in page.partition("</section>")[0]  # there is no update 0


def test_a_picture_shows_a_curve_of_one_point(tmp_path):
    (axes,) = draw(curves_scene(*read([leave(tmp_path / "0", loss=(0.6,))]))).axes
    (line,) = (line for line in axes.lines if line.get_label() == "rnn")
    assert line.get_marker() == "o"
    assert axes.get_xlim() == pytest.approx((5, 20), rel=0.03)
    assert axes.get_xticks().tolist() == [5, 10, 20]


def test_a_swept_mapping_is_one_value(tmp_path):
    for number, effects in enumerate(({3: 0.5}, {2: 0.1}, {3: 0.5, 8: -0.25})):
        run = leave(tmp_path / f"{number}")
        config = {"seed": 0, "names": {"task": "echo", "model": "rnn"}}
        part = {"_target_": "a.Part", "size": number}  # is built, and so has knobs of its own
        knobs = {"task": {"effects": effects}, "data": {"part": part}}
        (run / "config.yaml").write_text(yaml.safe_dump(config | knobs))
    told = {"{3: 0.5}", "{2: 0.1}", "{3: 0.5, 8: -0.25}"}
    names = {line.partition("  ")[0] for line in table(read_sweep(tmp_path)).splitlines()[1:]}
    assert names == {f"effects {value}" for value in told}
    assert set(lossladder.results(tmp_path)["task.effects"]) == told
    assert "task.effects on echo" in reported(tmp_path).words
    run = read_run(tmp_path / "1")
    assert isinstance(run, RunSummary)
    assert run.config["data.part.size"] == "1"


def test_a_single_runs_standard_error_is_told_beside_its_divergence(tmp_path):
    leave(tmp_path / "0", result={"divergence_error": 0.0012})
    assert reported(tmp_path).row("rnn")[2] == "0.0055s.e. 0.0012"
    assert lossladder.results(tmp_path)["divergence_error"].tolist() == [0.0012]


def test_what_sampling_makes_of_a_loss_changes_no_rank(tmp_path):
    """The loss of one may lie below that of another, or below the floor, by its inputs alone."""
    low = {"divergence": 0.02, "divergence_error": 1e-5, "above_floor": -0.0018}
    leave(tmp_path / "low", optimizer={"lr": 1}, loss=(0.7, 0.4527), result=low)
    near = {"divergence": 0.00003, "divergence_error": 1e-6, "above_floor": 0.0145}
    leave(tmp_path / "near", optimizer={"lr": 2}, loss=(0.7, 0.469), result=near)
    seen = reported(tmp_path)
    assert [row[0] for row in seen.tables["settings"][-2:]] == ["lr 2", "lr 1"]
    assert "Best run: near, 3e-05 from the exact law (standard error 1e-06)." in seen.words
    assert "Worst run: low, 0.0200 from the exact law (standard error 1e-05)." in seen.words


def test_results_of_older_versions_are_ranked_by_what_they_have(tmp_path):
    """They know neither how far a network is from the exact law nor what it stands on."""
    for name, loss in (("near", 0.46), ("far", 0.47)):
        old = {**GONE, "loss": loss, "above_floor": loss - 0.4545, "standard_error": 0.0006}
        leave(tmp_path / name, optimizer={"lr": loss}, loss=(0.7, loss), result=old)
    seen = reported(tmp_path)
    assert "Best run: near, 0.0055 from the exact law (standard error 0.0006)." in seen.words
    assert "knows" not in seen.words
    assert seen.row("lr 0.46")[2:-1] == ["0.0055s.e. 0.0006", *["0%at 10"] * 3, "100%"]
    assert seen.tables["settings"][1][-2] == "not measured"
    assert "from the exact law; 1 not measured" in table(read_sweep(tmp_path))
    assert lossladder.results(tmp_path)["divergence"].tolist() == pytest.approx([0.0155, 0.0055])


# --- where runs stand -------------------------------------------------------------------------

SIDES = [Rung(side, 0.55, f"the {side}") for side in ("left", "right")]
KNOWN = [Rung("none", 0.6616, "nothing"), *SIDES, Rung("both", 0.4545, "both")]


def stood(folder: Path, *results: dict[str, Any]) -> Seen:
    """The report of seeds of one setting, each with such a result."""
    for seed, result in enumerate(results):
        leave(folder / f"{seed}", rungs=KNOWN, seed=seed, loss=(0.7, 0.5), result=result)
    return reported(folder)


def test_knowledge_is_told_only_of_a_rung_that_runs_stand_on(tmp_path):
    words = stood(tmp_path / "on", on("left")).words
    assert "from the exact law, on “left”: knows the left." in words
    words = stood(tmp_path / "either", on("left or right")).words
    assert "from the exact law, on “left or right”: knows the left or the right." in words
    words = stood(tmp_path / "between", {**between("left"), "share": 0.834}).words
    told = "between, past “left” in loss, 83 % of what can be known."
    assert f"from the exact law, {told}" in words
    assert "knows" not in words
    for place in ("above the ceiling", "below the floor"):
        off = {"standing": place.replace(" the ", "_"), "stands_on": None}
        words = stood(tmp_path / place, off).words
        assert f"from the exact law, {place}." in words
        assert "knows" not in words


def test_who_passed_a_rung_in_loss_is_not_counted_on_it(tmp_path):
    half = ({**between("left"), "share": 0.5}, {**between("both"), "share": 0.7})
    seen = stood(tmp_path, on("both"), on("left or right"), *half, {"status": "diverged", **GONE})
    head, row = seen.tables["settings"][1], seen.row("rnn")
    cells = dict(zip(head[3:-1], row[3:-1], strict=True))
    assert cells == {
        **dict.fromkeys(("none0.6616", "left0.5500", "right0.5500"), "0%at 10"),
        "both0.4545": "20%at 10",
        "left or right": "20%",
        "between": "40%60% known",
        "diverged": "20%",
    }
    assert "1 of 5 seeds on “both”: knows the both." in seen.words
    (line,) = (line for line in table(read_sweep(tmp_path)).splitlines() if line[:3] == "rnn")
    assert "; 1 on both; 1 on left or right; 1 between, past left, 50 % of what can be kn" in line


# --- what networks use ------------------------------------------------------------------------

ERROR = {"variation_error": 0.001}


def used(*effects: float, truth: tuple[float, ...]) -> dict[str, Any]:
    """Keys of a result that uses inputs now, 1 back, … so much, of what there is to use."""
    return {
        "uses": [
            {"lag": lag, "effect": effect, "true_effect": true, "effect_error": 0.001}
            | {"variation": abs(effect), "true_variation": abs(true), **ERROR}
            for lag, (effect, true) in enumerate(zip(effects, truth, strict=True))
        ]
    }


def heights(seen: Seen, kind: str) -> list[list[tuple[int, int]]]:
    """Of each setting, the bars of a kind: place across, and height in thousandths, up or down."""
    paths = [attrs["d"] or "" for tag, attrs in seen.tags if attrs.get("class") == kind]
    bars = [re.findall(r"M(\d+) (\d+)V(\d+)H(\d+)", path) for path in paths]
    return [
        [((int(left) + int(right)) // 2, int(start) - int(end)) for left, start, end, right in each]
        for each in bars
    ]


def test_bars_are_what_each_input_changes_beside_the_truth(tmp_path):
    truth = (0.0, 0.5, -0.25)
    for seed, now in enumerate((0.1, -0.1)):
        result = used(now, 0.2 + 0.4 * now, -0.05, truth=truth)
        leave(tmp_path / f"{seed}", seed=seed, result=result)
    leave(tmp_path / "2", seed=2, result={"status": "failed", **used(9, 9, 9, truth=truth)})
    seen = reported(tmp_path)
    ((x, up), (y, down)) = heights(seen, "true")[0]
    assert (x, y) == (500, 833)  # now there is nothing to use
    assert up / down == pytest.approx(-2, rel=0.01)
    bars = dict(heights(seen, "used")[0])
    assert bars == {500: pytest.approx(0.4 * up, abs=2), 833: pytest.approx(0.2 * down, abs=2)}
    spread = dict(heights(seen, "spread")[0])  # from seed to seed
    assert {at: abs(size) for at, size in spread.items()} == {
        167: pytest.approx(0.4 * up, abs=2),
        500: pytest.approx(0.16 * up, abs=2),
    }
    assert "input 1 back: +0.20 of +0.50 · 2 back: -0.05 of -0.25" in seen.words
    assert "How much likelier a one is predicted" in seen.words


def test_where_no_sign_tells_bars_are_of_any_change(tmp_path):
    """A bit of a parity turns the answer half of the time to a one, and half of it to a zero."""
    use = {"lag": 0, "effect": -0.3, "true_effect": 0.05, "variation": 0.4, "true_variation": 1.0}
    leave(tmp_path / "0", result={"uses": [{**use, **ERROR}]})
    seen = reported(tmp_path)
    ((_, true),), ((_, bar),) = heights(seen, "true")[0], heights(seen, "used")[0]
    assert bar / true == pytest.approx(0.4, rel=0.01)
    assert heights(seen, "spread") == [[]]  # of a single seed
    assert "input now: 0.40 of 1.00" in seen.words
    assert "How much of the prediction changes" in seen.words


def test_a_law_that_says_nothing_has_no_outline(tmp_path):
    unknown = {"lag": 2, "variation": 0.4, "true_variation": None, **ERROR}
    leave(tmp_path / "0", result={"uses": [unknown]})
    seen = reported(tmp_path)
    assert heights(seen, "true") == [[]]
    assert len(heights(seen, "used")[0]) == 1
    assert "input 2 back: 0.40" in seen.words


def test_what_uses_nothing_is_told_so_and_what_tells_nothing_has_no_panel(tmp_path):
    leave(tmp_path / "none" / "0", result=used(0.001, truth=(0.0,)))
    assert "no input changes its predictions" in reported(tmp_path / "none").words
    for number, uses in enumerate(([], [{}], [{"lag": 1}], None)):
        leave(tmp_path / "odd" / f"{number}", seed=number, result={"uses": uses})
    seen = reported(tmp_path / "odd")
    assert "What it uses" not in seen.words
    assert "4 done" in seen.words


def test_the_settings_in_colour_show_what_they_use(tmp_path):
    for number in range(9):
        leave(tmp_path / f"{number}", optimizer={"lr": number}, loss=(0.7, 0.46 + number / 100),
              result=used(0.1, truth=(0.5,)))  # fmt: skip
    seen = reported(tmp_path)
    panels = seen.words.partition("What it uses")[2].partition("9 settings")[0]
    assert [n for n in range(9) if f"lr {n}" in panels] == [0, 1, 2, 3, 4, 5, 6]


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    leave(tmp_path / "0")
    before = write_report(tmp_path).read_text()
    (tmp_path / "report.csv").write_text("as it was")
    monkeypatch.setattr(pages, "write_csv", lambda sweep, out: out.write_text("half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path)
    assert (tmp_path / "report.csv").read_text() == "as it was"
    assert (tmp_path / "report.html").read_text() == before
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"0", "report.csv", "report.html", "report.png"}
    monkeypatch.undo()
    replaced = (tmp_path / "report.html").stat().st_ino
    write_report(tmp_path)
    assert (tmp_path / "report.html").stat().st_ino != replaced
    mask = os.umask(0)
    os.umask(mask)
    for name in ("html", "csv", "png"):  # others can read them, as they can any new file
        mode = (tmp_path / f"report.{name}").stat().st_mode
        assert stat.S_IMODE(mode) == 0o666 & ~mask


def test_a_report_is_made_without_torch_which_takes_longer_to_load(tmp_path):
    leave(tmp_path / "0")
    script = "import sys; from lossladder.cli.report import main; main(sys.argv[1:]); "
    ask = (sys.executable, "-c", f"{script} sys.exit('torch' in sys.modules)", str(tmp_path))
    subprocess.run(ask, check=True, capture_output=True)


def test_more_reasons_than_are_named_are_counted_as_reasons(tmp_path):
    for number in range(53):
        failed = {"status": "failed", "why": f"Error: {min(number, 51)}", **GONE}
        leave(tmp_path / f"{number}", seed=number, result=failed)
    assert "and 2 more reasons, of 2 runs: see report.csv" in reported(tmp_path).words
    said = table(read_sweep(tmp_path)).splitlines()
    assert sum(line.startswith("failed  Error: ") for line in said) == 10
    assert "and 42 more reasons" in said


def test_a_run_that_ended_worse_than_it_began_says_why_it_counts_as_diverged(tmp_path):
    why = "the validation loss ended at 40.1; before the first update the loss was 0.71"
    leave(tmp_path / "high", result={"status": "diverged", "why": why, **GONE})
    leave(tmp_path / "gone", seed=1, result={"status": "diverged", **GONE})
    words, said = reported(tmp_path).words, table(read_sweep(tmp_path))
    assert "Diverged (2)" in words
    assert f"{why}1: high after 300 updates" in words
    assert f"diverged  {why}\n  high" in said
    assert "no number or hopelessly large1: gone after 300 updates" in words


def test_the_cells_of_a_rung_are_explained_above_them(tmp_path):
    leave(tmp_path / "0")
    seen = reported(tmp_path)
    (head,) = (row for row in seen.rows if any("stands there" in cell for cell in row))
    assert (
        head[-2] == "share that stands thereat: median update at which the training loss passed it"
    )
    (span,) = (attrs["colspan"] for tag, attrs in seen.tags if attrs.get("scope") == "colgroup")
    assert span == "3"


def test_a_report_that_cannot_be_written_stops_nothing(tmp_path):
    leave(tmp_path / "0")
    (tmp_path / "report.html").mkdir()
    said = summed_up(tmp_path, "", lambda path: path.relative_to(tmp_path)).splitlines()
    assert "report  cannot be written: report.html: Is a directory" in said
    assert said[-1].startswith("look   tensorboard")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


FIRST, SECOND = f"{1:012x}", f"{2:012x}"


def test_commands_are_all_told_and_jobs_without_a_folder_are_not_begun(tmp_path):
    leave(tmp_path / f"seed-0-{FIRST}")
    leave(tmp_path / f"seed-1-{SECOND}", seed=1, result={"status": "interrupted", **GONE})
    asked(
        tmp_path,
        *({"command": f"python train.py -m seed={n}", "jobs": [f"{n:012x}"]} for n in (1, 2)),
        "{torn",
        "[]",
        {"command": 3, "jobs": []},
        {"command": "python train.py -m seed=9", "jobs": "many"},
        {"command": "python train.py -m seed=1", "jobs": [FIRST]},
        {"command": "python train.py -m seed=3,4", "jobs": [f"{n:012x}" for n in (2, 3, 4)]},
    )
    (tmp_path / f"seed-4-{4:012x}").mkdir()  # its run has left nothing
    seen = reported(tmp_path)
    told = "".join(f"python train.py -m seed={n}" for n in ("2", "1", "3,4"))
    assert told in seen.words
    assert seen.words.count("train.py") == 3
    assert "1 interrupted2 not begun" in seen.words
    assert "Not begun: 2 of the 4 runs that were asked for" in seen.words
    said = table(read_sweep(tmp_path)).splitlines()
    assert said[-2:] == ["2 of 4 runs not begun", CUT_OFF]


def test_jobs_that_were_not_begun_are_offered_again(tmp_path):
    leave(tmp_path / f"seed-0-{FIRST}")
    asked(tmp_path, {"command": "python train.py -m seed=0,1", "jobs": [FIRST, SECOND]})
    assert table(read_sweep(tmp_path)).splitlines()[-1] == CUT_OFF


def test_of_many_commands_the_last_five_are_told(tmp_path):
    leave(tmp_path / f"0-{FIRST}")
    asked(tmp_path, *({"command": f"command {n}.", "jobs": [FIRST]} for n in range(7)))
    words = reported(tmp_path).words
    assert [n for n in range(7) if f"command {n}." in words] == [2, 3, 4, 5, 6]
    assert "2 earlier commands" in words


def test_without_the_record_the_command_is_that_of_hydra(tmp_path):
    leave(tmp_path / "0")
    overrides = {"hydra": [], "task": ["seed=0,1"]}
    (tmp_path / "multirun.yaml").write_text(json.dumps({"hydra": {"overrides": overrides}}))
    asked(tmp_path, "{torn")
    assert "python train.py -m seed=0,1" in reported(tmp_path).words
    assert "not begun" not in Seen(tmp_path / "report.html").words


# --- best, worst, and no difference -----------------------------------------------------------

SPREAD = (-0.0015, -0.0005, 0.0005, 0.0015)  # of four seeds: deviation 0.0013, of the mean 0.00065


def words_on(folder: Path, error: float, **away: float | tuple[float, ...]) -> str:
    """The words on settings, each with its divergences, a standard error in each."""
    for name, losses in away.items():
        for seed, loss in enumerate(losses if isinstance(losses, tuple) else (losses,)):
            names, result = {"task": "echo", "model": name}, {"divergence_error": error}
            curve = (0.7, ECHO[-1].loss + loss)
            leave(folder / f"{name}-{seed}", seed=seed, loss=curve, names=names, result=result)
    return reported(folder).words


def spread(mean: float) -> tuple[float, ...]:
    return tuple(mean + away for away in SPREAD)


def test_settings_are_ranked_where_they_differ_by_more_than_the_standard_error(tmp_path):
    words = words_on(tmp_path / "near", 0.0001, low=spread(0.0100), near=spread(0.0107))
    said = "2 settings: 0.0100 (low) to 0.0107 (near) from the exact law, 0.0007 apart"
    assert f"No difference seen between {said}, with a standard error of 0.0009." in words
    assert "Best: " not in words
    assert "Worst: " not in words
    words = words_on(tmp_path / "far", 0.0001, low=spread(0.0100), far=spread(0.0110))
    assert "Best: low ends 0.0100 ± 0.0013 nats" in words
    assert "Worst: far ends 0.0110 ± 0.0013 nats" in words
    assert "between 2 settings" not in words


def test_few_seeds_that_agree_by_chance_differ_by_no_less_than_their_sampling_error(tmp_path):
    words = words_on(tmp_path / "near", 0.004, low=(0.01,) * 4, near=(0.0125,) * 4)
    assert "No difference seen between 2 settings" in words  # 0.0025 apart, each mean ± 0.002
    assert "0.0025 apart, with a standard error of 0.0028." in words
    words = words_on(tmp_path / "far", 0.004, low=(0.01,) * 4, far=(0.0130,) * 4)
    assert "Best: low" in words


def test_single_runs_are_held_against_their_sampling_errors(tmp_path):
    words = words_on(tmp_path / "near", 0.0006, low=0.0100, near=0.0108)
    for noun, names in (("settings", ("low", "near")), ("runs", ("low-0", "near-0"))):
        first, last = names
        said = f"0.0100 ({first}) to 0.0108 ({last}) from the exact law, 0.0008 apart"
        assert f"No difference seen between 2 {noun}: {said}" in words
    assert "Best" not in words
    words = words_on(tmp_path / "far", 0.0006, low=0.0100, far=0.0109)
    assert "Best: low ends" in words
    assert "Best run: low-0, 0.0100 from the exact law (standard error 0.0006)." in words
    assert "Worst run: far-0" in words


def test_what_does_not_differ_from_the_best_is_told_beside_it(tmp_path):
    near = {f"near{n}": 0.0101 for n in range(4)}
    words = words_on(tmp_path, 0.0006, low=0.0100, **near, far=0.0200)
    alike = "No difference seen from near0, near1, near2 and 1 more."
    assert f"{alike} It has one seed, and seeds may differ by more.Worst: far" in words
    assert "No difference seen from near0-0, near1-0, near2-0 and 1 more.Worst run: far-0" in words


def test_the_tables_praise_nothing(tmp_path):
    words = words_on(tmp_path, 0.0006, low=0.0100, near=0.0101)
    assert not re.search("best|worst", words, flags=re.IGNORECASE)
    assert "2 settings, nearest to the exact law first" in words


# --- a table for spreadsheets -----------------------------------------------------------------

FORMULA = '=HYPERLINK("http://evil","click")'


def test_a_spreadsheet_finds_no_formula_in_the_table(tmp_path):
    words = (FORMULA, "+1+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "plain", "-0.5", "+0.25")
    for number, word in enumerate(words):
        rungs = [Rung("=none", 0.7), Rung("all", 0.4)]
        result = {**on("=none"), "above_floor": -0.001}
        leave(tmp_path / f"={number}", rungs=rungs, optimizer={"=lr": word}, result=result)
    write_report(tmp_path)
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = [*csv.reader(file)]
    assert rows[0][0] == "optimizer.=lr"
    cells = {row[0] for row in rows[1:]}
    assert cells == {*(f"'{word}" for word in words[:6]), "plain", "-0.5", "0.25"}
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or float(cell) < 0  # numbers stay numbers
    table = lossladder.results(tmp_path)
    assert set(table["optimizer.=lr"]) == {*words[:7], -0.5, 0.25}  # as they are
    assert set(table["rung"]) == {"=none"}


# --- across ladders ---------------------------------------------------------------------------


def rungs_at(floor: float, ceiling: float = 0.7) -> list[Rung]:
    return [Rung("none", ceiling), Rung("half", (floor + ceiling) / 2), Rung("all", floor)]


def over_ladders(folder: Path, key: str, values: tuple[object, ...]) -> Path:
    """Two seeds for each value of a key of the task, and of two networks; each has a floor."""
    for number, value in enumerate(values):
        floor = 0.3 + number / 10
        for model, seed in product(("rnn", "gru"), (0, 1)):
            away = 0.01 * (number + 1) + 0.002 * seed + (0.02 if model == "gru" else 0)
            leave(
                folder / f"{number}-{model}-{seed}",
                rungs=rungs_at(floor),
                loss=(0.7, floor + away),
                seed=seed,
                names={"task": "echo", "model": model},
                task_keys={key: value},
                result=on("all" if away < 0.02 else "half"),
            )
    return folder


def test_a_sweep_over_keys_of_a_task_has_one_table_across_its_ladders(tmp_path):
    seen = reported(over_ladders(tmp_path, "base", (0.3, 0.4, 0.6)))
    assert "Settings across 3 ladders" in seen.words
    head, *rows = seen.tables["across"]
    assert head == ["task.base", "model", "floor", "ceiling", "from the exact law", "share",
                    "stands", "seeds"] or head[:2] == ["model", "task.base"]  # fmt: skip
    assert len(rows) == 6
    cells = {(row[head.index("task.base")], row[head.index("model")]): row[2:] for row in rows}
    assert [*cells] == sorted(cells, key=lambda pair: pair[::-1] if head[0] == "model" else pair)
    assert cells["0.3", "rnn"] == ["0.3000", "0.7000", "0.0110 ± 0.0014", "97.2%", "2 on all", "2"]
    assert cells["0.6", "gru"] == ["0.5000", "0.7000", "0.0510 ± 0.0014", "74.5%", "2 on half", "2"]
    assert "echo, base 0.4, floor 0.4000:" in seen.words
    assert "Training on echo, base 0.6, over its ladder" in seen.words


def test_the_outcome_is_drawn_against_the_key_that_was_varied(tmp_path):
    """Of many ladders a key of the task, of one ladder the only key that is a number."""
    seen = reported(over_ladders(tmp_path / "ladders", "base", (0.3, 0.4, 0.6)))
    figures = [attrs["class"] for tag, attrs in seen.tags if tag == "figure"]
    assert figures == ["outcome", "curves", "curves", "curves"]
    dots = [attrs["d"] for _, attrs in seen.tags if attrs.get("class") == "seed dot"]
    assert [(d or "").count("M") for d in dots] == [6, 6, 6, 6]  # two networks, on two axes
    for number, lr in enumerate((0.1, 0.2, 0.4)):
        leave(tmp_path / "one" / f"{number}", optimizer={"lr": lr})
        config = {"optimizer": {"lr": lr, "eps": number}, "model": {"size": number % 2}}
        leave(tmp_path / "two" / f"{number}", **config)
        leave(tmp_path / "words" / f"{number}", names={"task": "echo", "model": f"net{number}"})
    assert "Divergence from the exact law by optimizer.lr" in reported(tmp_path / "one").words
    for folder in ("words", "two"):
        seen = reported(tmp_path / folder)
        assert "outcome" not in [attrs.get("class") for _, attrs in seen.tags]


def test_tasks_of_other_units_share_no_axis(tmp_path):
    tasks(tmp_path)
    assert "outcome" in [attrs.get("class") for _, attrs in reported(tmp_path).tags]
    names = {"task": "worked_example", "model": "mlp"}
    result = {"unit": "half squared error"}
    leave(tmp_path / "2", rungs=OTHER, task="worked_example", names=names, result=result)
    seen = reported(tmp_path)
    assert "outcome" not in [attrs.get("class") for _, attrs in seen.tags]
    assert len(seen.tables["across"]) == 4


def test_runs_that_no_picture_of_outcomes_can_show_are_counted(tmp_path):
    for number, lr in enumerate((0.1, 0.2, 0.4)):
        leave(tmp_path / f"{number}", optimizer={"lr": lr})
    leave(tmp_path / "3", optimizer={"lr": 9}, result={"status": "diverged", **GONE})
    leave(tmp_path / "4", optimizer={"lr": 0.4}, seed=1, result={"status": "failed", **GONE})
    assert "2 runs without a divergence: not drawn." in reported(tmp_path).words


# --- the size of the page ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_of_a_thousand_runs_stays_below_a_megabyte_and_a_half(tmp_path):
    """Two hundred settings on eight ladders of twelve rungs, five seeds each."""
    updates = np.unique(np.geomspace(1, 1e5, 300).astype(int)).tolist()
    noise = np.random.default_rng(0).normal(0, 0.01, len(updates))
    loss = (0.72 - 0.02 * np.log(updates) + noise).round(6).tolist()
    rungs = [*(Rung(f"rung number {n}", 0.7 - n / 50) for n in range(11)), Rung("all", 0.4321)]
    result = {
        "curve": {"updates": updates, "loss": loss},
        "divergence_error": 0.001,
        "uses": "USES",
    }
    every = json.dumps(used(*np.linspace(-1, 1, 20), truth=(*np.linspace(-0.9, 1, 20),))["uses"])
    keys = {"task_keys": {"floor": "FLOOR"}, "optimizer": {"lr": "LR"}}
    first = leave(tmp_path / "first", rungs=rungs, seed=99, result=result, **keys)
    files = [(first / name).read_text() for name in ("config.yaml", "result.json")]
    shutil.rmtree(first)
    for number in range(1000):
        setting, seed = divmod(number, 5)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for name, text in zip(("config.yaml", "result.json"), files, strict=True):
            said = text.replace("FLOOR", f"{setting % 8}").replace("LR", f"{setting}")
            said = said.replace("0.4321", f"0.4{setting % 8}").replace("seed: 99", f"seed: {seed}")
            # a panel has the size that it has, whatever the seeds
            said = said.replace('"USES"', "[]" if seed else every)
            (folder / name).write_text(said)
    page = write_report(tmp_path)
    assert page.stat().st_size < 1_500_000
    seen = Seen(page)
    assert "1,000 runs: 200 settings, 5 seeds." in seen.words
    assert len(seen.tables["across"]) == 201
    assert sum(attrs.get("class") == "curves" for _, attrs in seen.tags) == 6
    assert "2 more ladders: see report.csv." in seen.words
    assert len(heights(seen, "used")) == 6 * 7
