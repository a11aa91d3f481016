"""Callbacks and loggers of one's own: they see every run, alone or together, and change none."""

import csv
import json
import re
from pathlib import Path

import pytest

from doors import Door

SHORT = ("trainer.max_epochs=null", "trainer.max_steps=120", "trainer.progress=false")
SMALL = ("data.batch_size=20", "data.stream_steps=300", "trainer.validate_every=50")
WORDS = (*SHORT, *SMALL, "engine=fused")


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setenv("LOSSLADDER_PACKAGES", "watching")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def results(folder: Path) -> dict[str, dict]:
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.rglob("result.json")}
    for result in found.values():
        for key in ("seconds", "training_seconds", "steps_per_second"):
            del result[key]
    return found


def diary(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "diary").read_text().splitlines()]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("words", [(), ("-m", "seed=0,1")], ids=["alone", "together"])
def test_a_csv_file_has_the_curves_of_the_run_and_changes_nothing(train: Door, tmp_path, words):
    folders = {}
    for name in ("csv", "none"):
        folders[name] = tmp_path / name
        to = f"hydra.run.dir={folders[name] / 'run'}", f"hydra.sweep.dir={folders[name]}"
        assert train(*words, *WORDS, f"callbacks={name}", *to).code == 0
    assert results(folders["csv"]) == results(folders["none"])
    for run, result in results(folders["csv"]).items():
        with (folders["csv"] / run / "csv/metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        curve = [(int(row["step"]), float(row["echo/loss"])) for row in rows if row["echo/loss"]]
        assert curve == list(zip(*result["curve"].values(), strict=True))
        (verdict,) = [row for row in rows if row["verdict/loss"]]
        assert float(verdict["verdict/loss"]) == result["loss"]


def test_a_callback_of_ones_own_sees_each_member_as_it_would_see_it_alone(
    train: Door, tmp_path, own
):
    target = "+callbacks.diary._target_=watching.Diary"
    words = ("-m", *WORDS, target, "seed=0,1")
    assert train(*words, f"hydra.sweep.dir={tmp_path / 'together'}").code == 0
    assert train(*words, "launch=here", f"hydra.sweep.dir={tmp_path / 'alone'}").code == 0
    runs = [path.parent for path in (tmp_path / "together").glob("*/diary")]
    assert len(runs) == 2
    for run in runs:
        seen, alone = diary(run), diary(tmp_path / "alone" / run.name)
        assert [(line["hook"], line["updates"]) for line in seen] == [
            (line["hook"], line["updates"]) for line in alone
        ]
        assert [line["score"] for line in seen if line["hook"] == "validation"] == pytest.approx(
            [line["score"] for line in alone if line["hook"] == "validation"], abs=1e-5
        )


@pytest.mark.slow
def test_a_callback_stops_no_member_and_takes_no_other_run_with_it(
    train: Door, tmp_path, own, monkeypatch
):
    monkeypatch.setenv("RUDE", "1")
    words = ("-m", *WORDS, "seed=0,1,2")
    rude = "+callbacks.diary._target_=watching.Diary"
    assert train(*words, rude, f"hydra.sweep.dir={tmp_path / 'rude'}").code == 0
    assert {result["steps"] for result in results(tmp_path / "rude").values()} == {120}
    careless = "+callbacks.own._target_=watching.Careless"
    assert train(*words, careless, f"hydra.sweep.dir={tmp_path / 'careless'}").code == 1
    status = {r["seed"]: (r["status"], r["why"]) for r in results(tmp_path / "careless").values()}
    assert status[1] == ("failed", "RuntimeError: careless")
    assert status[0][0] == status[2][0] == "done"


@pytest.mark.slow
def test_the_callback_of_the_docs_is_one(train: Door, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs/callbacks.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "norms_of_docs.py").write_text(source)
    monkeypatch.setenv("LOSSLADDER_PACKAGES", "norms_of_docs")
    monkeypatch.syspath_prepend(str(tmp_path))
    norms = "+callbacks.norms._target_=norms_of_docs.WeightNorms"
    assert train("-m", *WORDS, norms, "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}").code == 0
    for run in results(tmp_path / "sweep"):
        rows = (tmp_path / "sweep" / run / "norms.csv").read_text().splitlines()
        updates = [int(row.split(",")[0]) for row in rows]
        assert updates == sorted({*updates})
        assert updates[-1] == 120


@pytest.mark.slow
def test_who_watches_a_run_makes_it_no_other_run(train: Door, tmp_path):
    words = ("-m", *WORDS, "seed=0,1", f"hydra.sweep.dir={tmp_path}")
    train(*words)
    assert "2 of 2 runs were done before" in train(*words, "callbacks=csv").out
