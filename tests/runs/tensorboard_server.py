"""TensorBoard as a person has it: the real server, and its page in a real browser."""

import io
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest
from matplotlib.image import imread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def soon(ask: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer; the last one, if none came in time."""
    end = time.monotonic() + seconds
    while not (answer := ask()) and time.monotonic() < end:
        time.sleep(0.2)
    return answer


class TensorBoard:
    """What a running TensorBoard answers over HTTP."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"

    def get(self, path: str, body: Any = None, **query: str) -> Any:
        request = Request(f"{self.url}data/{path}?{urlencode(query, quote_via=quote)}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def tags(self) -> dict[str, list[str]]:
        """run -> its scalar tags, in the alphabet's order, as the page shows them."""
        return {run: sorted(tags) for run, tags in self.get("plugin/scalars/tags").items()}

    def scalars(self, run: str, tag: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one line."""
        points = self.get("plugin/scalars/scalars", run=run, tag=tag)
        _, steps, values = zip(*points, strict=True)
        return np.array(steps), np.array(values)

    def text(self, run: str, tag: str) -> str:
        return self.get("plugin/text/text", run=run, tag=f"{tag}/text_summary")[0]["text"]

    def answers(self) -> bool:
        try:
            return bool(self.tags())
        except (URLError, ConnectionError):
            return False


@contextmanager
def tensorboard(logs: Path) -> Iterator[TensorBoard]:
    """Start TensorBoard on `logs` as its users do, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--logdir", logs, "--host", "127.0.0.1", "--port", port, "--reload_interval", 1]
    command = [sys.executable, "-m", "tensorboard.main", *map(str, words)]
    with (logs.parent / f"tensorboard-{port}.log").open("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            board = TensorBoard(port)
            assert soon(lambda: process.poll() is not None or board.answers(), 60)
            said.seek(0)
            assert process.poll() is None, said.read()
            yield board
        finally:
            process.terminate()
            process.wait(timeout=30)


class Card(NamedTuple):
    """A card of the Time Series page, as one sees it.

    Args:
        tag: its title.
        rows: run -> (value, step, colour) of the table under the plot.
        pixels: (height, width, 3) of the plot, 0 to 255.
        x, y: scale and offset, from a step or a value to a column or a row of pixels.
    """

    tag: str
    rows: dict[str, tuple[float, int, np.ndarray]]
    pixels: np.ndarray
    x: tuple[float, float]
    y: tuple[float, float]

    def drawn(self, run: str, value: float, last: int) -> float:
        """Share of the way from step 0 to `last` on which the run's colour is seen at `value`."""
        first, end = (round(self.x[0] * step + self.x[1]) for step in (0, last))
        row = round(self.y[0] * value + self.y[1])
        if not 1 <= row < len(self.pixels) - 1:
            return 0.0
        near = self.pixels[row - 1 : row + 2, first:end].astype(float)
        return float((abs(near - self.rows[run][2]).max(axis=2) < 40).any(axis=0).mean())

    def shows(self, run: str, step: int, value: float) -> bool:
        """Whether the run's colour is seen where this point belongs."""
        column, row = (round(s * v + o) for (s, o), v in ((self.x, step), (self.y, value)))
        near = self.pixels[row - 2 : row + 3, column - 2 : column + 3].astype(float)
        return bool((abs(near - self.rows[run][2]).max(axis=2) < 40).any())


_READ_CARD = """card => {
const labels = axis => [...card.querySelectorAll(axis + ' .minor text')];
return {
    tag: card.querySelector('tb-truncated-path').title,
    rows: [...card.querySelectorAll('tb-data-table-content-row')].map(row => ({
        colour: getComputedStyle(row.querySelector('.row-circle span')).backgroundColor,
        cells: [...row.querySelectorAll('.cell')].map(cell => cell.textContent.trim()),
    })),
    x: labels('.x-axis').map(label => [label.textContent, label.getAttribute('x')]),
    y: labels('.y-axis').map(label => [label.textContent, label.getAttribute('y')]),
}}"""


class Page:
    """TensorBoard's Time Series page in headless Chromium."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[str] = []  # every address the page turned to
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, board: TensorBoard, pinned: str | None = None) -> None:
        pin = json.dumps([{"plugin": "scalars", "tag": pinned}])
        query = f"?pinnedCards={quote(pin)}&smoothing=0" if pinned else ""
        self.turn_to(f"{board.url}{query}#timeseries")

    def turn_to(self, address: str) -> None:
        self.page.goto("about:blank")  # a change behind the # alone would not load anything
        self.page.goto(address)

    def hparams(self, board: TensorBoard, runs: set[str]) -> tuple[list[str], dict[str, list[str]]]:
        """The table of the HParams page as one reads it: titles, and run -> what stands in its row.

        Cells with nothing in them are left out.
        """
        self.turn_to(f"{board.url}#hparams")
        cells = self.page.locator("tf-hparams-table-view vaadin-grid-cell-content")
        soon(lambda: runs <= set(cells.all_inner_texts()))
        texts = [text for text in cells.all_inner_texts() if text.strip()]
        starts = [place for place, text in enumerate(texts) if text in runs]
        ends = [*starts[1:], len(texts)]
        rows = {texts[s]: texts[s + 1 : e] for s, e in zip(starts, ends, strict=True)}
        return texts[: starts[0]], rows

    def first_card(self) -> Card:
        """The card in the upper left corner, as soon as it is drawn."""
        card = self.page.locator("card-view").first
        card.locator("tb-data-table-content-row").first.wait_for(timeout=30_000)
        plot = card.locator(".series-view").first
        before, after = b"", plot.screenshot()
        while before != after:  # lines come when their data does
            self.page.wait_for_timeout(500)
            before, after = after, plot.screenshot()
        seen = card.evaluate(_READ_CARD)
        return Card(
            tag=seen["tag"],
            rows={row["cells"][1]: _row(**row) for row in seen["rows"]},
            pixels=(imread(io.BytesIO(after))[..., :3] * 255).round().astype(int),
            x=_scale(seen["x"]),
            y=_scale(seen["y"]),
        )


def _row(colour: str, cells: list[str]) -> tuple[float, int, np.ndarray]:
    """Cells are: (empty), run, [smoothed,] value, step, relative time."""
    rgb = [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return float(cells[-3]), int(cells[-2].replace(",", "")), np.array(rgb)


def _scale(ticks: list[tuple[str, str]]) -> tuple[float, float]:
    """Straight line through an axis's labels, from what they say to where they stand."""
    labels = [float(label.replace(",", "").replace("−", "-")) for label, _ in ticks]
    slope, offset = np.polyfit(labels, [float(place) for _, place in ticks], 1)
    return float(slope), float(offset)


@contextmanager
def chromium(pictures: Path) -> Iterator[Page]:
    """A page of headless Chromium; its last sight is left in `pictures`."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        home = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))  # a fresh profile
        try:
            page = home.new_page(viewport={"width": 1500, "height": 1000})
            yield Page(page)
            page.screenshot(path=pictures / "tensorboard.png")
        finally:
            home.close()
