"""The command line of `benchmark.py`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import CELLS, WIDTHS
from benchmarks.clusters import clusters
from benchmarks.contests import CONTESTS
from benchmarks.growth import AXES, grow
from benchmarks.machine import machine
from benchmarks.measure import measure
from benchmarks.networks import networks
from benchmarks.suites import suites

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "performance"
GROUPS = {"contests": CONTESTS, "cells": CELLS}  # each in a file of results of its own
TABLES = {"networks": networks, "suite": suites, "clusters": clusters}
CURVES = {"growth": AXES, "widths": WIDTHS}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, or write the page from what was measured."""
    asked = _parsed(words)
    if asked.what != "page":
        pairs = (pair.split("=", 1) for pair in asked.python)
        pythons = {peer: str(Path(path).absolute()) for peer, path in pairs}
        if asked.what in CURVES:
            grown = grow(asked.rounds or 3, _say, CURVES[asked.what], asked.only)
            _keep(asked.results / f"{asked.what}.json", {"machine": machine(), **grown})
        elif asked.what in TABLES:
            found = TABLES[asked.what](asked.rounds or 5, _say)
            _keep(asked.results / f"{asked.what}.json", {"machine": machine(), **found})
        else:
            _contests(asked, pythons)
    from benchmarks.page import write

    write(asked.results, asked.page)
    _say(f"page {asked.page}")


def _contests(asked: Namespace, pythons: dict[str, str]) -> None:
    """Run the contests asked for; the others keep what they had."""
    path, known = asked.results / f"{asked.what}.json", GROUPS[asked.what]
    rounds, kept = asked.rounds or 5, {}
    if asked.contests and path.exists():
        kept = json.loads(path.read_text())["contests"]
    for name in asked.contests or known:
        kept[name] = measure(known[name], rounds, pythons, _say, asked.only)
        in_order = {one: kept[one] for one in known if one in kept}
        # after each contest: an interrupted run keeps what it has
        _keep(path, {"machine": machine(), "rounds": rounds, "contests": in_order})


def _parsed(words: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser("benchmark.py", description="Measure us and the peers side by side.")
    parser.add_argument(
        "what", nargs="?", default="contests", choices=(*GROUPS, *CURVES, *TABLES, "page"),
        help="contests: everybody in turns; cells: the same of any cell; growth: cost against "
        "size; widths: against hidden size, in large networks; networks: every "
        "one at the same floats of state; suite: a suite beside Lightning; clusters: a sweep by "
        "workers on Slurm and Ray; page: from the last results",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="timed rounds of each (5; of growth: 3)")
    parser.add_argument(
        "--contests",
        nargs="+",
        choices=[*CONTESTS, *CELLS],
        help="these only; others keep their results",
    )
    parser.add_argument("--only", nargs="+", default=[], help="these entries or engines only")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PEER=PATH",
        help="interpreter of a peer (jax, tensorflow, keras, ...), as often as needed",
    )  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    parser.add_argument(
        "--page",
        type=Path,
        default=ROOT / "docs" / "performance.md",
        help="page to bring up to date",
    )
    asked = parser.parse_args(words)
    for pair in asked.python:
        if "=" not in pair:
            parser.error(f"--python {pair}: must be PEER=PATH, as in jax=.venv-jax/bin/python")
    wrong = [name for name in asked.contests or () if name not in GROUPS.get(asked.what, {})]
    if wrong:
        parser.error(f"--contests {' '.join(wrong)}: not among those of {asked.what}")
    return asked


def _keep(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
