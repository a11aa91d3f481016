"""The page in a browser: what the pointer and the keys find, and what holds without scripts."""

import re
from collections.abc import Iterator
from math import log10
from pathlib import Path

import numpy as np
import pytest

from left_runs import ECHO, GONE, leave, on
from lossladder.report.page import write_report
from lossladder.runs.result import RungRecord as Rung
from tensorboard_server import Page, chromium

HIGH = (0.7, 0.68, 0.66, 0.65, 0.64)
MIDDLE = 'document.querySelector("figure.curves .plot").scrollIntoView({block: "center"})'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two learning rates with three seeds each, and one that diverged."""
    sweep = tmp_path_factory.mktemp("logs") / "sweep"
    for seed in range(3):
        loss = (0.7, 0.6, 0.52 + seed / 1000, 0.5, 0.46 + seed / 100)
        leave(sweep / f"low-{seed}", seed=seed, loss=loss, optimizer={"lr": 0.1})
        high = on("none")
        leave(sweep / f"high-{seed}", seed=seed, loss=HIGH, optimizer={"lr": 0.01}, result=high)
    gone = {"status": "diverged", **GONE}
    leave(sweep / "gone", loss=(0.7, 0.9), optimizer={"lr": 9}, result=gone)
    return write_report(sweep)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("pictures")) as page:
        page.page.set_viewport_size({"width": 1100, "height": 900})
        yield page


@pytest.fixture
def seen(page, browser):
    """The page, freshly opened, with its picture of curves in sight."""
    browser.page.goto(page.as_uri())
    browser.page.evaluate(MIDDLE)
    return browser.page


def marks(seen, plot: str, what: str) -> dict[str, float]:
    """Where words of an axis stand: words -> pixels from the edge of the plot."""
    return seen.evaluate(
        """([plot, what]) => {
            const box = document.querySelector(plot).getBoundingClientRect();
            return Object.fromEntries([...document.querySelectorAll(`${plot} > ${what}`)].map(t => {
                const at = t.getBoundingClientRect();
                return [t.textContent, what.includes("end") ? (at.top + at.bottom) / 2 - box.top
                                                            : (at.left + at.right) / 2 - box.left];
            }));
        }""",
        [plot, what],
    )


def line(points: dict[float, float]) -> tuple[float, float]:
    """Slope and offset of an axis, from its ticks."""
    slope, offset = np.polyfit(list(points), list(points.values()), 1)
    return float(slope), float(offset)


LINEAR, LOG = "figure.curves .plot:first-child", "figure.curves .plot:last-of-type"


def where(seen, update: int, loss: float) -> tuple[float, float]:
    """Pixels of a point of the picture, read off its axes as a person does."""
    across = {
        log10(int(t.replace(",", ""))): x for t, x in marks(seen, LINEAR, ".mid.tick").items()
    }
    up = {float(t): y for t, y in marks(seen, LINEAR, ".end.tick").items()}
    box = seen.locator("figure.curves .plot").first.bounding_box()
    (a, b), (c, d) = line(across), line(up)
    return box["x"] + a * log10(update) + b, box["y"] + c * loss + d


def ends(seen, path: str) -> list[float]:
    """Where visible curves end: losses, read off the axis."""
    heights = seen.evaluate(
        """path => [...document.querySelectorAll(path)].filter(p => p.getClientRects().length)
            .map(p => p.getPointAtLength(p.getTotalLength()).y)""",
        path,
    )
    box = seen.locator(LINEAR).bounding_box()
    slope, offset = line({float(t): y for t, y in marks(seen, LINEAR, ".end.tick").items()})
    return [(at * box["height"] / 1000 - offset) / slope for at in heights]


def tip(seen) -> list[str]:
    return seen.locator("figure.curves .tip").inner_text().splitlines()


def test_the_pointer_finds_the_values_of_a_curve(seen):
    for update, loss, said in (
        (50, 0.521, ["lr 0.1", "updates 50", "loss 0.5210", "nearest rung: lag 3 (0.0018 above)"]),
        (300, 0.47, ["lr 0.1", "updates 300", "loss 0.4700",
                     "nearest rung: lags 3 and 8 (0.0155 above)"]),
        (20, 0.68, ["lr 0.01", "updates 20", "loss 0.6800", "nearest rung: none (0.0184 above)"]),
    ):  # fmt: skip
        x, y = where(seen, update, loss)
        seen.mouse.move(x + 3, y + 3)
        assert tip(seen) == said
        mark = seen.locator("figure.curves .mark").bounding_box()
        assert (mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2) == pytest.approx(
            (x, y), abs=1.5
        )
    seen.mouse.move(5, 5)
    assert seen.locator("figure.curves .tip").is_hidden()


def test_the_keys_find_them_as_well(seen):
    plot = seen.locator("figure.curves .plot").first
    plot.focus()
    plot.press("ArrowRight")
    assert tip(seen)[:2] == ["lr 0.1", "updates 10"]
    plot.press("ArrowRight")
    plot.press("ArrowDown")
    assert tip(seen) == [
        "lr 0.01",
        "updates 20",
        "loss 0.6800",
        "nearest rung: none (0.0184 above)",
    ]
    plot.press("Escape")
    assert seen.locator("figure.curves .tip").is_hidden()


def test_a_setting_is_clicked_away_and_back(seen):
    names = seen.locator("figure.curves .legend button")
    assert names.all_inner_texts() == ["lr 0.1", "lr 0.01", "lr 9"]
    curve = f"{LINEAR} .c0 .median"
    x, y = where(seen, 50, 0.521)
    names.first.press("Enter")  # a button like any other
    assert names.first.get_attribute("aria-pressed") == "false"
    assert ends(seen, curve) == []
    seen.mouse.move(x, y)
    assert tip(seen)[0] != "lr 0.1"
    names.first.click()
    assert names.first.get_attribute("aria-pressed") == "true"
    assert len(ends(seen, curve)) == 1


def test_single_seeds_are_shown_in_place_of_the_band(seen):
    assert ends(seen, f"{LINEAR} .seed") == []
    assert len(ends(seen, f"{LINEAR} .c0 .band")) == 1
    seen.locator("figure.curves [data-shows=seeds]").click()
    assert ends(seen, f"{LINEAR} .c0 .seed") == pytest.approx([0.46, 0.47, 0.48], abs=0.001)
    assert ends(seen, f"{LINEAR} .c0 .median") == pytest.approx([0.47], abs=0.001)
    assert ends(seen, f"{LINEAR} .c0 .band") == []


def test_the_other_axis_is_that_of_the_logarithm_of_loss_minus_floor(seen):
    assert seen.locator(LOG).is_hidden()
    seen.locator("figure.curves [data-shows=log]").click()
    assert seen.locator(LINEAR).is_hidden()
    ticks = {log10(float(t)): y for t, y in marks(seen, LOG, ".end.tick").items()}
    assert len(ticks) > 3
    slope, offset = line(ticks)
    assert [slope * at + offset for at in ticks] == pytest.approx(list(ticks.values()), abs=1)
    box = seen.locator(LOG).bounding_box()
    rungs = seen.evaluate(
        "path => [...document.querySelectorAll(path)].map(p => [p.dataset.name, p.getBBox().y])",
        f"{LOG} .inside .rung",
    )
    losses = {rung.name: rung.loss for rung in ECHO}
    assert [name for name, _ in rungs] == ["none", "lag 3"]  # the floor is infinitely far down
    for name, at in rungs:
        expected = slope * log10(losses[name] - 0.4545) + offset
        assert at * box["height"] / 1000 == pytest.approx(expected, abs=1)
    seen.mouse.move(box["x"] + box["width"] - 12, box["y"] + box["height"] - 5)
    assert tip(seen)[:3] == ["lr 0.1", "updates 300", "loss 0.4700"]  # and the values are the same
    assert seen.locator(f"{LOG} > .name").first.text_content() == "loss − floor, nats a step"


def column(seen, place: int) -> list[str]:
    return seen.locator(f"table.settings tbody tr > :nth-child({place})").all_inner_texts()


def test_every_table_is_sorted_by_any_column(seen):
    heads = seen.locator("table.settings thead tr:last-child th")
    away = heads.nth(2)
    assert seen.locator("table.settings [aria-sort]").count() == 0
    away.locator("button").click()
    assert away.get_attribute("aria-sort") == "ascending"
    assert column(seen, 1) == ["lr 0.1", "lr 0.01", "lr 9"]
    away.locator("button").press("Enter")
    assert away.get_attribute("aria-sort") == "descending"
    assert column(seen, 1) == ["lr 0.01", "lr 0.1", "lr 9"]  # what has no loss stays last
    heads.nth(0).locator("button").click()
    assert column(seen, 1) == ["lr 0.01", "lr 0.1", "lr 9"]
    assert seen.locator("table.settings [aria-sort]").count() == 1
    heads.nth(1).locator("button").click()
    assert [seeds.split()[0] for seeds in column(seen, 2)] == ["1", "3", "3"]
    for table in seen.locator("table").all():
        last = table.locator("thead tr").last
        assert last.locator("th").count() == last.locator("th > button").count() > 0


def test_without_scripts_nothing_is_missing(page, browser):
    home = browser.page.context.browser
    context = home.new_context(java_script_enabled=False, viewport={"width": 1100, "height": 900})
    try:
        plain = context.new_page()
        plain.goto(page.as_uri())
        assert plain.locator("button:visible").count() == 0  # none that would do nothing
        assert plain.locator(LINEAR).is_visible()
        assert plain.locator(LOG).is_hidden()
        for place in range(2):
            assert plain.locator(f"{LINEAR} .c{place} .median").bounding_box()["height"] > 10
        words = plain.locator("body").inner_text()
        for said in (
            "Best: lr 0.1",
            "0.0155 ± 0.0100",
            "lags 3 and 8 0.4545",
            "100%",
            "1 diverged",
        ):
            assert said in words
        plain.emulate_media(media="print")
        assert plain.locator(LINEAR).is_visible()
    finally:
        context.close()


def test_on_paper_there_are_no_buttons_and_no_table_is_cut(seen):
    seen.emulate_media(media="print")
    try:
        assert seen.locator(".tools").first.is_hidden()
        overflow = "getComputedStyle(document.querySelector('.scroll')).overflowX"
        assert seen.evaluate(overflow) == "visible"
    finally:
        seen.emulate_media(media="screen")


def test_a_ladder_of_many_rungs_fits_on_paper(browser, tmp_path):
    rungs = [Rung(f"last {n}", 1.9 - n / 10) for n in range(14)]
    for model in ("rnn", "lstm"):
        leave(tmp_path / model, rungs=rungs, loss=(1.9, 1.2), names={"task": "a", "model": model})
    seen, size = browser.page, browser.page.viewport_size
    seen.goto(write_report(tmp_path).as_uri())
    seen.set_viewport_size({"width": 688, "height": 900})  # A4 within its margins
    seen.emulate_media(media="print", color_scheme="dark")
    try:
        assert seen.evaluate("document.documentElement.scrollWidth") == 688
        paper = seen.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
    finally:
        seen.emulate_media(media="screen", color_scheme="light")
        seen.set_viewport_size(size)


def test_no_line_joins_what_has_no_order(browser, tmp_path):
    """Tasks side by side: a large dot is the mean, and the pointer finds it."""
    for task, floor in (("count", 0.1), ("echo", 0.4)):
        for seed, away in enumerate((0.02, 0.04)):
            rungs = [Rung("none", 0.7), Rung("all", floor)]
            names = {"task": task, "model": "rnn"}
            folder = tmp_path / f"{task}-{seed}"
            leave(folder, rungs=rungs, loss=(0.7, floor + away), task=task, seed=seed, names=names)
    seen = browser.page
    seen.goto(write_report(tmp_path).as_uri())
    plot = "figure.outcome .plot:first-child"
    stroke = "path => getComputedStyle(document.querySelector(path)).stroke"
    assert seen.evaluate(stroke, f"{plot} .median") == "none"
    assert (seen.locator(f"{plot} .mean").get_attribute("d") or "").count("M") == 2
    assert (seen.locator(f"{plot} .seed").get_attribute("d") or "").count("M") == 4
    seen.locator(plot).press("ArrowRight")
    tip = seen.locator("figure.outcome .tip").inner_text().splitlines()
    assert tip[-3:-1] == ["task count", "divergence from the exact law 0.0300"]


ATTACKS = (
    '<script>document.title="gone"</script>',
    '<img src="data:," onerror=\'document.title="gone"\'>',
    "<svg onload='document.title=\"gone\"'></svg>",
    "<iframe srcdoc='<script>parent.document.title=\"gone\"</script>'></iframe>",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_policy_lets_nothing_run_but_our_own_script(page, browser, tmp_path, attack):
    text = page.read_text()
    (policy,) = re.findall(r"<meta http-equiv=.*>\n", text)
    titles = {}
    for name, start in (("with", text), ("without", text.replace(policy, ""))):
        bad = tmp_path / f"{name}.html"
        bad.write_text(start.replace("</main>", f"{attack}</main>"))
        browser.page.goto(bad.as_uri())
        assert browser.page.locator("figure.curves .legend button").count() == 3  # ours runs
        titles[name] = browser.page.title()
    assert titles["with"].endswith("– lossladder")
    assert titles["without"] == "gone"  # the check can fail


def test_the_page_has_no_style_that_is_not_in_its_sheet(page):
    assert "unsafe" not in page.read_text()
    assert " style=" not in page.read_text()
