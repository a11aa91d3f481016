"""The page of a report, as a browser takes it apart."""

from html.parser import HTMLParser
from pathlib import Path

from lossladder.report.page import write_report


class Seen(HTMLParser):
    """Its tags, its words, its tables' cells."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.in_cell = False

    def handle_data(self, data):
        self.words += data
        if self.in_cell:
            self.rows[-1][-1] += data

    def links(self) -> list[str]:
        """Everything the page refers to, within it apart."""
        names = ("href", "src", "srcset", "xlink:href", "data", "action", "poster")
        found = [attrs[name] or "" for _, attrs in self.tags for name in names if name in attrs]
        return [link for link in found if not link.startswith("#")]

    def row(self, setting: str) -> list[str]:
        """The row of a setting."""
        (row,) = (row for row in self.rows if row and row[0] == setting)
        return row


def reported(folder: Path) -> Seen:
    """The report of a folder, written and read."""
    return Seen(write_report(folder))
