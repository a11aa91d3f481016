"""The page of a report, as a browser takes it apart."""

from html.parser import HTMLParser
from pathlib import Path

from lossladder.report.page import write_report


class Seen(HTMLParser):
    """Its tags, its words, its tables' cells; not its script and its style."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.rows: list[list[str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.in_cell, self.inside = False, ""
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "table":
            self.table = self.tables.setdefault(dict(attrs)["class"] or "", [])
        elif tag == "tr":
            self.rows.append([])
            self.table.append(self.rows[-1])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.inside = ""
        if tag in ("th", "td"):
            self.in_cell = False

    def handle_data(self, data):
        if self.inside in ("script", "style") or ("\n" in data and not data.strip()):
            return
        self.words += data
        if self.in_cell:
            self.rows[-1][-1] += data

    def links(self) -> list[str]:
        """Everything the page refers to, within it apart."""
        names = ("href", "src", "srcset", "xlink:href", "data", "action", "poster")
        found = [attrs[name] or "" for _, attrs in self.tags for name in names if name in attrs]
        return [link for link in found if not link.startswith("#")]

    def row(self, setting: str, table: str = "settings") -> list[str]:
        """The row of a setting in the tables of a kind."""
        (row,) = (row for row in self.tables[table] if row and row[0] == setting)
        return row


def reported(folder: Path) -> Seen:
    """The report of a folder, written and read."""
    return Seen(write_report(folder))
